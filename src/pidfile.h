/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file with the process id of a server, locked as long as it runs. The lock
 * is what counts: a file that nobody has locked is a dead server's.
 */
#ifndef PIDFILE_H
#define PIDFILE_H

#include <sys/types.h>

#include <bevhost/base.h>

struct pidfile {
	int fd;		  /* holds the lock; close-on-exec; -1: none */
	const char *path; /* the caller's */
	dev_t device;
	ino_t inode;
};

/*
 * Makes path the file of this process: PID and a newline, mode 0644 as
 * the umask has it. path must outlive it; children that are forked must close
 * fd or exec, else they keep the lock. Returns 0 or, having logged why,
 * -EX_UNAVAILABLE when another process has it, -EX_NOPERM, or -EX_CANTCREAT for
 * all else: a link, a folder, or a file with something in it that is no process
 * id.
 */
int pidfile_take(struct pidfile *pidfile, const char *path) BEVHOST_MUST_CHECK;

/*
 * Goes on with the fd of pidfile_take in the process that has exec'd itself
 * and left it open. Returns as pidfile_take; fd is closed then.
 */
int pidfile_adopt(
    struct pidfile *pidfile, const char *path, int fd) BEVHOST_MUST_CHECK;

/* Removes the file if it is still ours, and gives the lock back. */
void pidfile_release(struct pidfile *pidfile);

/*
 * Which process has path. Takes no lock. Returns 0, -ESRCH when no living
 * process has it, or another -errno: -ENOENT when there is no file.
 */
int pidfile_read(const char *path, pid_t *pid) BEVHOST_MUST_CHECK;

#endif
