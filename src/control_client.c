/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Masters are found by their sockets. With several there is no guessing: who
 * asks says which.
 */
#include "control_client.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "control_path.h"
#include "ipc.h"
#include "log.h"

#define CONTROL_MASTERS 32 /* that are listed */

struct control_masters {
	pid_t pids[CONTROL_MASTERS];
	int fds[CONTROL_MASTERS]; /* connected */
	int count;
	int error; /* of the last that could not be asked */
};

/* A socket, or a negative errno. */
static int
control_connect(const char *dir, pid_t pid)
{
	struct sockaddr_un addr;
	int status = control_path(dir, pid, &addr), fd;

	if (status < 0)
		return status;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	status = -errno;
	close(fd);
	return status;
}

/* Two of the folders may be one. */
static int
control_has(const struct control_masters *masters, pid_t pid)
{
	int i;

	for (i = 0; i < masters->count; i++)
		if (masters->pids[i] == pid)
			return 1;
	return 0;
}

static void
control_try(struct control_masters *masters, const char *dir, pid_t pid)
{
	int fd;

	if (masters->count == CONTROL_MASTERS || control_has(masters, pid))
		return;
	fd = control_connect(dir, pid);
	if (fd < 0) {
		/* A socket without a master is no master. */
		if (fd != -ECONNREFUSED && fd != -ENOENT)
			masters->error = -fd;
		return;
	}
	masters->pids[masters->count] = pid;
	masters->fds[masters->count++] = fd;
}

static void
control_look(struct control_masters *masters, const char *dir)
{
	DIR *folder = opendir(dir);
	const struct dirent *entry;
	char rest[8];
	int pid;

	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL)
		if (sscanf(entry->d_name, "%d.%7s", &pid, rest) == 2 &&
		    strcmp(rest, "sock") == 0 && pid > 0)
			control_try(masters, dir, pid);
	closedir(folder);
}

static void
control_find(struct control_masters *masters, pid_t pid)
{
	char buf[PATH_MAX];
	const char *dir;
	int i;

	memset(masters, 0, sizeof(*masters));
	for (i = 0; (dir = control_dir(i, buf, sizeof(buf))) != NULL; i++)
		if (pid > 0)
			control_try(masters, dir, pid);
		else
			control_look(masters, dir);
}

static int
control_say_none(const struct control_masters *masters, pid_t pid)
{
	char buf[PATH_MAX];

	errno = masters->error;
	if (masters->error != 0)
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "the master cannot be asked: %m");
	else if (pid > 0)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "process %d is no bevhost that can be asked to reload",
		    (int)pid);
	else
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "no bevhost runs that can be asked to reload: it would "
		    "have a socket in '%s'",
		    control_dir(0, buf, sizeof(buf)));
	return masters->error == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
}

static int
control_say_several(const struct control_masters *masters)
{
	char list[512] = "";
	size_t used = 0;
	int i;

	for (i = 0; i < masters->count && used < sizeof(list) - 16; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
		    "%s%d", i > 0 ? ", " : "", (int)masters->pids[i]);
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "several run, processes %s: say which with --reload=PID", list);
	return EX_USAGE;
}

/* The answer may take as long as the workers take to start. */
static int
control_wait(int fd, struct ipc_message *message)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int status;

	do {
		while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
			continue;
		status = ipc_receive(fd, message);
		/* A reset, because it did not read what was asked, comes before
		   what it said to that. */
	} while (status == -EAGAIN || status == -ECONNRESET);
	return status;
}

static int
control_ask(int fd, pid_t pid)
{
	struct ipc_message message = { .type = IPC_RELOAD, .fd = -1 };
	int status = ipc_send(fd, &message);

	/* It may have answered already, that we may not ask. */
	if (status == 0 || status == -EPIPE)
		status = control_wait(fd, &message);
	if (status > 0 && message.type == IPC_ANSWER) {
		if (message.numbers[0] == 0)
			puts(message.text);
		else
			log_write(BEVHOST_LOG_ERROR, NULL, "%s", message.text);
		return (int)message.numbers[0];
	}
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "process %d has %s: its log may say more", (int)pid,
	    status > 0 || status == -EPROTO
		? "answered what this version does not know"
		: "gone without an answer");
	return EX_UNAVAILABLE;
}

int
control_client_reload(pid_t pid)
{
	struct control_masters masters;
	int i, status;

	signal(SIGPIPE, SIG_IGN);
	control_find(&masters, pid);
	if (masters.count == 0)
		status = control_say_none(&masters, pid);
	else if (masters.count > 1)
		status = control_say_several(&masters);
	else
		status = control_ask(masters.fds[0], masters.pids[0]);
	for (i = 0; i < masters.count; i++)
		close(masters.fds[i]);
	return status;
}
