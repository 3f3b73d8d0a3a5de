/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose files are code: as root nobody's who could not change the program
 * anyway, be it by the file or by a folder above it.
 */
#include "trust.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define STRANGER 12345

static char folder[64], file[96], why[512];

static void
setup(void)
{
	int fd;

	snprintf(folder, sizeof(folder), "/tmp/bevhost-test-trust-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chmod(folder, 0755), 0);
	snprintf(file, sizeof(file), "%s/file", folder);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	close(fd);
	why[0] = '\0';
}

static void
teardown(void)
{
	unlink(file);
	rmdir(folder);
}

static int
check_at(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), status;

	ck_assert_int_ge(fd, 0);
	status = trust_check(fd, path, why, sizeof(why));
	close(fd);
	return status;
}

static void
assert_refused(const char *text)
{
	ck_assert_int_eq(check_at(file), -1);
	ck_assert_msg(strstr(why, text) != NULL, "%s", why);
}

START_TEST(own_file_is_trusted)
{
	ck_assert_msg(check_at(file) == 0, "%s", why);
}
END_TEST

START_TEST(file_that_everybody_may_write_is_refused)
{
	ck_assert_int_eq(chmod(file, 0666), 0);
	assert_refused("is writable by everybody");
	ck_assert_ptr_nonnull(strstr(why, "chmod o-w"));
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	ck_assert_int_eq(check_at(folder), -1);
	ck_assert_str_eq(why, "is no regular file");
}
END_TEST

/* What follows is for root alone, who distrusts more. */

START_TEST(file_of_a_stranger_is_refused)
{
	ck_assert_int_eq(chown(file, STRANGER, 0), 0);
	assert_refused("is owned by user 12345");
	ck_assert_ptr_nonnull(strstr(why, "chown root"));
}
END_TEST

START_TEST(file_that_a_strange_group_may_write_is_refused)
{
	ck_assert_int_eq(chown(file, 0, STRANGER), 0);
	ck_assert_int_eq(chmod(file, 0664), 0);
	assert_refused("is writable by group 12345");
}
END_TEST

START_TEST(folder_of_a_stranger_is_refused_by_its_name)
{
	ck_assert_int_eq(chown(folder, STRANGER, 0), 0);
	assert_refused("is owned by user 12345");
	ck_assert_ptr_nonnull(strstr(why, folder));
}
END_TEST

START_TEST(folder_that_others_may_write_is_refused)
{
	ck_assert_int_eq(chmod(folder, 0777), 0);
	assert_refused("is writable by everybody");
	ck_assert_int_eq(chown(folder, 0, STRANGER), 0);
	ck_assert_int_eq(chmod(folder, 0775), 0);
	assert_refused("is writable by group 12345");
}
END_TEST

START_TEST(file_of_root_in_a_sticky_folder_is_trusted)
{
	ck_assert_int_eq(chmod(folder, 01777), 0);
	ck_assert_msg(check_at(file) == 0, "%s", why);
}
END_TEST

START_TEST(link_is_followed_to_where_the_file_is)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.link", folder);
	ck_assert_int_eq(symlink(file, name), 0);
	ck_assert_int_eq(check_at(name), 0);
	ck_assert_int_eq(chown(folder, STRANGER, 0), 0);
	ck_assert_int_eq(check_at(name), -1);
	unlink(name);
	ck_assert_msg(strstr(why, folder) != NULL, "%s", why);
}
END_TEST

START_TEST(file_that_is_no_longer_there_is_refused)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), other;

	unlink(file);
	other = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	close(other);
	ck_assert_int_eq(trust_check(fd, file, why, sizeof(why)), -1);
	close(fd);
	ck_assert_ptr_nonnull(strstr(why, "was replaced"));
}
END_TEST

START_TEST(who_owns_the_program_is_trusted)
{
	struct stat program;

	ck_assert_int_eq(stat("/proc/self/exe", &program), 0);
	ck_assert_int_eq(chown(file, program.st_uid, 0), 0);
	ck_assert_int_eq(chown(folder, program.st_uid, 0), 0);
	ck_assert_msg(check_at(file) == 0, "%s", why);
}
END_TEST

static void
add_always(Suite *suite)
{
	TCase *tcase = tcase_create("always");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, own_file_is_trusted);
	tcase_add_test(tcase, file_that_everybody_may_write_is_refused);
	tcase_add_test(tcase, what_is_no_file_is_refused);
	suite_add_tcase(suite, tcase);
}

static void
add_root(Suite *suite)
{
	TCase *tcase = tcase_create("root");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, file_of_a_stranger_is_refused);
	tcase_add_test(tcase, file_that_a_strange_group_may_write_is_refused);
	tcase_add_test(tcase, folder_of_a_stranger_is_refused_by_its_name);
	tcase_add_test(tcase, folder_that_others_may_write_is_refused);
	tcase_add_test(tcase, file_of_root_in_a_sticky_folder_is_trusted);
	tcase_add_test(tcase, link_is_followed_to_where_the_file_is);
	tcase_add_test(tcase, file_that_is_no_longer_there_is_refused);
	tcase_add_test(tcase, who_owns_the_program_is_trusted);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("trust");

	add_always(suite);
	if (geteuid() == 0)
		add_root(suite);
	return tap_run(suite);
}
