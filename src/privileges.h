/* SPDX-License-Identifier: BSD-2-Clause */
/* Who processes run as, and how little they may do. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <sys/types.h>

#include <bevhost/types.h>

#define PRIVILEGES_GROUPS 64

struct privileges {
	uid_t uid;
	gid_t gid;
	gid_t groups[PRIVILEGES_GROUPS]; /* supplementary ones */
	int group_count;
};

/*
 * Who user and group are, by name or number; either may be NULL. A user alone
 * comes with all groups that are his, a group alone with no other. Returns 0
 * or, having logged why, -EX_NOUSER, or -EX_NOPERM when this process could
 * not become them.
 */
int privileges_find(struct privileges *privileges, const char *user,
    const char *group) BEVHOST_MUST_CHECK;

/*
 * Becomes them, for good: without a capability, and with no way to get one by
 * exec. Returns 0, or -EX_NOPERM having logged; then the process must end.
 */
int privileges_drop(const struct privileges *privileges) BEVHOST_MUST_CHECK;

/*
 * For a master whose workers run as somebody else: root keeps the capabilities
 * that binding, files, killing and starting workers need, and no other. Returns
 * 0, or -EX_OSERR having logged.
 */
int privileges_keep_master(void) BEVHOST_MUST_CHECK;

#endif
