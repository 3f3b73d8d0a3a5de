/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private copies of plugin files: nobody else's, each with a name of its own,
 * gone at the end; in memory where no folder serves; and what a process that
 * crashed has left is taken away, what one that lives has left is not.
 */
#include "copy.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY	     65534

static const char content[] = "what a plugin might be\n\0with a zero";

static char parent[64];	    /* $TMPDIR of each test */
static char *saved_parent;  /* and what it was before */
static int source = -1;	    /* a file with the content */
static char path[PATH_MAX]; /* of the latest copy */
static int descriptors;

/* Entries of a folder, without "." and "..". */
static int
count_entries(const char *name)
{
	DIR *folder = opendir(name);
	int count = -2;

	ck_assert_msg(folder != NULL, "%s", name);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static void
setup(void)
{
	const char *before = getenv("TMPDIR");

	descriptors = count_entries("/proc/self/fd");
	saved_parent = before != NULL ? strdup(before) : NULL;
	snprintf(parent, sizeof(parent), "/tmp/bevhost-test-copy-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(parent));
	setenv("TMPDIR", parent, 1);
	source = memfd_create("source", MFD_CLOEXEC);
	ck_assert_int_eq(
	    write(source, content, sizeof(content)), (ssize_t)sizeof(content));
}

static void
teardown(void)
{
	copy_remove_all();
	ck_assert_int_eq(rmdir(parent), 0);
	if (saved_parent != NULL)
		setenv("TMPDIR", saved_parent, 1);
	else
		unsetenv("TMPDIR");
	free(saved_parent);
	close(source);
	ck_assert_int_eq(count_entries("/proc/self/fd"), descriptors);
}

/* Makes a copy, its name in `path`. */
static void
copy(int fd, const char *name)
{
	ck_assert_msg(copy_make(fd, name, path, sizeof(path)) == 0, "%s: %s",
	    name, strerror(errno));
}

/* The folder that `path` is in. */
static const char *
folder_of_copy(void)
{
	static char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s",
	    (int)(strrchr(path, '/') - path), path);
	return folder;
}

static void
check_content(void)
{
	char bytes[sizeof(content) + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s", path);
	ck_assert_int_eq(
	    read(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(content));
	ck_assert_mem_eq(bytes, content, sizeof(content));
	close(fd);
}

/* A copy in memory is a descriptor that stays open: closes it. */
static void
close_memory(void)
{
	char expected[32];
	int fd;

	snprintf(expected, sizeof(expected), "/proc/%ld/fd/", (long)getpid());
	ck_assert_msg(
	    strncmp(path, expected, strlen(expected)) == 0, "%s", path);
	fd = atoi(path + strlen(expected));
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
}

START_TEST(copy_has_the_content_and_the_name)
{
	copy(source, "echo.so");
	check_content();
	ck_assert_int_eq(strncmp(path, parent, strlen(parent)), 0);
	ck_assert_str_eq(path + strlen(path) - 8, "-echo.so");
}
END_TEST

START_TEST(where_the_descriptor_stands_does_not_matter)
{
	ck_assert_int_eq(lseek(source, 5, SEEK_SET), 5);
	copy(source, "echo.so");
	check_content();
	ck_assert_int_eq(lseek(source, 0, SEEK_CUR), 5);
}
END_TEST

START_TEST(copy_is_nobody_elses)
{
	struct stat st;

	copy(source, "echo.so");
	ck_assert_int_eq(stat(folder_of_copy(), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_uint_eq(st.st_uid, geteuid());
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 077, 0);
	ck_assert_uint_eq(st.st_uid, geteuid());
}
END_TEST

START_TEST(what_happens_to_the_file_does_not_reach_its_copy)
{
	copy(source, "echo.so");
	ck_assert_int_eq(pwrite(source, "overwritten", 11, 0), 11);
	check_content();
	ck_assert_int_eq(ftruncate(source, 0), 0);
	check_content();
}
END_TEST

START_TEST(two_copies_of_one_name_are_two_files)
{
	char first[PATH_MAX];
	struct stat one, two;

	copy(source, "echo.so");
	memcpy(first, path, sizeof(first));
	copy(source, "echo.so");
	ck_assert_str_ne(first, path);
	ck_assert_int_eq(stat(first, &one), 0);
	ck_assert_int_eq(stat(path, &two), 0);
	ck_assert_uint_ne(one.st_ino, two.st_ino);
	ck_assert_int_eq(count_entries(folder_of_copy()), 2);
}
END_TEST

START_TEST(folder_is_named_after_the_process)
{
	char expected[96];

	copy(source, "echo.so");
	snprintf(expected, sizeof(expected), "%s/bevhost-%ld-", parent,
	    (long)getpid());
	ck_assert_int_eq(strncmp(path, expected, strlen(expected)), 0);
}
END_TEST

START_TEST(removing_leaves_nothing)
{
	copy(source, "echo.so");
	copy(source, "print.so");
	ck_assert_int_eq(count_entries(parent), 1);
	copy_remove_all();
	ck_assert_int_eq(count_entries(parent), 0);
	copy_remove_all();
}
END_TEST

START_TEST(after_removing_copies_can_be_made_again)
{
	char first[PATH_MAX];

	copy(source, "echo.so");
	memcpy(first, path, sizeof(first));
	copy_remove_all();
	copy(source, "echo.so");
	check_content();
	ck_assert_str_ne(first, path);
}
END_TEST

START_TEST(name_as_long_as_a_file_can_have_is_taken)
{
	char name[NAME_MAX + 1];
	size_t len;

	for (len = 240; len <= NAME_MAX; len++) {
		memset(name, 'n', len);
		memcpy(name + len - 3, ".so", 4);
		copy(source, name);
		check_content();
		if (strncmp(path, "/proc/", 6) == 0)
			close_memory();
	}
}
END_TEST

START_TEST(file_of_many_megabytes_is_copied_whole)
{
	const off_t size = (5 << 20) + 1;
	struct stat st;
	char last = 0;
	int fd;

	ck_assert_int_eq(ftruncate(source, size), 0);
	ck_assert_int_eq(pwrite(source, "!", 1, size - 1), 1);
	copy(source, "large.so");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, size);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &last, 1, size - 1), 1);
	ck_assert_int_eq(last, '!');
	close(fd);
}
END_TEST

START_TEST(empty_file_has_an_empty_copy)
{
	struct stat st;

	ck_assert_int_eq(ftruncate(source, 0), 0);
	copy(source, "empty.so");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

START_TEST(what_cannot_be_read_leaves_no_copy)
{
	int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(copy_make(-1, "x.so", path, sizeof(path)), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(copy_make(folder, "x.so", path, sizeof(path)), -1);
	ck_assert_int_eq(errno, EISDIR);
	close(folder);
	copy(source, "echo.so");
	ck_assert_int_eq(count_entries(folder_of_copy()), 1);
}
END_TEST

START_TEST(without_a_folder_the_copy_is_in_memory)
{
	static const char *const unusable[] = { "/nonexistent/folder",
		"/dev/null", "/proc" };
	size_t i;

	for (i = 0; i < COUNT(unusable); i++) {
		setenv("TMPDIR", unusable[i], 1);
		copy(source, "echo.so");
		check_content();
		close_memory();
	}
}
END_TEST

START_TEST(where_nothing_may_be_written_the_copy_is_in_memory)
{
	int root = geteuid() == 0;

	ck_assert_int_eq(chmod(parent, 0555), 0);
	if (root && seteuid(NOBODY) < 0)
		return;
	copy(source, "echo.so");
	check_content();
	close_memory();
	ck_assert_int_eq(root ? seteuid(0) : 0, 0);
	ck_assert_int_eq(chmod(parent, 0700), 0);
}
END_TEST

START_TEST(when_its_folder_is_taken_away_the_copy_is_in_memory)
{
	copy(source, "echo.so");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(folder_of_copy()), 0);
	copy(source, "print.so");
	check_content();
	close_memory();
}
END_TEST

START_TEST(copies_in_memory_are_unlike_each_other)
{
	char first[PATH_MAX], second[PATH_MAX];

	setenv("TMPDIR", "/dev/null", 1);
	copy(source, "echo.so");
	memcpy(first, path, sizeof(first));
	copy(source, "echo.so");
	memcpy(second, path, sizeof(second));
	ck_assert_str_ne(first, second);
	close_memory();
	memcpy(path, first, sizeof(path));
	close_memory();
}
END_TEST

/* The library of a function that this program calls. */
static int
library_open(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "event_get_version");
	Dl_info info;
	int fd;

	ck_assert_ptr_nonnull(event_get_version());
	ck_assert_ptr_nonnull(symbol);
	ck_assert_int_ne(dladdr(symbol, &info), 0);
	fd = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* The code of the copy is other code, and it runs. */
static void
check_loads(void)
{
	const char *(*version)(void);
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol;

	ck_assert_msg(object != NULL, "%s", dlerror());
	symbol = dlsym(object, "event_get_version");
	ck_assert_ptr_nonnull(symbol);
	ck_assert_ptr_ne(symbol, dlsym(RTLD_DEFAULT, "event_get_version"));
	memcpy(&version, &symbol, sizeof(version));
	ck_assert_str_eq(version(), event_get_version());
	dlclose(object);
}

START_TEST(copy_can_be_loaded)
{
	int fd = library_open();

	copy(fd, "library.so");
	close(fd);
	check_loads();
}
END_TEST

START_TEST(copy_in_memory_can_be_loaded)
{
	int fd = library_open();

	setenv("TMPDIR", "/nonexistent/folder", 1);
	copy(fd, "library.so");
	close(fd);
	check_loads();
	close_memory();
}
END_TEST

START_TEST(relative_or_empty_tmpdir_is_not_used)
{
	static const char *const values[] = { "", ".", "relative" };
	size_t i;

	for (i = 0; i < COUNT(values); i++) {
		setenv("TMPDIR", values[i], 1);
		copy(source, "echo.so");
		ck_assert_int_eq(path[0], '/');
		ck_assert_int_ne(strncmp(path, parent, strlen(parent)), 0);
		check_content();
		if (strncmp(path, "/proc/", 6) == 0)
			close_memory();
		copy_remove_all();
	}
}
END_TEST

/* The id of a process that has ended. */
static long
dead_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

static void
make_old(const char *folder)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - 3601 },
		{ .tv_sec = time(NULL) - 3601 } };

	ck_assert_int_eq(utimensat(AT_FDCWD, folder, times, 0), 0);
}

/* PARENT/bevhost-PID-left, with a file in it. */
static const char *
left_behind(long pid)
{
	static char folder[96];
	char file[128];
	int fd;

	snprintf(folder, sizeof(folder), "%s/bevhost-%ld-left", parent, pid);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	snprintf(file, sizeof(file), "%s/1-echo.so", folder);
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	ck_assert_int_ge(fd, 0);
	close(fd);
	make_old(folder);
	return folder;
}

static void
remove_left_behind(const char *folder)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/1-echo.so", folder);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(folder_of_a_dead_process_is_taken_away)
{
	const char *folder = left_behind(dead_process());

	copy(source, "echo.so");
	ck_assert_int_eq(access(folder, F_OK), -1);
	ck_assert_int_eq(count_entries(parent), 1);
	check_content();
}
END_TEST

START_TEST(folder_of_one_that_died_just_now_is_kept_for_its_core)
{
	const char *folder = left_behind(dead_process());

	ck_assert_int_eq(utimensat(AT_FDCWD, folder, NULL, 0), 0);
	copy(source, "echo.so");
	ck_assert_int_eq(count_entries(folder), 1);
	remove_left_behind(folder);
}
END_TEST

START_TEST(folder_of_a_named_dead_process_is_taken_away_at_once)
{
	long pid = dead_process();
	const char *folder = left_behind(pid);

	ck_assert_int_eq(utimensat(AT_FDCWD, folder, NULL, 0), 0);
	copy_remove_of((pid_t)(pid + 1));
	ck_assert_int_eq(count_entries(folder), 1);
	copy_remove_of((pid_t)pid);
	ck_assert_int_eq(access(folder, F_OK), -1);
}
END_TEST

START_TEST(folder_of_a_living_process_is_kept)
{
	const long pids[] = { (long)getpid(), (long)getppid(), 1 };
	const char *folder;
	size_t i;

	for (i = 0; i < COUNT(pids); i++) {
		folder = left_behind(pids[i]);
		copy(source, "echo.so");
		ck_assert_int_eq(count_entries(folder), 1);
		copy_remove_all();
		ck_assert_int_eq(count_entries(folder), 1);
		remove_left_behind(folder);
	}
}
END_TEST

START_TEST(folders_of_others_are_kept)
{
	/* What stands before and behind the number of a dead process. */
	static const struct {
		const char *before, *behind;
	} forms[] = {
		{ "bevhost-", "" },
		{ "bevhost-", "x" },
		{ "bevhost-", "_left" },
		{ "bevhost-x", "-left" },
		{ "bevhost--", "-left" },
		{ "bevhost", "-left" },
		{ "xbevhost-", "-left" },
		{ "", "-left" },
	};
	char name[128];
	long pid = dead_process();
	size_t i;

	for (i = 0; i < COUNT(forms); i++) {
		snprintf(name, sizeof(name), "%s/%s%ld%s", parent,
		    forms[i].before, pid, forms[i].behind);
		ck_assert_int_eq(mkdir(name, 0700), 0);
		copy(source, "echo.so");
		copy_remove_all();
		ck_assert_msg(rmdir(name) == 0, "%s is gone", name);
	}
}
END_TEST

START_TEST(only_folders_of_the_same_user_are_taken_away)
{
	const char *folder;

	if (geteuid() != 0)
		return;
	folder = left_behind(dead_process());
	if (chown(folder, NOBODY, NOBODY) == 0) {
		copy(source, "echo.so");
		ck_assert_int_eq(count_entries(folder), 1);
	}
	remove_left_behind(folder);
}
END_TEST

START_TEST(files_and_links_with_such_names_are_kept)
{
	char name[96], target[96];
	long pid = dead_process();
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "%s/bevhost-%ld-file", parent, pid);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	copy(source, "echo.so");
	ck_assert_int_eq(unlink(name), 0);
	copy_remove_all();

	snprintf(target, sizeof(target), "%s", left_behind(getpid()));
	snprintf(name, sizeof(name), "%s/bevhost-%ld-link", parent, pid);
	ck_assert_int_eq(symlink(target, name), 0);
	copy(source, "echo.so");
	ck_assert_int_eq(lstat(name, &st), 0);
	ck_assert_int_eq(count_entries(target), 1);
	ck_assert_int_eq(unlink(name), 0);
	remove_left_behind(target);
}
END_TEST

static void
add_folder(Suite *suite)
{
	TCase *tcase = tcase_create("folder");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, copy_has_the_content_and_the_name);
	tcase_add_test(tcase, where_the_descriptor_stands_does_not_matter);
	tcase_add_test(tcase, copy_is_nobody_elses);
	tcase_add_test(tcase, what_happens_to_the_file_does_not_reach_its_copy);
	tcase_add_test(tcase, two_copies_of_one_name_are_two_files);
	tcase_add_test(tcase, folder_is_named_after_the_process);
	tcase_add_test(tcase, removing_leaves_nothing);
	tcase_add_test(tcase, after_removing_copies_can_be_made_again);
	tcase_add_test(tcase, name_as_long_as_a_file_can_have_is_taken);
	tcase_add_test(tcase, file_of_many_megabytes_is_copied_whole);
	tcase_add_test(tcase, empty_file_has_an_empty_copy);
	tcase_add_test(tcase, what_cannot_be_read_leaves_no_copy);
	tcase_add_test(tcase, relative_or_empty_tmpdir_is_not_used);
	tcase_add_test(tcase, copy_can_be_loaded);
	suite_add_tcase(suite, tcase);
}

static void
add_memory(Suite *suite)
{
	TCase *tcase = tcase_create("memory");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_a_folder_the_copy_is_in_memory);
	tcase_add_test(
	    tcase, where_nothing_may_be_written_the_copy_is_in_memory);
	tcase_add_test(
	    tcase, when_its_folder_is_taken_away_the_copy_is_in_memory);
	tcase_add_test(tcase, copies_in_memory_are_unlike_each_other);
	tcase_add_test(tcase, copy_in_memory_can_be_loaded);
	suite_add_tcase(suite, tcase);
}

static void
add_stale(Suite *suite)
{
	TCase *tcase = tcase_create("stale");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, folder_of_a_dead_process_is_taken_away);
	tcase_add_test(tcase, folder_of_a_living_process_is_kept);
	tcase_add_test(
	    tcase, folder_of_one_that_died_just_now_is_kept_for_its_core);
	tcase_add_test(
	    tcase, folder_of_a_named_dead_process_is_taken_away_at_once);
	tcase_add_test(tcase, folders_of_others_are_kept);
	tcase_add_test(tcase, only_folders_of_the_same_user_are_taken_away);
	tcase_add_test(tcase, files_and_links_with_such_names_are_kept);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("copy");

	add_folder(suite);
	add_memory(suite);
	add_stale(suite);
	return tap_run(suite);
}
