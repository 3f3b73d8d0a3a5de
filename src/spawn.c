/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork and exec. Between the two, nothing runs but what is below: signals are
 * blocked, since a handler of the loop would write to a socket that the child
 * still shares with it.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define SPAWN_FIRST_FD 3

/* The kernel says so behind the path when another file has taken its place. */
static void
spawn_forget_deletion(char *path)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(path), more = sizeof(deleted) - 1;

	if (len > more && strcmp(path + len - more, deleted) == 0 &&
	    access(path, F_OK) < 0)
		path[len - more] = '\0';
}

int
spawn_init(struct spawn *spawn)
{
	ssize_t len =
	    readlink("/proc/self/exe", spawn->path, sizeof(spawn->path) - 1);
	struct stat st;

	spawn->fd = -1;
	if (len < 0)
		return -1;
	spawn->path[len] = '\0';
	spawn_forget_deletion(spawn->path);
	/* Whatever is at the path by now. */
	spawn->fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (spawn->fd < 0 || fstat(spawn->fd, &st) < 0)
		return -1;
	spawn->device = st.st_dev;
	spawn->inode = st.st_ino;
	return 0;
}

void
spawn_clear(struct spawn *spawn)
{
	if (spawn->fd >= 0)
		close(spawn->fd);
	spawn->fd = -1;
}

void
spawn_reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int number;

	for (number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
spawn_is_unchanged(const struct spawn *spawn)
{
	struct stat st;

	return stat(spawn->path, &st) == 0 && st.st_dev == spawn->device &&
	       st.st_ino == spawn->inode;
}

/* First out of the way of the numbers that others are to get. */
static int
spawn_place_fds(const int *fds, int count)
{
	int *high = malloc((size_t)(count + 1) * sizeof(*high)), i;

	if (high == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		high[i] =
		    fcntl(fds[i], F_DUPFD_CLOEXEC, SPAWN_FIRST_FD + count);
		if (high[i] < 0)
			goto fail;
	}
	for (i = 0; i < count; i++)
		if (dup2(high[i], SPAWN_FIRST_FD + i) < 0)
			goto fail;
	free(high);
	return 0;
fail:
	free(high);
	return -1;
}

/* fd is the program's file. */
static void
spawn_exec(const struct spawn *spawn, int fd, char *const *argv, int anew)
{
	/* By its path a process is called by its name; by a descriptor it
	   would be called by that one's number. */
	if (anew || spawn_is_unchanged(spawn))
		execv(spawn->path, argv);
	else
		execveat(fd, "", argv, environ, AT_EMPTY_PATH);
}

/* In the child. Returns when it failed. */
static void
spawn_become(const struct spawn *spawn, char *const *argv, const int *fds,
    int fd_count, int anew)
{
	/* It too must not be where another is to be. */
	int fd = fcntl(spawn->fd, F_DUPFD_CLOEXEC, SPAWN_FIRST_FD + fd_count);

	if (fd < 0 || spawn_place_fds(fds, fd_count) < 0 ||
	    close_range((unsigned)(SPAWN_FIRST_FD + fd_count), ~0u,
		CLOSE_RANGE_CLOEXEC) < 0)
		return;
	spawn_reset_signals();
	spawn_exec(spawn, fd, argv, anew);
}

pid_t
spawn_start(const struct spawn *spawn, char *const *argv, const int *fds,
    int fd_count, int anew)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		spawn_become(spawn, argv, fds, fd_count, anew);
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "cannot run %s: %m", spawn->path);
		_exit(127);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}
