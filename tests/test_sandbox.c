/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that enters a sandbox does what is allowed and no more; each test
 * is a child of its own, as there is no way back.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox_calls.h"
#include "tap.h"

static char folder[64], file[96];

static void
setup(void)
{
	int fd;

	snprintf(folder, sizeof(folder), "/tmp/bevhost-test-sandbox-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/file", folder);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void
teardown(void)
{
	unlink(file);
	rmdir(folder);
}

/* What the child's sandbox has, and what is tried in it: 0 or an errno. */
struct trial {
	unsigned may, path_may;
	const char *path;
	int (*what)(void);
};

static int
open_file(int flags)
{
	int fd = open(file, flags | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int
try_read(void)
{
	return open_file(O_RDONLY);
}

static int
try_write(void)
{
	return open_file(O_WRONLY);
}

static int
try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int
try_nothing(void)
{
	return 0;
}

/* Returns its wait status; skips what this system cannot do. */
static int
run(const struct trial *trial)
{
	static const struct rlimit no_core = { 0, 0 };
	struct sandbox sandbox = { .may = trial->may };
	char missing[512];
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		if (sandbox_add(&sandbox, trial->path_may, trial->path) < 0 ||
		    sandbox_enter(&sandbox, missing, sizeof(missing)) < 0 ||
		    missing[0] != '\0')
			_exit(255);
		_exit(trial->what());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static int
is_lacking(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 255;
}

static void
assert_result(const struct trial *trial, int result)
{
	int status = run(trial);

	if (is_lacking(status))
		return;
	ck_assert_msg(WIFEXITED(status), "by signal %d", WTERMSIG(status));
	ck_assert_int_eq(WEXITSTATUS(status), result);
}

static void
assert_stopped(const struct trial *trial)
{
	int status = run(trial);

	if (is_lacking(status))
		return;
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}

START_TEST(nothing_is_stopped_that_is_not_tried)
{
	assert_result(&(struct trial){ .what = try_nothing }, 0);
}
END_TEST

START_TEST(file_that_is_not_listed_is_not_read)
{
	assert_result(&(struct trial){ .what = try_read }, EACCES);
}
END_TEST

START_TEST(file_below_a_folder_that_is_listed_is_read)
{
	assert_result(
	    &(struct trial){
		.what = try_read, .path = folder, .path_may = SANDBOX_READ },
	    0);
}
END_TEST

START_TEST(writing_is_stopped_where_nobody_writes)
{
	assert_stopped(&(struct trial){
	    .what = try_write, .path = folder, .path_may = SANDBOX_WRITE });
}
END_TEST

START_TEST(file_that_is_read_is_not_written)
{
	const struct trial trial = { .may = SANDBOX_FILES,
		.what = try_write,
		.path = file,
		.path_may = SANDBOX_READ };

	assert_result(&trial, EACCES);
}
END_TEST

START_TEST(file_that_is_written_is_read_too)
{
	struct trial trial = { .may = SANDBOX_FILES,
		.what = try_write,
		.path = file,
		.path_may = SANDBOX_WRITE };

	assert_result(&trial, 0);
	trial.what = try_read;
	assert_result(&trial, 0);
}
END_TEST

START_TEST(socket_needs_a_flag)
{
	assert_stopped(&(struct trial){ .what = try_socket });
	assert_result(
	    &(struct trial){ .may = SANDBOX_NAMES, .what = try_socket }, 0);
}
END_TEST

START_TEST(folder_of_a_file_is_added)
{
	struct sandbox sandbox = { .may = 0 };

	ck_assert_int_eq(sandbox_add_folder(&sandbox, 1, "/a/b/c"), 0);
	ck_assert_str_eq(sandbox.paths->path, "/a/b");
	ck_assert_int_eq(sandbox_add_folder(&sandbox, 1, "/c"), 0);
	ck_assert_str_eq(sandbox.paths->path, "/");
	ck_assert_int_eq(sandbox_add_folder(&sandbox, 1, "c"), 0);
	ck_assert_str_eq(sandbox.paths->path, ".");
	ck_assert_int_eq(sandbox_add(&sandbox, 1, NULL), 0);
	ck_assert_str_eq(sandbox.paths->path, ".");
	sandbox_clear(&sandbox);
	ck_assert_ptr_null(sandbox.paths);
}
END_TEST

START_TEST(each_stop_has_its_remedy)
{
	ck_assert_ptr_nonnull(
	    strstr(sandbox_calls_remedy("connect"), "_CONNECT"));
	ck_assert_ptr_nonnull(strstr(sandbox_calls_remedy("clone"), "_EXEC"));
	ck_assert_ptr_nonnull(strstr(sandbox_calls_remedy("mmap"), "_CODE"));
	ck_assert_ptr_nonnull(strstr(sandbox_calls_remedy("unlink"), "write"));
	ck_assert_str_eq(
	    sandbox_calls_remedy("mount"), "no manifest allows it");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *tcase = tcase_create("sandbox");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, folder_of_a_file_is_added);
	tcase_add_test(tcase, each_stop_has_its_remedy);
	if (sandbox_hindrance() == NULL) {
		tcase_add_test(tcase, nothing_is_stopped_that_is_not_tried);
		tcase_add_test(tcase, file_that_is_not_listed_is_not_read);
		tcase_add_test(
		    tcase, file_below_a_folder_that_is_listed_is_read);
		tcase_add_test(tcase, writing_is_stopped_where_nobody_writes);
		tcase_add_test(tcase, file_that_is_read_is_not_written);
		tcase_add_test(tcase, file_that_is_written_is_read_too);
		tcase_add_test(tcase, socket_needs_a_flag);
	}
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
