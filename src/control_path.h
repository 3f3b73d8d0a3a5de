/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a master can be asked: a socket named by its process id. */
#ifndef CONTROL_PATH_H
#define CONTROL_PATH_H

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <stddef.h>

#include <bevhost/base.h>

/*
 * The n-th folder, from 0, in which this user's masters may be found; the first
 * is where one that starts puts its socket. NULL after the last.
 */
const char *control_dir(int n, char *buf, size_t size);

/* For root: the n-th folder, from 0, in which the masters of another user may
   be. NULL after the last. */
const char *control_dir_of(uid_t uid, int n, char *buf, size_t size);

/* The socket of a process in a folder. Returns 0, or -ENAMETOOLONG. */
int control_path(
    const char *dir, pid_t pid, struct sockaddr_un *addr) BEVHOST_MUST_CHECK;

/* The process id that the name of a socket says, or 0: it is no such name. */
pid_t control_pid(const char *name);

/*
 * Connects without waiting. A non-blocking socket, or a negative errno:
 * -ECONNREFUSED when nobody listens, -EAGAIN when too many wait already.
 */
int control_connect(const char *dir, pid_t pid) BEVHOST_MUST_CHECK;

/*
 * Whether who asks may believe what answers in a folder. 0, or a negative
 * errno: -EPERM when another user could have put a socket there.
 */
int control_check_dir(const char *dir) BEVHOST_MUST_CHECK;

/* The same of control_dir_of(): nobody but uid may have put one there. */
int control_check_dir_of(const char *dir, uid_t uid) BEVHOST_MUST_CHECK;

/*
 * Makes the folder if it is not there. Returns 0, or a negative errno: -EPERM
 * when it is not safe, because others may write to it.
 */
int control_make_dir(const char *dir) BEVHOST_MUST_CHECK;

#endif
