/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New processes of a program: what they get and what not. The program is this
 * one, which says what it got when it is run as a child.
 */
#include "spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heard.h"

static char dir[64], path[80], copy[96];
static char told[8192]; /* by the child, on its descriptor 3 */

/* The child */

static void
child_tell_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;
	int fd;

	while ((entry = readdir(folder)) != NULL) {
		fd = atoi(entry->d_name);
		if (entry->d_name[0] != '.' && fd != dirfd(folder) &&
		    fd < 1000) /* above are a checker's own */
			dprintf(3, "fd %d\n", fd);
	}
	closedir(folder);
}

static void
child_tell_signals(void)
{
	struct sigaction action;
	sigset_t mask;
	int number;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (number = 1; number < NSIG; number++) {
		if (sigaction(number, NULL, &action) == 0 &&
		    action.sa_handler == SIG_IGN)
			dprintf(3, "ignored %d\n", number);
		if (sigismember(&mask, number) == 1)
			dprintf(3, "blocked %d\n", number);
	}
}

/* The file of this code, under a checker too. */
static void
child_tell_program(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t here = (uintptr_t)child_tell_fds, from, to;
	uintmax_t inode;
	char line[512];

	while (fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %ju",
			&from, &to, &inode) == 3 &&
		    from <= here && here < to)
			dprintf(3, "inode %ju\n", inode);
	fclose(maps);
}

static int
child(int argc, char **argv)
{
	char text[64] = "";
	int i;

	for (i = 0; i < argc; i++)
		dprintf(3, "word %s\n", argv[i]);
	child_tell_signals();
	child_tell_fds();
	child_tell_program();
	if (fcntl(4, F_GETFD) >= 0 && pread(4, text, sizeof(text) - 1, 0) > 0)
		dprintf(3, "text %s\n", text);
	return 42;
}

/* The tests */

static int
told_that(const char *line)
{
	char whole[128];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	return strstr(told, whole) != NULL;
}

static int
file_with(const char *text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	return fd;
}

/* Returns how it ended; what it said is in `told`. */
static int
run(const struct spawn *spawn, const int *others, int other_count, int anew)
{
	char title[] = "bevhost: worker 1", word[] = "--child";
	char *argv[] = { title, word, NULL };
	int fds[64], status;
	ssize_t len;
	pid_t pid;

	fds[0] = file_with("\n");
	if (other_count > 0)
		memcpy(fds + 1, others, (size_t)other_count * sizeof(*fds));
	lseek(fds[0], 0, SEEK_END);
	pid = spawn_start(spawn, argv, fds, other_count + 1, anew);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	len = pread(fds[0], told, sizeof(told) - 1, 0);
	ck_assert_int_ge(len, 0);
	told[len] = '\0';
	close(fds[0]);
	return status;
}

static void
must_run(const struct spawn *spawn, const int *others, int other_count)
{
	int status = run(spawn, others, other_count, 0);

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42,
	    "status %x, %s", status, told);
}

static struct spawn
this_program(void)
{
	struct spawn spawn;

	ck_assert_int_eq(spawn_init(&spawn), 0);
	return spawn;
}

START_TEST(a_child_has_the_descriptors_it_is_given_and_no_other)
{
	struct spawn spawn = this_program();
	int others[3], leaks[2], count, fd;
	char line[16];

	/* As a library might leave them. */
	leaks[0] = open("/dev/null", O_RDONLY);
	leaks[1] = fcntl(leaks[0], F_DUPFD, 200);
	others[0] = file_with("first");
	others[1] = others[0];
	others[2] = leaks[0];
	for (count = 0; count <= 3; count++) {
		must_run(&spawn, others, count);
		for (fd = 0; fd < 1000; fd++) {
			snprintf(line, sizeof(line), "fd %d", fd);
			ck_assert_msg(told_that(line) == (fd <= 3 + count),
			    "%s, %d given: %s", line, count + 1, told);
		}
		ck_assert_int_eq(told_that("text first"), count > 0);
	}
	close(leaks[0]);
	close(leaks[1]);
	close(others[0]);
	spawn_clear(&spawn);
}
END_TEST

static int
moved(int fd, int above)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, above);

	close(fd);
	return high;
}

/* Those that are given may have each other's numbers. */
START_TEST(descriptors_may_change_places)
{
	struct spawn spawn = this_program();
	char title[] = "title", word[] = "--child";
	char *argv[] = { title, word, NULL };
	int report = moved(file_with("\n"), 100), saved[2], status, i;
	int file = moved(file_with("second"), 100);
	const int fds[] = { 4, 3 };
	ssize_t len;
	pid_t pid;

	for (i = 0; i < 2; i++)
		saved[i] = fcntl(3 + i, F_DUPFD_CLOEXEC, 100);
	dup2(report, 4);
	dup2(file, 3);
	lseek(4, 0, SEEK_END);
	pid = spawn_start(&spawn, argv, fds, 2, 0);
	for (i = 0; i < 2; i++)
		if (saved[i] >= 0) {
			dup3(saved[i], 3 + i, O_CLOEXEC);
			close(saved[i]);
		} else {
			close(3 + i);
		}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	len = pread(report, told, sizeof(told) - 1, 0);
	ck_assert_int_ge(len, 0);
	told[len] = '\0';
	ck_assert_msg(told_that("text second"), "%s", told);
	close(report);
	close(file);
	spawn_clear(&spawn);
}
END_TEST

START_TEST(the_first_word_is_the_title)
{
	struct spawn spawn = this_program();

	must_run(&spawn, NULL, 0);
	ck_assert(told_that("word bevhost: worker 1"));
	ck_assert(told_that("word --child"));
	spawn_clear(&spawn);
}
END_TEST

static void
on_signal(int number)
{
	(void)number;
}

START_TEST(signals_are_as_from_a_shell)
{
	struct spawn spawn = this_program();
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t mask, now;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigaction(SIGTERM, &action, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	must_run(&spawn, NULL, 0);
	ck_assert_ptr_null(strstr(told, "ignored"));
	ck_assert_ptr_null(strstr(told, "blocked"));
	/* And here as they were. */
	sigprocmask(SIG_SETMASK, NULL, &now);
	ck_assert_int_eq(sigismember(&now, SIGUSR1), 1);
	ck_assert_int_eq(sigismember(&now, SIGTERM), 0);
	sigaction(SIGHUP, NULL, &action);
	ck_assert(action.sa_handler == SIG_IGN);
	sigaction(SIGTERM, NULL, &action);
	ck_assert(action.sa_handler == on_signal);
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
	spawn_clear(&spawn);
}
END_TEST

/* A copy of this program to be replaced, and what is known of it. */

static void
copy_program(const char *to)
{
	struct spawn spawn = this_program();
	int in = open(spawn.path, O_RDONLY | O_CLOEXEC), out;
	char buf[65536];
	ssize_t len;

	spawn_clear(&spawn);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ck_assert_int_ge(in, 0);
	ck_assert_int_ge(out, 0);
	while ((len = read(in, buf, sizeof(buf))) > 0)
		ck_assert_int_eq(write(out, buf, (size_t)len), len);
	ck_assert_int_eq(len, 0);
	close(in);
	close(out);
}

static struct spawn
spawn_of(const char *file)
{
	struct spawn spawn = { .fd = open(file, O_PATH | O_CLOEXEC) };
	struct stat st;

	ck_assert_int_eq(fstat(spawn.fd, &st), 0);
	snprintf(spawn.path, sizeof(spawn.path), "%s", file);
	spawn.device = st.st_dev;
	spawn.inode = st.st_ino;
	return spawn;
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-spawn-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/program", dir);
	snprintf(copy, sizeof(copy), "%s/program.new", dir);
}

static void
teardown(void)
{
	unlink(path);
	unlink(copy);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
is_inode(ino_t inode)
{
	char line[48];

	snprintf(line, sizeof(line), "inode %ju", (uintmax_t)inode);
	return told_that(line);
}

START_TEST(a_replaced_program_runs_on_until_the_new_one_is_asked_for)
{
	struct spawn spawn;
	struct stat st;

	copy_program(path);
	spawn = spawn_of(path);
	copy_program(copy);
	ck_assert_int_eq(stat(copy, &st), 0);
	must_run(&spawn, NULL, 0);
	ck_assert(is_inode(spawn.inode));
	ck_assert_int_eq(rename(copy, path), 0);
	must_run(&spawn, NULL, 0);
	ck_assert_msg(is_inode(spawn.inode), "%s", told);
	ck_assert(told_that("word bevhost: worker 1"));
	ck_assert_int_eq(WEXITSTATUS(run(&spawn, NULL, 0, 1)), 42);
	ck_assert_msg(is_inode(st.st_ino), "%s", told);
	spawn_clear(&spawn);
}
END_TEST

START_TEST(a_removed_program_runs_on)
{
	struct spawn spawn;
	int status;

	copy_program(path);
	spawn = spawn_of(path);
	ck_assert_int_eq(unlink(path), 0);
	must_run(&spawn, NULL, 0);
	ck_assert(is_inode(spawn.inode));
	listen_to_stderr();
	status = run(&spawn, NULL, 0, 1);
	restore_stderr();
	ck_assert_int_eq(WEXITSTATUS(status), 127);
	ck_assert_msg(strstr(heard, path) != NULL &&
			  strstr(heard, "No such file") != NULL,
	    "%s", heard);
	spawn_clear(&spawn);
}
END_TEST

START_TEST(a_descriptor_that_is_closed_ends_the_child)
{
	struct spawn spawn = this_program();
	const int closed = 9999;
	int status;

	listen_to_stderr();
	status = run(&spawn, &closed, 1, 0);
	restore_stderr();
	ck_assert_int_eq(WEXITSTATUS(status), 127);
	ck_assert_msg(
	    strstr(heard, "Bad file descriptor") != NULL, "%s", heard);
	spawn_clear(&spawn);
}
END_TEST

START_TEST(the_program_is_the_one_that_runs)
{
	struct spawn spawn = this_program();
	struct stat st;

	ck_assert_int_eq(stat(spawn.path, &st), 0);
	ck_assert(st.st_ino == spawn.inode && st.st_dev == spawn.device);
	ck_assert_int_eq(fcntl(spawn.fd, F_GETFD), FD_CLOEXEC);
	spawn_clear(&spawn);
	spawn_clear(&spawn);
	ck_assert_int_eq(spawn.fd, -1);
}
END_TEST

/*
 * valgrind runs programs itself: by path, under its own name and signals, and
 * answers an open of the program's file with a descriptor that it has.
 */
static int
is_emulated(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

int
main(int argc, char **argv)
{
	Suite *suite;
	TCase *tcase;

	if (argc > 1 && strcmp(argv[1], "--child") == 0)
		return child(argc, argv);
	suite = suite_create("spawn");
	tcase = tcase_create("spawn");
	tcase_add_test(
	    tcase, a_child_has_the_descriptors_it_is_given_and_no_other);
	tcase_add_test(tcase, descriptors_may_change_places);
	tcase_add_test(tcase, a_descriptor_that_is_closed_ends_the_child);
	suite_add_tcase(suite, tcase);
	if (is_emulated())
		return tap_run(suite);
	tcase_add_test(tcase, the_program_is_the_one_that_runs);
	tcase_add_test(tcase, the_first_word_is_the_title);
	tcase_add_test(tcase, signals_are_as_from_a_shell);
	tcase = tcase_create("replaced");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(
	    tcase, a_replaced_program_runs_on_until_the_new_one_is_asked_for);
	tcase_add_test(tcase, a_removed_program_runs_on);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
