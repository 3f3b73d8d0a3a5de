/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users and groups by name and number, and what is said of those that there
 * are not or that we cannot become. The members of groups are made up.
 */
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int
__wrap_getgrouplist(const char *user, gid_t group, gid_t *groups, int *count);
struct passwd *__real_getpwnam(const char *name);
struct passwd *__wrap_getpwnam(const char *name);
struct group *__real_getgrnam(const char *name);
struct group *__wrap_getgrnam(const char *name);

static char heard[1024]; /* what was logged while listened to */
static int saved_stderr, memory;
static int member_of;	 /* so many groups */
static int lookup_error; /* of getpwnam and getgrnam */

/* The group itself, then 1001, 1002, ... */
int
__wrap_getgrouplist(const char *user, gid_t group, gid_t *groups, int *count)
{
	int max = *count, i;

	(void)user;
	*count = member_of;
	for (i = 0; i < member_of && i < max; i++)
		groups[i] = i == 0 ? group : 1000 + (gid_t)i;
	return member_of <= max ? member_of : -1;
}

struct passwd *
__wrap_getpwnam(const char *name)
{
	if (lookup_error == 0)
		return __real_getpwnam(name);
	errno = lookup_error;
	return NULL;
}

struct group *
__wrap_getgrnam(const char *name)
{
	if (lookup_error == 0)
		return __real_getgrnam(name);
	errno = lookup_error;
	return NULL;
}

static void
setup(void)
{
	member_of = 1;
	lookup_error = 0;
}

static int
find(struct privileges *privileges, const char *user, const char *group)
{
	ssize_t len;
	int status;

	saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	memory = memfd_create("stderr", MFD_CLOEXEC);
	dup2(memory, STDERR_FILENO);
	status = privileges_find(privileges, user, group);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	len = pread(memory, heard, sizeof(heard) - 1, 0);
	close(memory);
	heard[len > 0 ? len : 0] = '\0';
	return status;
}

/* Where we are not root, it is found all the same, and most likely refused. */
static void
assert_found(struct privileges *privileges, const char *user, const char *group)
{
	int status = find(privileges, user, group);

	if (geteuid() == 0 || status != -EX_NOPERM)
		ck_assert_msg(status == 0, "%d: %s", status, heard);
}

static void
assert_heard(const char *part)
{
	ck_assert_msg(
	    strstr(heard, part) != NULL, "'%s' is not in '%s'", part, heard);
}

START_TEST(nobody_named_is_who_we_are)
{
	struct privileges privileges;
	gid_t groups[PRIVILEGES_GROUPS_MAX];
	int count = getgroups(PRIVILEGES_GROUPS_MAX, groups);

	ck_assert_int_ge(count, 0);
	ck_assert_int_eq(find(&privileges, NULL, ""), 0);
	ck_assert_uint_eq(privileges.uid, geteuid());
	ck_assert_uint_eq(privileges.gid, getegid());
	ck_assert_int_eq(privileges.group_count, count);
	ck_assert_mem_eq(
	    privileges.groups, groups, (size_t)count * sizeof(groups[0]));
}
END_TEST

START_TEST(user_comes_with_all_its_groups)
{
	const struct passwd *nobody = __real_getpwnam("nobody");
	struct privileges privileges;
	uid_t uid = nobody->pw_uid;
	gid_t gid = nobody->pw_gid;
	char number[16];

	member_of = 3;
	snprintf(number, sizeof(number), "%lu", (unsigned long)uid);
	assert_found(&privileges, _i == 0 ? "nobody" : number, NULL);
	ck_assert_uint_eq(privileges.uid, uid);
	ck_assert_uint_eq(privileges.gid, gid);
	ck_assert_int_eq(privileges.group_count, 3);
	ck_assert_uint_eq(privileges.groups[0], gid);
	ck_assert_uint_eq(privileges.groups[2], 1002);
}
END_TEST

START_TEST(group_takes_the_place_of_the_primary_one)
{
	struct privileges privileges;

	member_of = 2;
	assert_found(&privileges, "nobody", "4711");
	ck_assert_uint_eq(privileges.gid, 4711);
	ck_assert_int_eq(privileges.group_count, 2);
	ck_assert_uint_eq(privileges.groups[0], 4711);
	ck_assert_uint_eq(privileges.groups[1], 1001);
	assert_found(&privileges, "nobody", "daemon");
	ck_assert_uint_eq(privileges.gid, __real_getgrnam("daemon")->gr_gid);
}
END_TEST

START_TEST(group_alone_keeps_the_user)
{
	struct privileges privileges;

	assert_found(&privileges, "", "4711");
	ck_assert_uint_eq(privileges.uid, geteuid());
	ck_assert_uint_eq(privileges.gid, 4711);
	ck_assert_int_eq(privileges.group_count, 1);
	ck_assert_uint_eq(privileges.groups[0], 4711);
}
END_TEST

START_TEST(number_without_a_name_needs_a_group)
{
	struct privileges privileges;

	ck_assert_int_eq(find(&privileges, "3999999999", NULL), -EX_CONFIG);
	assert_heard("user 3999999999 has no name");
	assert_found(&privileges, "3999999999", "4711");
	ck_assert_uint_eq(privileges.uid, 3999999999u);
	ck_assert_uint_eq(privileges.gid, 4711);
	ck_assert_int_eq(privileges.group_count, 1);
	ck_assert_uint_eq(privileges.groups[0], 4711);
}
END_TEST

START_TEST(unknown_user_or_group_is_refused_with_the_near_name)
{
	struct privileges privileges;

	ck_assert_int_eq(find(&privileges, "nobodi", NULL), -EX_NOUSER);
	assert_heard("no user 'nobodi', did you mean 'nobody'?");
	ck_assert_int_eq(find(&privileges, "nobody", "deamon"), -EX_NOUSER);
	assert_heard("no group 'deamon', did you mean 'daemon'?");
}
END_TEST

START_TEST(number_that_is_none_is_a_name)
{
	/* The last two mean "as it is" to the system calls, and nothing. */
	static const char *const texts[] = { "-1", "1x", " 1", "+1", "0x1",
		"99999999999", "4294967295", "4294967296" };
	struct privileges privileges;
	char expected[64];
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		ck_assert_int_eq(find(&privileges, texts[i], NULL), -EX_NOUSER);
		snprintf(expected, sizeof(expected), "no user '%s'", texts[i]);
		assert_heard(expected);
		ck_assert_int_eq(find(&privileges, NULL, texts[i]), -EX_NOUSER);
		snprintf(expected, sizeof(expected), "no group '%s'", texts[i]);
		assert_heard(expected);
	}
}
END_TEST

START_TEST(user_in_too_many_groups_is_refused)
{
	struct privileges privileges;

	member_of = PRIVILEGES_GROUPS_MAX;
	assert_found(&privileges, "nobody", NULL);
	ck_assert_int_eq(privileges.group_count, PRIVILEGES_GROUPS_MAX);
	member_of = PRIVILEGES_GROUPS_MAX + 1;
	ck_assert_int_eq(find(&privileges, "nobody", NULL), -EX_CONFIG);
	assert_heard("'nobody' is in more than 64 groups");
}
END_TEST

START_TEST(failed_look_up_is_not_taken_for_an_unknown_name)
{
	struct privileges privileges;

	lookup_error = EIO;
	ck_assert_int_eq(find(&privileges, "nobody", NULL), -EX_OSERR);
	assert_heard("cannot look up user 'nobody': Input/output error");
	ck_assert_int_eq(find(&privileges, NULL, "daemon"), -EX_OSERR);
	assert_heard("cannot look up group 'daemon': Input/output error");
	lookup_error = ENOENT;
	ck_assert_int_eq(find(&privileges, "nobody", NULL), -EX_NOUSER);
}
END_TEST

/* In a child, which is not root: 0 when it goes as it should. */
static int
find_as_nobody(void)
{
	const struct passwd *nobody = __real_getpwnam("nobody");
	struct privileges privileges;
	uid_t uid = nobody->pw_uid;
	gid_t gid = nobody->pw_gid;

	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0))
		return -1;
	if (find(&privileges, "root", NULL) != -EX_NOPERM ||
	    strstr(heard, "only root can change to the user of 'root'") == NULL)
		return -1;
	if (find(&privileges, NULL, "daemon") != -EX_NOPERM ||
	    strstr(heard, "to the group of 'daemon'") == NULL)
		return -1;
	if (geteuid() == uid && find(&privileges, "nobody", NULL) != 0)
		return -1;
	return 0;
}

START_TEST(who_is_not_root_can_be_nobody_else)
{
	pid_t child;
	int status;

	child = fork();
	if (child == 0)
		_exit(find_as_nobody() == 0 ? 0 : 1);
	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("privileges");
	TCase *tcase = tcase_create("find");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, nobody_named_is_who_we_are);
	tcase_add_loop_test(tcase, user_comes_with_all_its_groups, 0, 2);
	tcase_add_test(tcase, group_takes_the_place_of_the_primary_one);
	tcase_add_test(tcase, group_alone_keeps_the_user);
	tcase_add_test(tcase, number_without_a_name_needs_a_group);
	tcase_add_test(tcase, user_in_too_many_groups_is_refused);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("refuse");
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(
	    tcase, unknown_user_or_group_is_refused_with_the_near_name);
	tcase_add_test(tcase, number_that_is_none_is_a_name);
	tcase_add_test(tcase, failed_look_up_is_not_taken_for_an_unknown_name);
	tcase_add_test(tcase, who_is_not_root_can_be_nobody_else);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
