/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptors that a service manager has passed, by the protocol of
 * sd_listen_fds(3). They stay open as long as the process lives, so that a
 * listener that was removed can be added again: who uses one has a copy.
 */
#ifndef INHERIT_H
#define INHERIT_H

#include <bevhost/base.h>

#include "addr.h"

/*
 * Takes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES out of the environment, and
 * makes the descriptors close-on-exec. Variables that are for another process
 * are not taken as ours. Returns how many there are, or a negated sysexits
 * code, having logged what is wrong.
 */
int inherit_init(void) BEVHOST_MUST_CHECK;

/* Puts all back, for a process that is about to exec in place. When the exec
   fails, inherit_init takes it away again. 0 or -errno. */
int inherit_export(void) BEVHOST_MUST_CHECK;

int inherit_count(void);

/* Of the one at index, from 0. The descriptor stays ours. A name is "unknown"
   when there was none. */
int inherit_fd(int index);
const char *inherit_name(int index);

/* The first after `after`, -1 to begin with, that has the name; -1: none. */
int inherit_find_name(const char *name, int after);

/* The one with this number, or -1. */
int inherit_find_fd(int fd);

/* The listening stream socket that is bound to exactly this address, or -1. */
int inherit_find_address(const struct addr *addr);

/* A copy of the descriptor, close-on-exec, which the caller owns, or -errno.
   This one is used from now on. */
int inherit_use(int index) BEVHOST_MUST_CHECK;

/* One warning for each that nobody has used. */
void inherit_warn_unused(void);

/* Forgets and closes all. */
void inherit_clear(void);

#endif
