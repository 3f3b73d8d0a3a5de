/* SPDX-License-Identifier: BSD-2-Clause */
/* Who a process is to be, and how it gives up all that it does not need. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <sys/types.h>

#include <bevhost/base.h>

#define PRIVILEGES_GROUPS_MAX 64

struct privileges {
	uid_t uid;
	gid_t gid;
	gid_t groups[PRIVILEGES_GROUPS_MAX]; /* supplementary, gid among them */
	int group_count;
};

/*
 * user and group are names, or numbers when no name is like that; NULL or ""
 * is none. A user comes with all groups that it is a member of, and with its
 * primary group unless one is named; a group alone keeps the user and is the
 * only one; neither of them is who we are. Returns 0 or, having logged why,
 * -EX_NOUSER when there is none, -EX_NOPERM when we cannot become it, or
 * -EX_CONFIG, -EX_OSERR.
 */
int privileges_find(struct privileges *privileges, const char *user,
    const char *group) BEVHOST_MUST_CHECK;

/*
 * For good: a worker becomes who it is to be, without any capability, even as
 * root, and with no_new_privs. To be called before there are threads, which
 * would keep theirs. The kernel forgets PR_SET_PDEATHSIG here; core dumps stay
 * as they were. Returns 0 or, having logged why, a negated sysexits code: then
 * it is to exit, as it may be halfway.
 */
int privileges_drop(const struct privileges *privileges) BEVHOST_MUST_CHECK;

/*
 * A master keeps of its capabilities what it takes to bind, to signal workers,
 * to write its files, and to start workers that can privileges_drop. What it
 * execs as root gets no more. Before the first worker starts, so that the
 * workers of a reload can do what the first ones could. Returns 0 or, having
 * logged why, a negated sysexits code.
 */
int privileges_keep_master(void) BEVHOST_MUST_CHECK;

#endif
