/* SPDX-License-Identifier: BSD-2-Clause */
/* New processes of this very program. */
#ifndef SPAWN_H
#define SPAWN_H

#include <limits.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <bevhost/base.h>

struct spawn {
	char path[PATH_MAX]; /* where the program's file was at the start */
	int fd;		     /* that file, whatever is at the path now */
	dev_t device;
	ino_t inode;
};

/* Which program runs. 0, or -1 with errno. */
int spawn_init(struct spawn *spawn) BEVHOST_MUST_CHECK;
void spawn_clear(struct spawn *spawn);

/*
 * Starts the program with these words (argv[0] is its title), with standard
 * descriptors as they are, fds[] as descriptors 3 and up, and no other. With
 * `anew` what is at the path now is run, else the file that runs. Returns the
 * process, or -1 with errno.
 */
pid_t spawn_start(const struct spawn *spawn, char *const *argv, const int *fds,
    int fd_count, int anew) BEVHOST_MUST_CHECK;

/* Handlers, mask and SIGPIPE as a process gets them from a shell. */
void spawn_reset_signals(void);

#endif
