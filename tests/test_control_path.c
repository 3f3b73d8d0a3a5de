/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where masters are asked: which folders for which environment and user, and
 * which of them are good enough.
 */
#include "control_path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define NOBODY 65534

static char dir[64]; /* a fresh folder for each test */
static char sub[80]; /* in it, not yet there */

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("XDG_RUNTIME_DIR");
}

static void
teardown(void)
{
	if (unlink(sub) < 0)
		rmdir(sub);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* The n-th folder, or "". */
static const char *
nth(int n)
{
	static char buf[PATH_MAX];
	const char *found = control_dir(n, buf, sizeof(buf));

	return found != NULL ? found : "";
}

/* Runs check as a user that is not root, and returns what it returned. */
static int
as_nobody(int (*check)(void))
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(99);
		_exit(check());
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(folder_of_the_service_comes_first)
{
	setenv("RUNTIME_DIRECTORY", "/run/one", 1);
	ck_assert_str_eq(nth(0), "/run/one");
	setenv("RUNTIME_DIRECTORY", "/run/one:/run/two", 1);
	ck_assert_str_eq(nth(0), "/run/one");
}
END_TEST

START_TEST(folder_of_the_service_that_is_no_path_is_ignored)
{
	static const char *const texts[] = { "", ":", "relative", ":/run/two" };
	char before[PATH_MAX];
	size_t i;

	snprintf(before, sizeof(before), "%s", nth(0));
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		setenv("RUNTIME_DIRECTORY", texts[i], 1);
		ck_assert_str_eq(nth(0), before);
	}
}
END_TEST

static int
check_session(void)
{
	char expected[64];

	setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
	if (strcmp(nth(0), "/run/user/5/bevhost") != 0)
		return 1;
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	snprintf(expected, sizeof(expected), "/tmp/bevhost-%d", (int)geteuid());
	if (strcmp(nth(0), expected) != 0)
		return 2;
	unsetenv("XDG_RUNTIME_DIR");
	return strcmp(nth(0), expected) == 0 ? 0 : 3;
}

START_TEST(user_has_a_folder_of_the_session_or_one_in_tmp)
{
	ck_assert_int_eq(as_nobody(check_session), 0);
}
END_TEST

static int
check_all(void)
{
	setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
	return strcmp(nth(0), "/run/user/5/bevhost") == 0 &&
		       strcmp(nth(1), "/run/bevhost") == 0 && nth(2)[0] == '\0'
		   ? 0
		   : 1;
}

START_TEST(service_looks_in_its_own_folder_alone)
{
	setenv("RUNTIME_DIRECTORY", "/run/one", 1);
	ck_assert_str_eq(nth(0), "/run/one");
	ck_assert_str_eq(nth(1), "");
}
END_TEST

START_TEST(everybody_looks_in_the_folder_of_the_system_too)
{
	ck_assert_int_eq(as_nobody(check_all), 0);
}
END_TEST

START_TEST(root_has_the_folder_of_the_system_whatever_the_session)
{
	setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
	ck_assert_str_eq(nth(0), "/run/bevhost");
	ck_assert_str_eq(nth(1), "");
}
END_TEST

START_TEST(path_says_folder_and_process)
{
	struct sockaddr_un addr;

	ck_assert_int_eq(control_path("/run/one", 42, &addr), 0);
	ck_assert_int_eq(addr.sun_family, AF_UNIX);
	ck_assert_str_eq(addr.sun_path, "/run/one/42.sock");
}
END_TEST

START_TEST(path_that_is_too_long_for_a_socket_is_refused)
{
	struct sockaddr_un addr;
	char text[sizeof(addr.sun_path)];

	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[sizeof(text) - sizeof("/1.sock")] = '\0';
	ck_assert_int_eq(control_path(text, 1, &addr), 0);
	ck_assert_int_eq(control_path(text, 12, &addr), -ENAMETOOLONG);
	ck_assert_int_eq(control_connect(text, 12), -ENAMETOOLONG);
}
END_TEST

START_TEST(only_the_name_of_a_socket_says_a_process)
{
	static const char *const names[] = { "", ".", "..", "sock", ".sock",
		"0.sock", "-1.sock", "+1.sock", " 1.sock", "01.sock", "1.sock ",
		"1.socket", "1", "1x.sock", "2147483648.sock",
		"99999999999999999999.sock" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(control_pid(names[i]) == 0, "'%s'", names[i]);
	ck_assert_int_eq(control_pid("1.sock"), 1);
	ck_assert_int_eq(control_pid("2147483647.sock"), INT_MAX);
}
END_TEST

START_TEST(folder_is_made_for_its_user_alone)
{
	struct stat st;

	ck_assert_int_eq(control_make_dir(sub), 0);
	ck_assert_int_eq(stat(sub, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	ck_assert_uint_eq(st.st_uid, geteuid());
	ck_assert_int_eq(control_make_dir(sub), 0);
	ck_assert_int_eq(control_check_dir(sub), 0);
}
END_TEST

START_TEST(folder_that_others_may_write_to_is_refused)
{
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	ck_assert_int_eq(chmod(sub, 0720), 0);
	ck_assert_int_eq(control_make_dir(sub), -EPERM);
	ck_assert_int_eq(control_check_dir(sub), -EPERM);
	ck_assert_int_eq(chmod(sub, 01702), 0);
	ck_assert_int_eq(control_make_dir(sub), -EPERM);
	ck_assert_int_eq(control_check_dir(sub), -EPERM);
}
END_TEST

START_TEST(folder_of_another_user_is_refused)
{
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	ck_assert_int_eq(chown(sub, NOBODY, (gid_t)-1), 0);
	ck_assert_int_eq(control_make_dir(sub), -EPERM);
	ck_assert_int_eq(control_check_dir(sub), -EPERM);
}
END_TEST

START_TEST(link_and_file_are_no_folder)
{
	ck_assert_int_eq(symlink(dir, sub), 0);
	ck_assert_int_eq(control_make_dir(sub), -ENOTDIR);
	ck_assert_int_eq(control_check_dir(sub), -ENOTDIR);
	ck_assert_int_eq(unlink(sub), 0);
	ck_assert_int_eq(mknod(sub, S_IFREG | 0600, 0), 0);
	ck_assert_int_eq(control_make_dir(sub), -ENOTDIR);
}
END_TEST

START_TEST(folder_in_one_that_is_not_there_is_not_made)
{
	char deep[96];

	snprintf(deep, sizeof(deep), "%s/deep", sub);
	ck_assert_int_eq(control_make_dir(deep), -ENOENT);
	ck_assert_int_eq(control_check_dir(deep), -ENOENT);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control_path");
	TCase *tcase = tcase_create("control_path");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, folder_of_the_service_comes_first);
	tcase_add_test(tcase, folder_of_the_service_that_is_no_path_is_ignored);
	tcase_add_test(tcase, user_has_a_folder_of_the_session_or_one_in_tmp);
	tcase_add_test(tcase, everybody_looks_in_the_folder_of_the_system_too);
	if (geteuid() == 0) {
		tcase_add_test(tcase,
		    root_has_the_folder_of_the_system_whatever_the_session);
		tcase_add_test(tcase, service_looks_in_its_own_folder_alone);
		tcase_add_test(tcase, folder_of_another_user_is_refused);
	}
	tcase_add_test(tcase, path_says_folder_and_process);
	tcase_add_test(tcase, path_that_is_too_long_for_a_socket_is_refused);
	tcase_add_test(tcase, only_the_name_of_a_socket_says_a_process);
	tcase_add_test(tcase, folder_is_made_for_its_user_alone);
	tcase_add_test(tcase, folder_that_others_may_write_to_is_refused);
	tcase_add_test(tcase, link_and_file_are_no_folder);
	tcase_add_test(tcase, folder_in_one_that_is_not_there_is_not_made);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
