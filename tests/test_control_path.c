/* SPDX-License-Identifier: BSD-2-Clause */
/* In which folders a master is to be found. */
#include "control_path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define NOBODY 65534

static char buf[PATH_MAX], dir[64];

/* Check's own files must stay within reach. */
static void
become(uid_t uid)
{
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(uid), 0);
}

static void
setup(void)
{
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("XDG_RUNTIME_DIR");
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-path-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
must_be(int n, const char *wanted)
{
	const char *got = control_dir(n, buf, sizeof(buf));

	if (wanted == NULL)
		ck_assert_ptr_null(got);
	else
		ck_assert_pstr_eq(got, wanted);
}

START_TEST(root_has_the_systems_folder_and_no_other)
{
	setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
	must_be(0, "/run/bevhost");
	must_be(1, NULL);
	must_be(2, NULL);
}
END_TEST

START_TEST(a_service_has_its_own_folder_first)
{
	setenv("RUNTIME_DIRECTORY",
	    _i == 0 ? "/run/web" : "/run/web:/run/other", 1);
	must_be(0, "/run/web");
	must_be(1, "/run/bevhost");
	must_be(2, NULL);
}
END_TEST

START_TEST(a_user_has_his_sessions_folder_and_the_systems)
{
	become(NOBODY);
	setenv("XDG_RUNTIME_DIR", "/run/user/65534", 1);
	must_be(0, "/run/user/65534/bevhost");
	must_be(1, "/run/bevhost");
	must_be(2, NULL);
	setenv("RUNTIME_DIRECTORY", "/run/web", 1);
	must_be(0, "/run/web");
	must_be(1, "/run/user/65534/bevhost");
	must_be(2, "/run/bevhost");
	must_be(CONTROL_DIRS, NULL);
	become(0);
}
END_TEST

START_TEST(without_a_session_it_is_one_in_tmp)
{
	static const char *const sessions[] = { NULL, "", "relative" };
	char wanted[64];

	become(NOBODY);
	if (sessions[_i] != NULL)
		setenv("XDG_RUNTIME_DIR", sessions[_i], 1);
	snprintf(wanted, sizeof(wanted), "/tmp/bevhost-%d", (int)geteuid());
	must_be(0, wanted);
	must_be(1, "/run/bevhost");
	become(0);
}
END_TEST

START_TEST(what_is_no_path_is_no_service_folder)
{
	static const char *const lists[] = { "", ":", ":/run/web", "web",
		"./web:/run/web" };

	setenv("RUNTIME_DIRECTORY", lists[_i], 1);
	must_be(0, "/run/bevhost");
	must_be(1, NULL);
}
END_TEST

START_TEST(a_folder_that_has_no_room_is_left_out)
{
	static char large[2 * PATH_MAX];

	memset(large, 'x', sizeof(large) - 1);
	large[0] = '/';
	setenv("RUNTIME_DIRECTORY", large, 1);
	setenv("XDG_RUNTIME_DIR", large, 1);
	must_be(0, "/run/bevhost");
	become(NOBODY);
	ck_assert_ptr_nonnull(control_dir(0, buf, sizeof(buf)));
	ck_assert_int_eq(strncmp(buf, "/tmp/bevhost-", 13), 0);
	become(0);
}
END_TEST

START_TEST(a_socket_is_named_by_its_process)
{
	struct sockaddr_un addr;
	char name[sizeof(addr.sun_path)];

	ck_assert_int_eq(control_path("/run/bevhost", 1234, &addr), 0);
	ck_assert_int_eq(addr.sun_family, AF_UNIX);
	ck_assert_str_eq(addr.sun_path, "/run/bevhost/1234.sock");
	/* "/1.sock" and the end take 8. */
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 8] = '\0';
	ck_assert_int_eq(control_path(name, 1, &addr), 0);
	ck_assert_uint_eq(strlen(addr.sun_path), sizeof(addr.sun_path) - 1);
	ck_assert_int_eq(control_path(name, 12, &addr), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_folder_is_made_where_there_is_none)
{
	char path[96];
	struct stat st;
	mode_t before = umask(0);

	snprintf(path, sizeof(path), "%s/new", dir);
	ck_assert_int_eq(control_make_dir(path), 0);
	ck_assert_int_eq(control_make_dir(path), 0);
	umask(before);
	ck_assert_int_eq(stat(path, &st), 0);
	/* Others may look into root's, to be told that they may not ask. */
	ck_assert_int_eq(
	    (int)(st.st_mode & 07777), geteuid() == 0 ? 0755 : 0700);
	rmdir(path);
}
END_TEST

START_TEST(a_folder_that_is_not_safe_is_refused)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/no/such", dir);
	ck_assert_int_eq(control_make_dir(path), -ENOENT);
	snprintf(path, sizeof(path), "%s/link", dir);
	ck_assert_int_eq(symlink(dir, path), 0);
	ck_assert_int_eq(control_make_dir(path), -ENOTDIR);
	unlink(path);
	ck_assert_int_eq(chmod(dir, 0720), 0);
	ck_assert_int_eq(control_make_dir(dir), -EPERM);
	ck_assert_int_eq(chmod(dir, 0702), 0);
	ck_assert_int_eq(control_make_dir(dir), -EPERM);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(control_make_dir(dir), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(dir, NOBODY, NOBODY), 0);
		ck_assert_int_eq(control_make_dir(dir), -EPERM);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control_path");
	TCase *tcase = tcase_create("control_path");

	tcase_add_checked_fixture(tcase, setup, teardown);
	if (geteuid() == 0) {
		tcase_add_test(tcase, root_has_the_systems_folder_and_no_other);
		tcase_add_loop_test(
		    tcase, a_service_has_its_own_folder_first, 0, 2);
		tcase_add_test(
		    tcase, a_user_has_his_sessions_folder_and_the_systems);
		tcase_add_loop_test(
		    tcase, what_is_no_path_is_no_service_folder, 0, 5);
		tcase_add_test(tcase, a_folder_that_has_no_room_is_left_out);
	}
	tcase_add_loop_test(tcase, without_a_session_it_is_one_in_tmp, 0, 3);
	tcase_add_test(tcase, a_socket_is_named_by_its_process);
	tcase_add_test(tcase, a_folder_is_made_where_there_is_none);
	tcase_add_test(tcase, a_folder_that_is_not_safe_is_refused);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
