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
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "control_path.h"
#include "ipc.h"
#include "log.h"

#define CONTROL_MASTERS	    32 /* that are listed */
#define CONTROL_REACH_TRIES 250
#define CONTROL_REACH_MS    20 /* between two */

struct control_masters {
	pid_t pids[CONTROL_MASTERS];
	int fds[CONTROL_MASTERS]; /* connected */
	int count;
	int error; /* of the last that could not be asked */
};

/* A master that has much to do is given some time to accept. */
static int
control_reach(const char *dir, pid_t pid)
{
	int fd, tries = CONTROL_REACH_TRIES;

	while ((fd = control_connect(dir, pid)) == -EAGAIN && --tries > 0)
		poll(NULL, 0, CONTROL_REACH_MS);
	return fd;
}

static int
control_is_known(const struct control_masters *masters, pid_t pid)
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

	/* Two variables may well name the same folder. */
	if (masters->count == CONTROL_MASTERS || control_is_known(masters, pid))
		return;
	fd = control_reach(dir, pid);
	if (fd < 0) {
		/* A socket without a master is no master. */
		if (fd != -ECONNREFUSED && fd != -ENOENT &&
		    (kill(pid, 0) == 0 || errno != ESRCH))
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
	pid_t pid;

	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL)
		if ((pid = control_pid(entry->d_name)) > 0)
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
		if (control_check_dir(dir) == -EPERM)
			log_write(BEVHOST_LOG_WARNING, NULL,
			    "folder '%s' is passed over: it is another user's, "
			    "or others may write to it",
			    dir);
		else if (pid > 0)
			control_try(masters, dir, pid);
		else
			control_look(masters, dir);
}

/* Root may ask the masters of others, which are where those look. */
static void
control_find_of_others(struct control_masters *masters, pid_t pid)
{
	char buf[PATH_MAX], process[32];
	const char *dir;
	struct stat st;
	int i;

	snprintf(process, sizeof(process), "/proc/%d", (int)pid);
	if (geteuid() != 0 || pid == 0 || masters->count > 0 ||
	    stat(process, &st) < 0 || st.st_uid == 0)
		return;
	for (i = 0;
	     (dir = control_dir_of(st.st_uid, i, buf, sizeof(buf))) != NULL;
	     i++)
		if (control_check_dir_of(dir, st.st_uid) == 0)
			control_try(masters, dir, pid);
}

/* Where a master was looked for, as 'A', 'B'. */
static void
control_list_dirs(char *list, size_t size)
{
	char buf[PATH_MAX];
	const char *dir;
	size_t used = 0;
	int i;

	list[0] = '\0';
	for (i = 0; (dir = control_dir(i, buf, sizeof(buf))) != NULL; i++)
		if (used < size)
			used += (size_t)snprintf(list + used, size - used,
			    "%s'%s'", i > 0 ? ", " : "", dir);
}

static int
control_say_none(const struct control_masters *masters, pid_t pid)
{
	char list[1024];

	control_list_dirs(list, sizeof(list));
	errno = masters->error;
	if (masters->error == EACCES)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "only root and the user that runs a master may ask it");
	else if (masters->error != 0)
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "the master cannot be asked: %m");
	else if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "there is no process %d: --reload alone asks the master "
		    "that runs",
		    (int)pid);
	else if (pid > 0)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "process %d is no bevhost that can be asked to reload: "
		    "there is no socket of it in %s",
		    (int)pid, list);
	else
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "no bevhost with a master runs: there is no socket of one "
		    "in %s",
		    list);
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
		/* Who was refused before he asked finds the reset first, and
		   the answer behind it. */
	} while (status == -EAGAIN || status == -ECONNRESET);
	return status;
}

/* It may be another user's, and this one's terminal. */
static void
control_print(const char *text)
{
	char line[2 * IPC_TEXT_SIZE];

	log_escape(line, sizeof(line), text, strlen(text), 0);
	puts(line);
}

static int
control_ask(int fd, pid_t pid)
{
	struct ipc_message message = { .type = IPC_RELOAD, .fd = -1 };
	int status = ipc_send(fd, &message);

	/* It may have answered already, that we may not ask. */
	if (status == 0 || status == -EPIPE)
		status = control_wait(fd, &message);
	if (status > 0 && message.fd >= 0)
		close(message.fd);
	if (status > 0 && message.type == IPC_ANSWER &&
	    message.numbers[0] >= 0 && message.numbers[0] <= 255) {
		if (message.numbers[0] == 0)
			control_print(message.text);
		else
			log_write(BEVHOST_LOG_ERROR, NULL, "%s", message.text);
		return (int)message.numbers[0];
	}
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "process %d has %s: its log may say more", (int)pid,
	    status == 0 ? "gone without an answer"
			: "answered what this version does not know");
	return EX_UNAVAILABLE;
}

int
control_client_reload(pid_t pid)
{
	struct control_masters masters;
	int i, status;

	signal(SIGPIPE, SIG_IGN);
	control_find(&masters, pid);
	control_find_of_others(&masters, pid);
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
