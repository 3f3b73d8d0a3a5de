/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pidfile. Two locks, of one byte each, belong to the open file and so
 * survive exec: the first says that there is a server, the second that its
 * process id stands in the file. Who finds only the first waits a moment for
 * the second instead of naming the server before it.
 */
#include "pidfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define PIDFILE_SERVER	 0 /* the bytes that are locked */
#define PIDFILE_WRITTEN	 1
#define PIDFILE_TRIES	 100
#define PIDFILE_PAUSE_MS 10

static int
pidfile_fail(const char *path, const char *what)
{
	int error = errno;

	log_write(BEVHOST_LOG_ERROR, NULL, "cannot %s the pidfile '%s': %m%s",
	    what, path,
	    error == ELOOP    ? "; a link is not followed"
	    : error == ENOENT ? "; its folder must exist"
			      : "");
	return error == EACCES || error == EPERM ? -EX_NOPERM : -EX_CANTCREAT;
}

/* 0, or -1 with errno: EAGAIN when another has it. */
static int
pidfile_lock(int fd, off_t byte)
{
	struct flock lock = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EACCES)
		errno = EAGAIN;
	return -1;
}

static int
pidfile_is_locked(int fd, off_t byte)
{
	struct flock lock = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* What stands in it: 0 for nothing, -1 for no process id, or for more. */
static pid_t
pidfile_parse(int fd)
{
	char text[32], *end;
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	long number;

	if (len <= 0)
		return len < 0 ? -1 : 0;
	text[len] = '\0';
	if (len == (ssize_t)sizeof(text) - 1 ||
	    !isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	number = strtol(text, &end, 10);
	if (*end == '\n')
		end++;
	if (errno != 0 || end != text + len || number == 0 ||
	    number != (pid_t)number)
		return -1;
	return (pid_t)number;
}

/*
 * Waits until the process that has locked fd has written its id. Returns 0,
 * -ESRCH when it has gone meanwhile, or another -errno when it does not say.
 */
static int
pidfile_wait(int fd, pid_t *pid)
{
	struct timespec pause = { .tv_nsec = PIDFILE_PAUSE_MS * 1000000L };
	int i;

	for (i = 0; i < PIDFILE_TRIES; i++) {
		if (pidfile_is_locked(fd, PIDFILE_WRITTEN)) {
			*pid = pidfile_parse(fd);
			return *pid > 0 ? 0 : -ENOMSG;
		}
		if (!pidfile_is_locked(fd, PIDFILE_SERVER))
			return -ESRCH;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

/* 1: fd is the file at path. */
static int
pidfile_remember(struct pidfile *pidfile, const char *path, int fd)
{
	struct stat st, there;

	pidfile->fd = fd;
	pidfile->path = path;
	if (fstat(fd, &st) < 0 || lstat(path, &there) < 0)
		return 0;
	pidfile->device = st.st_dev;
	pidfile->inode = st.st_ino;
	return st.st_dev == there.st_dev && st.st_ino == there.st_ino;
}

static int
pidfile_write(struct pidfile *pidfile)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	/* Who reads after an exec in place must not find it empty. */
	if (pidfile_parse(pidfile->fd) == getpid())
		return pidfile_lock(pidfile->fd, PIDFILE_WRITTEN) == 0
			   ? 0
			   : pidfile_fail(pidfile->path, "lock");
	if (ftruncate(pidfile->fd, 0) == 0 &&
	    pwrite(pidfile->fd, text, (size_t)len, 0) == len &&
	    pidfile_lock(pidfile->fd, PIDFILE_WRITTEN) == 0)
		return 0;
	return pidfile_fail(pidfile->path, "write");
}

/* Says who has it. 0: nobody any more. */
static int
pidfile_refuse(const char *path, int fd)
{
	pid_t pid;
	int status = pidfile_wait(fd, &pid);

	if (status == -ESRCH)
		return 0;
	if (status == 0)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "process %ld has the pidfile '%s': stop it, or take "
		    "another file",
		    (long)pid, path);
	else
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "another process has the pidfile '%s', and does not say "
		    "which: stop it, or take another file",
		    path);
	return -EX_UNAVAILABLE;
}

/* Whatever is lost by writing here must have been a process id. */
static int
pidfile_check(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    pidfile_parse(fd) >= 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "'%s' is no pidfile: something else is in it; take another path, "
	    "or remove it",
	    path);
	return -EX_CANTCREAT;
}

/* 1: fd is locked and at path. 0: try again. */
static int
pidfile_try(struct pidfile *pidfile, const char *path, int fd)
{
	int status = pidfile_check(fd, path);

	if (status != 0)
		return status;
	if (pidfile_lock(fd, PIDFILE_SERVER) == 0)
		return pidfile_remember(pidfile, path, fd);
	if (errno == EAGAIN)
		return pidfile_refuse(path, fd);
	return pidfile_fail(path, "lock");
}

int
pidfile_take(struct pidfile *pidfile, const char *path)
{
	int fd, status = 0;

	/* Until it is locked, its owner may remove it. */
	while (status == 0) {
		pidfile->fd = -1;
		fd = open(path,
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
			O_NOCTTY,
		    0644);
		if (fd < 0)
			return pidfile_fail(path, "open");
		status = pidfile_try(pidfile, path, fd);
		if (status <= 0)
			close(fd);
	}
	if (status > 0)
		status = pidfile_write(pidfile);
	if (status == 0)
		return 0;
	pidfile_release(pidfile);
	return status;
}

int
pidfile_adopt(struct pidfile *pidfile, const char *path, int fd)
{
	int status;

	pidfile->fd = -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return pidfile_fail(path, "go on with");
	/* Ours already, unless the descriptor is not what it is said to be. */
	if (pidfile_lock(fd, PIDFILE_SERVER) < 0) {
		status = pidfile_fail(path, "go on with");
		close(fd);
		return status;
	}
	if (pidfile_remember(pidfile, path, fd)) {
		status = pidfile_write(pidfile);
		if (status != 0)
			pidfile_release(pidfile);
		return status;
	}
	log_write(BEVHOST_LOG_WARNING, NULL,
	    "the pidfile '%s' was removed or replaced: it is written anew",
	    path);
	close(fd);
	return pidfile_take(pidfile, path);
}

void
pidfile_release(struct pidfile *pidfile)
{
	struct stat st;

	if (pidfile->fd < 0)
		return;
	if (lstat(pidfile->path, &st) == 0 && st.st_dev == pidfile->device &&
	    st.st_ino == pidfile->inode)
		unlink(pidfile->path);
	close(pidfile->fd);
	pidfile->fd = -1;
}

int
pidfile_read(const char *path, pid_t *pid)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int status;

	if (fd < 0)
		return -errno;
	status = pidfile_wait(fd, pid);
	close(fd);
	return status;
}
