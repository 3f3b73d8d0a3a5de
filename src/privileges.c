/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From root to somebody else, in the order in which each step still may be
 * done: groups, user, capabilities, and that no exec brings any back. That it
 * has worked is looked at, not believed.
 */
#include "privileges.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

#define PRIVILEGES_BIT(cap) (UINT64_C(1) << (cap))

/*
 * Ports below 1024; workers that are somebody else's, to start and to end them;
 * the files of unix sockets, the pidfile and the log, wherever they are.
 */
static const uint64_t privileges_master_caps =
    PRIVILEGES_BIT(CAP_NET_BIND_SERVICE) | PRIVILEGES_BIT(CAP_KILL) |
    PRIVILEGES_BIT(CAP_SETUID) | PRIVILEGES_BIT(CAP_SETGID) |
    PRIVILEGES_BIT(CAP_SETPCAP) | PRIVILEGES_BIT(CAP_CHOWN) |
    PRIVILEGES_BIT(CAP_FOWNER) | PRIVILEGES_BIT(CAP_DAC_OVERRIDE);

/* A number that is an id, or -1. */
static long long
privileges_number(const char *text)
{
	char *end;
	long long number;

	if (!isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	number = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && number < UINT32_MAX ? number : -1;
}

static int
privileges_find_user(
    struct privileges *privileges, const char *user, const char **name)
{
	long long number = privileges_number(user);
	const struct passwd *entry;

	errno = 0;
	entry = number >= 0 ? getpwuid((uid_t)number) : getpwnam(user);
	if (entry == NULL && number < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL, "there is no user '%s'%s",
		    user, errno != 0 ? " to be found: %m" : "");
		return -EX_NOUSER;
	}
	*name = entry != NULL ? entry->pw_name : NULL;
	privileges->uid = entry != NULL ? entry->pw_uid : (uid_t)number;
	privileges->gid = entry != NULL ? entry->pw_gid : (gid_t)number;
	return 0;
}

static int
privileges_find_group(struct privileges *privileges, const char *group)
{
	long long number = privileges_number(group);
	const struct group *entry;

	errno = 0;
	entry = number >= 0 ? getgrgid((gid_t)number) : getgrnam(group);
	if (entry == NULL && number < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL, "there is no group '%s'%s",
		    group, errno != 0 ? " to be found: %m" : "");
		return -EX_NOUSER;
	}
	privileges->gid = entry != NULL ? entry->gr_gid : (gid_t)number;
	return 0;
}

static int
privileges_find_others(struct privileges *privileges, const char *name)
{
	privileges->group_count = PRIVILEGES_GROUPS;
	if (getgrouplist(name, privileges->gid, privileges->groups,
		&privileges->group_count) >= 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "user '%s' is in more than %d groups", name, PRIVILEGES_GROUPS);
	return -EX_NOUSER;
}

/* Anybody may stay who he is. */
static int
privileges_check(const struct privileges *privileges)
{
	if (geteuid() == 0 ||
	    (privileges->uid == geteuid() && privileges->gid == getegid()))
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "only root can run workers as another user or group: start it as "
	    "root, or without --user and --group");
	return -EX_NOPERM;
}

int
privileges_find(
    struct privileges *privileges, const char *user, const char *group)
{
	const char *name = NULL;
	int status = 0;

	memset(privileges, 0, sizeof(*privileges));
	privileges->uid = geteuid();
	privileges->gid = getegid();
	if (user != NULL)
		status = privileges_find_user(privileges, user, &name);
	if (status == 0 && group != NULL)
		status = privileges_find_group(privileges, group);
	if (status == 0 && name != NULL)
		status = privileges_find_others(privileges, name);
	return status == 0 ? privileges_check(privileges) : status;
}

/* Whoever started this process may have left it fewer than these. */
static int
privileges_limit_caps(uint64_t caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int i;

	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(caps >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &header, data);
}

/* Those that no exec can bring back. */
static void
privileges_bound(uint64_t caps)
{
	int cap;

	for (cap = 0; cap < 64; cap++)
		if (!(caps & PRIVILEGES_BIT(cap)) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno == EINVAL)
			return; /* the kernel has no more */
}

static int
privileges_set_ids(const struct privileges *to)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups((size_t)to->group_count, to->groups) < 0 ||
	    setresgid(to->gid, to->gid, to->gid) < 0 ||
	    setresuid(to->uid, to->uid, to->uid) < 0)
		return -1;
	errno = EPERM;
	return to->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0) ? -1 : 0;
}

int
privileges_drop(const struct privileges *to)
{
	if (geteuid() == 0)
		privileges_bound(0);
	if (privileges_set_ids(to) == 0 && privileges_limit_caps(0) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "cannot run as user %d, group %d: %m", (int)to->uid, (int)to->gid);
	return -EX_NOPERM;
}

int
privileges_keep_master(void)
{
	if (geteuid() != 0)
		return 0;
	privileges_bound(privileges_master_caps);
	if (privileges_limit_caps(privileges_master_caps) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "cannot give up capabilities: %m");
	return -EX_OSERR;
}
