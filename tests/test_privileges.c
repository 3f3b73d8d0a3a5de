/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who workers run as, and that nothing brings back what they gave up. Each
 * test that gives something up does so in a process of its own.
 */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "heard.h"

#define NOBODY 65534

static struct privileges found;

static int
find(const char *user, const char *group)
{
	int status;

	memset(&found, 0x55, sizeof(found));
	listen_to_stderr();
	status = privileges_find(&found, user, group);
	restore_stderr();
	return status;
}

static int
hears(const char *text)
{
	return strstr(heard, text) != NULL;
}

static const char *
number_text(unsigned number)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u", number);
	return text;
}

/* Somebody whose user and group have names. */
static const struct passwd *
somebody(void)
{
	const struct passwd *entry;

	setpwent();
	while ((entry = getpwent()) != NULL)
		if (entry->pw_uid != 0 && entry->pw_gid != 0 &&
		    entry->pw_uid != entry->pw_gid)
			break;
	endpwent();
	return entry != NULL ? entry : getpwuid(NOBODY);
}

START_TEST(a_user_is_known_by_name_and_by_number)
{
	const struct passwd *entry = somebody();
	char name[64];
	uid_t uid;
	gid_t gid;
	int i, has = 0;

	ck_assert_ptr_nonnull(entry);
	snprintf(name, sizeof(name), "%s", entry->pw_name);
	uid = entry->pw_uid;
	gid = entry->pw_gid;
	ck_assert_int_eq(find(_i == 0 ? name : number_text(uid), NULL), 0);
	ck_assert_str_eq(heard, "");
	ck_assert_uint_eq(found.uid, uid);
	ck_assert_uint_eq(found.gid, gid);
	for (i = 0; i < found.group_count; i++)
		has += found.groups[i] == gid;
	ck_assert_int_eq(has, 1);
}
END_TEST

START_TEST(a_number_need_not_have_a_name)
{
	ck_assert_int_eq(find("54321", NULL), 0);
	ck_assert_uint_eq(found.uid, 54321);
	ck_assert_uint_eq(found.gid, 54321);
	ck_assert_int_eq(found.group_count, 0);
	ck_assert_int_eq(find("54321", "54322"), 0);
	ck_assert_uint_eq(found.uid, 54321);
	ck_assert_uint_eq(found.gid, 54322);
}
END_TEST

START_TEST(a_group_alone_leaves_the_user_and_comes_alone)
{
	const struct group *entry = getgrgid(somebody()->pw_gid);

	ck_assert_ptr_nonnull(entry);
	ck_assert_int_eq(find(NULL, entry->gr_name), 0);
	ck_assert_uint_eq(found.uid, geteuid());
	ck_assert_uint_eq(found.gid, getgrnam(entry->gr_name)->gr_gid);
	ck_assert_int_eq(found.group_count, 0);
	ck_assert_int_eq(find(NULL, "54322"), 0);
	ck_assert_uint_eq(found.gid, 54322);
}
END_TEST

START_TEST(a_group_takes_the_place_of_the_users_own)
{
	int i, has = 0;

	ck_assert_int_eq(find(somebody()->pw_name, "54322"), 0);
	ck_assert_uint_eq(found.uid, somebody()->pw_uid);
	ck_assert_uint_eq(found.gid, 54322);
	for (i = 0; i < found.group_count; i++)
		has += found.groups[i] == 54322;
	ck_assert_int_eq(has, 1);
}
END_TEST

START_TEST(who_is_unknown_is_refused)
{
	static const char *const names[] = { "no-such-one", "", "-1", "+1",
		"12x", " 1", "4294967295", "4294967296",
		"99999999999999999999" };
	char text[96];

	ck_assert_int_eq(find(names[_i], NULL), -EX_NOUSER);
	snprintf(text, sizeof(text), "there is no user '%s'", names[_i]);
	ck_assert_msg(hears(text), "%s", heard);
	ck_assert_int_eq(find(NULL, names[_i]), -EX_NOUSER);
	snprintf(text, sizeof(text), "there is no group '%s'", names[_i]);
	ck_assert_msg(hears(text), "%s", heard);
	/* Even with somebody who is known. */
	ck_assert_int_eq(find("root", names[_i]), -EX_NOUSER);
}
END_TEST

START_TEST(nobody_said_is_who_runs)
{
	ck_assert_int_eq(find(NULL, NULL), 0);
	ck_assert_uint_eq(found.uid, geteuid());
	ck_assert_uint_eq(found.gid, getegid());
}
END_TEST

/* In a child: 0, or the line of the first thing that is wrong. */

#define MUST(what)                                 \
	do {                                       \
		if (!(what))                       \
			_exit(__LINE__ % 250 + 1); \
	} while (0)

static void
in_child(void (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		what();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "status %x", status);
	ck_assert_msg(status == 0, "at line %d or 250, 500 more",
	    WEXITSTATUS(status) - 1);
}

static uint64_t
caps(const char *which)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t value = UINT64_MAX;

	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, which, strlen(which)) == 0)
			value = strtoull(line + strlen(which) + 1, NULL, 16);
	fclose(file);
	return value;
}

static void
must_be_without_caps(void)
{
	MUST(caps("CapEff") == 0);
	MUST(caps("CapPrm") == 0);
	MUST(caps("CapInh") == 0);
	MUST(caps("CapBnd") == 0);
	MUST(caps("CapAmb") == 0);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void
drop_to_nobody(void)
{
	struct privileges to = {
		.uid = NOBODY,
		.gid = NOBODY,
		.groups = { 1001, 1002 },
		.group_count = 2,
	};
	gid_t groups[8], gid, egid, sgid;
	uid_t uid, euid, suid;

	MUST(privileges_drop(&to) == 0);
	MUST(getresuid(&uid, &euid, &suid) == 0);
	MUST(uid == NOBODY && euid == NOBODY && suid == NOBODY);
	MUST(getresgid(&gid, &egid, &sgid) == 0);
	MUST(gid == NOBODY && egid == NOBODY && sgid == NOBODY);
	MUST(getgroups(8, groups) == 2);
	MUST(groups[0] == 1001 && groups[1] == 1002);
	must_be_without_caps();
	MUST(setuid(0) < 0 && errno == EPERM);
	MUST(seteuid(0) < 0 && setresuid(0, 0, 0) < 0);
	MUST(setgid(0) < 0 && setgroups(0, NULL) < 0);
	MUST(access("/etc/shadow", R_OK) < 0);
}

static void
drop_to_root(void)
{
	struct privileges to = { .uid = 0, .gid = NOBODY };
	gid_t groups[8];

	MUST(privileges_drop(&to) == 0);
	MUST(geteuid() == 0 && getegid() == NOBODY);
	MUST(getgroups(8, groups) == 0);
	must_be_without_caps();
	/* No exec and no setuid brings anything back. */
	MUST(setuid(0) == 0);
	must_be_without_caps();
	MUST(setgid(0) < 0);
	MUST(system("test \"$(grep CapEff /proc/self/status | tr -d "
		    "'\\t')\" = CapEff:0000000000000000") == 0);
}

static uint64_t
master_caps(void)
{
	static const int numbers[] = { CAP_NET_BIND_SERVICE, CAP_KILL,
		CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_CHOWN, CAP_FOWNER,
		CAP_DAC_OVERRIDE };
	uint64_t set = 0;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		set |= UINT64_C(1) << numbers[i];
	return set;
}

static void
keep_and_drop(void)
{
	uint64_t had = caps("CapPrm"), bound = caps("CapBnd");

	MUST(privileges_keep_master() == 0);
	MUST(geteuid() == 0);
	MUST(caps("CapEff") == (had & master_caps()));
	MUST(caps("CapPrm") == (had & master_caps()));
	MUST(caps("CapInh") == 0);
	MUST(caps("CapBnd") == (bound & master_caps()));
	/* Twice, as after an exec in place; and enough for workers. */
	MUST(privileges_keep_master() == 0);
	drop_to_nobody();
}

/* As a service manager may start it. */
static void
keep_with_less(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	uint64_t left;

	MUST(syscall(SYS_capget, &header, data) == 0);
	data[0].permitted &= ~((1u << CAP_FOWNER) | (1u << CAP_CHOWN));
	data[0].effective = data[0].permitted;
	MUST(syscall(SYS_capset, &header, data) == 0);
	left = caps("CapPrm");
	MUST(privileges_keep_master() == 0);
	MUST(caps("CapPrm") == (left & master_caps()));
	MUST(caps("CapEff") == (left & master_caps()));
	drop_to_nobody();
}

static void
become_nobody(void)
{
	MUST(setgroups(0, NULL) == 0);
	MUST(setresgid(NOBODY, NOBODY, NOBODY) == 0);
	MUST(setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

static void
find_as_nobody(void)
{
	become_nobody();
	MUST(find("0", NULL) == -EX_NOPERM && hears("only root can"));
	MUST(find(NULL, "0") == -EX_NOPERM && hears("only root can"));
	MUST(find("no-such-one", NULL) == -EX_NOUSER);
	/* Anybody may stay who he is. */
	MUST(find(number_text(NOBODY), number_text(NOBODY)) == 0);
	MUST(privileges_keep_master() == 0);
	MUST(privileges_drop(&found) == 0);
	MUST(getuid() == NOBODY && caps("CapPrm") == 0);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

/* The number is of no user that may be. */
static void
drop_to_none(void)
{
	struct privileges to = { .uid = (uid_t)-1, .gid = NOBODY };
	int status;

	listen_to_stderr();
	status = privileges_drop(&to);
	restore_stderr();
	MUST(status == -EX_NOPERM || getuid() != 0);
}

START_TEST(nothing_is_left_after_a_drop)
{
	in_child(drop_to_nobody);
}
END_TEST

START_TEST(root_without_capabilities_stays_without)
{
	in_child(drop_to_root);
}
END_TEST

START_TEST(a_master_keeps_what_it_needs_and_can_drop_it)
{
	in_child(keep_and_drop);
}
END_TEST

START_TEST(a_master_that_had_less_keeps_less)
{
	in_child(keep_with_less);
}
END_TEST

START_TEST(who_is_not_root_may_only_stay)
{
	in_child(find_as_nobody);
}
END_TEST

START_TEST(nobody_stays_root_by_mistake)
{
	in_child(drop_to_none);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("privileges");
	TCase *tcase = tcase_create("privileges");

	tcase_add_test(tcase, nobody_said_is_who_runs);
	tcase_add_loop_test(tcase, who_is_unknown_is_refused, 0, 9);
	if (geteuid() == 0) {
		tcase_add_loop_test(
		    tcase, a_user_is_known_by_name_and_by_number, 0, 2);
		tcase_add_test(tcase, a_number_need_not_have_a_name);
		tcase_add_test(
		    tcase, a_group_alone_leaves_the_user_and_comes_alone);
		tcase_add_test(tcase, a_group_takes_the_place_of_the_users_own);
		tcase_add_test(tcase, nothing_is_left_after_a_drop);
		tcase_add_test(tcase, root_without_capabilities_stays_without);
		tcase_add_test(
		    tcase, a_master_keeps_what_it_needs_and_can_drop_it);
		tcase_add_test(tcase, a_master_that_had_less_keeps_less);
		tcase_add_test(tcase, who_is_not_root_may_only_stay);
		tcase_add_test(tcase, nobody_stays_root_by_mistake);
	}
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
