/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users, groups and capabilities. libc has no calls for capabilities: the two
 * system calls are made here, for the calling thread.
 */
#include "privileges.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "near.h"

#define PRIVILEGES_BIT(cap) (UINT64_C(1) << (cap))

/*
 * Of a master. It binds ports below 1024 when a reload adds them, signals
 * workers that are another user's, and starts workers that become one.
 * DAC_OVERRIDE lets it and the `ready` of plugins read files of others, as a
 * key of the user who renews it, and reopen a log or make a socket in another
 * user's folder: what could be read at the start can be read at a reload.
 *
 * Not kept: CHOWN and FOWNER, as sockets, pidfile and log stay root's, who
 * owns them and may chmod and unlink them; SETPCAP, since a worker's
 * no_new_privs is as good as an empty bounding set.
 */
#define PRIVILEGES_MASTER                                                  \
	(PRIVILEGES_BIT(CAP_NET_BIND_SERVICE) | PRIVILEGES_BIT(CAP_KILL) | \
	    PRIVILEGES_BIT(CAP_SETUID) | PRIVILEGES_BIT(CAP_SETGID) |      \
	    PRIVILEGES_BIT(CAP_DAC_OVERRIDE))

struct privileges_caps {
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
};

static uint64_t
privileges_join(uint32_t low, uint32_t high)
{
	return low | (uint64_t)high << 32;
}

static int
privileges_get_caps(struct privileges_caps *caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(caps, 0, sizeof(*caps));
	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	caps->effective = privileges_join(data[0].effective, data[1].effective);
	caps->permitted = privileges_join(data[0].permitted, data[1].permitted);
	caps->inheritable =
	    privileges_join(data[0].inheritable, data[1].inheritable);
	return 0;
}

static int
privileges_set_caps(const struct privileges_caps *caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int i;

	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].effective = (uint32_t)(caps->effective >> 32 * i);
		data[i].permitted = (uint32_t)(caps->permitted >> 32 * i);
		data[i].inheritable = (uint32_t)(caps->inheritable >> 32 * i);
	}
	return (int)syscall(SYS_capset, &header, data);
}

static int
privileges_can(int cap)
{
	struct privileges_caps caps;

	return privileges_get_caps(&caps) == 0 &&
	       (caps.effective & PRIVILEGES_BIT(cap)) != 0;
}

/* Who may not: an exec gives no more than what can be had already. */
static int
privileges_limit_bounding(uint64_t keep)
{
	int cap;

	if (!privileges_can(CAP_SETPCAP))
		return 0;
	for (cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if ((keep & PRIVILEGES_BIT(cap)) == 0 &&
		    prctl(PR_CAPBSET_READ, cap) > 0 &&
		    prctl(PR_CAPBSET_DROP, cap) < 0)
			return -1;
	return 0;
}

/* Ambient ones go with those that are permitted. */
static int
privileges_limit_caps(uint64_t keep)
{
	struct privileges_caps caps;

	if (privileges_limit_bounding(keep) < 0 ||
	    privileges_get_caps(&caps) < 0)
		return -1;
	caps.effective &= keep;
	caps.permitted &= keep;
	caps.inheritable &= keep;
	return privileges_set_caps(&caps);
}

/* Of a user or a group. 0, or -1 when it is none: -1 means "as it is". */
static int
privileges_parse_id(const char *text, uint32_t *id)
{
	char *end;
	unsigned long number;

	if (!isdigit((unsigned char)text[0]) || strlen(text) > 10)
		return -1;
	number = strtoul(text, &end, 10);
	if (*end != '\0' || number >= UINT32_MAX)
		return -1;
	*id = (uint32_t)number;
	return 0;
}

static int
privileges_refuse_user(const char *user)
{
	struct near near = { .word = user };
	char hint[128];
	struct passwd *entry;

	setpwent();
	while ((entry = getpwent()) != NULL)
		near_offer(&near, entry->pw_name);
	endpwent();
	log_write(BEVHOST_LOG_ERROR, NULL, "no user '%s'%s", user,
	    near_text(&near, hint, sizeof(hint)));
	return -EX_NOUSER;
}

static int
privileges_refuse_group(const char *group)
{
	struct near near = { .word = group };
	char hint[128];
	struct group *entry;

	setgrent();
	while ((entry = getgrent()) != NULL)
		near_offer(&near, entry->gr_name);
	endgrent();
	log_write(BEVHOST_LOG_ERROR, NULL, "no group '%s'%s", group,
	    near_text(&near, hint, sizeof(hint)));
	return -EX_NOUSER;
}

/* Whether a look-up failed, rather than found nothing (getpwnam(3)). */
static int
privileges_has_failed(int error)
{
	return error == EINTR || error == EIO || error == EMFILE ||
	       error == ENFILE || error == ENOMEM;
}

static int
privileges_fail_lookup(const char *kind, const char *name)
{
	log_write(
	    BEVHOST_LOG_ERROR, NULL, "cannot look up %s '%s': %m", kind, name);
	return -EX_OSERR;
}

static int
privileges_find_group(const char *group, gid_t *gid)
{
	const struct group *entry;

	errno = 0;
	entry = getgrnam(group);
	if (entry != NULL)
		*gid = entry->gr_gid;
	else if (privileges_has_failed(errno))
		return privileges_fail_lookup("group", group);
	else if (privileges_parse_id(group, gid) < 0)
		return privileges_refuse_group(group);
	return 0;
}

/* *entry is NULL for a number that has none. */
static int
privileges_find_user(const char *user, uid_t *uid, const struct passwd **entry)
{
	errno = 0;
	*entry = getpwnam(user);
	if (*entry == NULL && !privileges_has_failed(errno) &&
	    privileges_parse_id(user, uid) == 0) {
		errno = 0;
		*entry = getpwuid(*uid);
		if (*entry == NULL && !privileges_has_failed(errno))
			return 0;
	}
	if (*entry != NULL) {
		*uid = (*entry)->pw_uid;
		return 0;
	}
	return privileges_has_failed(errno)
		   ? privileges_fail_lookup("user", user)
		   : privileges_refuse_user(user);
}

static void
privileges_set_only(struct privileges *privileges)
{
	privileges->groups[0] = privileges->gid;
	privileges->group_count = 1;
}

/* As it is: privileges has the uid and gid already. */
static int
privileges_set_current(struct privileges *privileges)
{
	int count = getgroups(PRIVILEGES_GROUPS_MAX, privileges->groups);

	if (count < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "cannot keep the groups of this process: %m; it can have "
		    "%d, or name a user",
		    PRIVILEGES_GROUPS_MAX);
		return -EX_CONFIG;
	}
	privileges->group_count = count;
	return 0;
}

static int
privileges_set_member(struct privileges *privileges, const struct passwd *entry)
{
	privileges->group_count = PRIVILEGES_GROUPS_MAX;
	if (getgrouplist(entry->pw_name, privileges->gid, privileges->groups,
		&privileges->group_count) >= 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "user '%s' is in more than %d groups: take one that is in fewer",
	    entry->pw_name, PRIVILEGES_GROUPS_MAX);
	return -EX_CONFIG;
}

/* Who cannot become another finds out before anything is served. */
static int
privileges_check(
    const struct privileges *privileges, const char *user, const char *group)
{
	const char *kind = NULL, *name = NULL;

	if (privileges->uid != geteuid() && !privileges_can(CAP_SETUID)) {
		kind = "user";
		name = user;
	} else if (privileges->gid != getegid() &&
		   !privileges_can(CAP_SETGID)) {
		kind = "group";
		name = group != NULL ? group : user;
	}
	if (kind == NULL)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "only root can change to the %s of '%s': start as root, or do "
	    "without it",
	    kind, name);
	return -EX_NOPERM;
}

static int
privileges_find_ids(
    struct privileges *privileges, const char *user, const char *group)
{
	const struct passwd *entry = NULL;
	int status;

	if (user != NULL) {
		status = privileges_find_user(user, &privileges->uid, &entry);
		if (status != 0)
			return status;
		if (entry == NULL && group == NULL) {
			log_write(BEVHOST_LOG_ERROR, NULL,
			    "user %s has no name, and so no group: name one "
			    "too",
			    user);
			return -EX_CONFIG;
		}
		if (entry != NULL)
			privileges->gid = entry->pw_gid;
	}
	/* entry is libc's, and not of groups. */
	if (group != NULL) {
		status = privileges_find_group(group, &privileges->gid);
		if (status != 0)
			return status;
	}
	if (entry != NULL)
		return privileges_set_member(privileges, entry);
	if (group == NULL)
		return privileges_set_current(privileges);
	privileges_set_only(privileges);
	return 0;
}

int
privileges_find(
    struct privileges *privileges, const char *user, const char *group)
{
	int status;

	memset(privileges, 0, sizeof(*privileges));
	privileges->uid = geteuid();
	privileges->gid = getegid();
	user = user != NULL && user[0] != '\0' ? user : NULL;
	group = group != NULL && group[0] != '\0' ? group : NULL;
	status = privileges_find_ids(privileges, user, group);
	if (status != 0)
		return status;
	return privileges_check(privileges, user, group);
}

static int
privileges_fail_drop(const struct privileges *privileges, const char *call)
{
	int error = errno;

	log_write(BEVHOST_LOG_ERROR, NULL,
	    "cannot become user %lu and group %lu: %s: %m",
	    (unsigned long)privileges->uid, (unsigned long)privileges->gid,
	    call);
	return error == EPERM ? -EX_NOPERM : -EX_OSERR;
}

/* Groups first: a user cannot change them. */
static int
privileges_become(const struct privileges *privileges)
{
	int dumpable = prctl(PR_GET_DUMPABLE);

	if (privileges_can(CAP_SETGID) &&
	    setgroups((size_t)privileges->group_count, privileges->groups) < 0)
		return privileges_fail_drop(privileges, "setgroups");
	if (setresgid(privileges->gid, privileges->gid, privileges->gid) < 0)
		return privileges_fail_drop(privileges, "setresgid");
	if (setresuid(privileges->uid, privileges->uid, privileges->uid) < 0)
		return privileges_fail_drop(privileges, "setresuid");
	/* A crash is to leave a core if it would have left one before. */
	if (dumpable == 1 && prctl(PR_SET_DUMPABLE, 1) < 0)
		return privileges_fail_drop(privileges, "PR_SET_DUMPABLE");
	return 0;
}

/* Is it who it is to be, and can it not go back? */
static int
privileges_is_dropped(const struct privileges *privileges)
{
	struct privileges_caps caps;
	uid_t uid[3];
	gid_t gid[3];
	int i;

	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 ||
	    getresgid(&gid[0], &gid[1], &gid[2]) < 0 ||
	    privileges_get_caps(&caps) < 0)
		return 0;
	for (i = 0; i < 3; i++)
		if (uid[i] != privileges->uid || gid[i] != privileges->gid)
			return 0;
	if (caps.effective != 0 || caps.permitted != 0 ||
	    caps.inheritable != 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1)
		return 0;
	return (privileges->gid == 0 || setresgid(0, 0, 0) < 0) &&
	       (privileges->uid == 0 || setresuid(0, 0, 0) < 0);
}

int
privileges_drop(const struct privileges *privileges)
{
	int status;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		return privileges_fail_drop(privileges, "PR_SET_NO_NEW_PRIVS");
	/* While it is allowed: becoming a user ends that. */
	if (privileges_limit_bounding(0) < 0)
		return privileges_fail_drop(privileges, "PR_CAPBSET_DROP");
	status = privileges_become(privileges);
	if (status != 0)
		return status;
	if (privileges_limit_caps(0) < 0)
		return privileges_fail_drop(privileges, "capset");
	if (privileges_is_dropped(privileges))
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "privileges were dropped and are still there: user %lu, group %lu",
	    (unsigned long)privileges->uid, (unsigned long)privileges->gid);
	return -EX_SOFTWARE;
}

int
privileges_keep_master(void)
{
	if (privileges_limit_caps(PRIVILEGES_MASTER) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "cannot give capabilities away: %m");
	return -EX_OSERR;
}
