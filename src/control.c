/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client is one connection with one request, which it has to make within
 * some seconds, and one answer. What it sends besides ends it.
 */
#include "control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "control_path.h"
#include "ipc.h"
#include "log.h"

#define CONTROL_ASK_S	   5 /* within which a client asks */
#define CONTROL_PAUSE_S	   1 /* when there is nothing to accept with */
#define CONTROL_STARTING_S 5 /* at most between bind and listen */

struct control_request {
	struct control *control; /* NULL: it is cleared */
	int place;		 /* among its clients */
	struct event *event;	 /* NULL: it asked and has gone */
	int asked;
};

static void
control_end(struct control_request *request)
{
	if (request->control != NULL)
		request->control->clients[request->place] = NULL;
	if (request->event != NULL) {
		close(event_get_fd(request->event));
		event_free(request->event);
	}
	free(request);
}

/* Who does not read has no answer. */
static void
control_send(int fd, int exit_status, const char *text)
{
	struct ipc_message message = {
		.type = IPC_ANSWER, .numbers = { exit_status }, .fd = -1
	};

	snprintf(message.text, sizeof(message.text), "%s", text);
	(void)!ipc_send(fd, &message);
}

void
control_answer(
    struct control_request *request, int exit_status, const char *text)
{
	if (request->event != NULL)
		control_send(event_get_fd(request->event), exit_status, text);
	control_end(request);
}

/* Gone while it waits: the answer is still to come, and ends it. */
static void
control_hang_up(struct control_request *request)
{
	if (!request->asked) {
		control_end(request);
		return;
	}
	close(event_get_fd(request->event));
	event_free(request->event);
	request->event = NULL;
}

static void
control_on_client(evutil_socket_t fd, short what, void *arg)
{
	struct control_request *request = arg;
	struct ipc_message message;
	int status;

	if (what & EV_TIMEOUT) {
		if (!request->asked)
			control_answer(request, EX_UNAVAILABLE,
			    "nothing was asked for too long");
		return;
	}
	status = ipc_receive(fd, &message);
	if (status > 0 && message.fd >= 0)
		close(message.fd);
	if (status == -EAGAIN)
		return;
	if (status > 0 && message.type == IPC_RELOAD && !request->asked) {
		request->asked = 1;
		event_del(request->event);
		event_add(request->event, NULL); /* no time limit any more */
		request->control->on_request(request->control->arg, request);
		return;
	}
	if (status != 0)
		control_send(fd, EX_UNAVAILABLE,
		    "this is not a request that this version knows");
	control_hang_up(request);
}

static int
control_may_ask(const struct control *control, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == control->uid);
}

static int
control_find_place(const struct control *control)
{
	int i;

	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i] == NULL)
			return i;
	return -1;
}

/* Takes fd unless it fails. */
static int
control_add(struct control *control, int fd)
{
	const struct timeval limit = { .tv_sec = CONTROL_ASK_S };
	struct control_request *request;
	int place = control_find_place(control);

	if (place < 0)
		return -1;
	request = calloc(1, sizeof(*request));
	if (request == NULL)
		return -1;
	request->event = event_new(control->base, fd, EV_READ | EV_PERSIST,
	    control_on_client, request);
	if (request->event == NULL || event_add(request->event, &limit) < 0) {
		if (request->event != NULL)
			event_free(request->event);
		free(request);
		return -1;
	}
	request->control = control;
	request->place = place;
	control->clients[place] = request;
	return 0;
}

/* Else the socket, which can be read all the time, would keep the loop busy. */
static void
control_rest(struct control *control)
{
	const struct timeval pause = { .tv_sec = CONTROL_PAUSE_S };

	if (event_add(control->pause, &pause) == 0)
		event_del(control->event);
}

static void
control_on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	if (event_add(control->event, NULL) < 0)
		control_rest(control);
}

static void
control_on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (client < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			control_rest(control);
		return;
	}
	if (!control_may_ask(control, client))
		control_send(client, EX_NOPERM,
		    "only root and the user that runs a master may ask it");
	else if (control_add(control, client) == 0)
		return;
	else
		control_send(client, EX_UNAVAILABLE,
		    "too many ask at once: try again later");
	close(client);
}

/*
 * A process id that is not known here may be one of another namespace, so the
 * socket is asked. One that is about to listen refuses too, for a moment.
 */
static int
control_is_stale(const char *dir, pid_t pid, const char *path)
{
	int fd = control_connect(dir, pid);
	struct stat st;

	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED || lstat(path, &st) < 0)
		return 0;
	return (kill(pid, 0) < 0 && errno == ESRCH) ||
	       time(NULL) - st.st_mtime > CONTROL_STARTING_S;
}

/* Sockets of masters that have died without removing theirs. */
static void
control_sweep(const char *dir)
{
	DIR *folder = opendir(dir);
	const struct dirent *entry;
	char path[PATH_MAX];
	pid_t pid;

	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		pid = control_pid(entry->d_name);
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (pid > 0 && control_is_stale(dir, pid, path))
			unlink(path);
	}
	closedir(folder);
}

static int
control_listen(const struct sockaddr_un *addr)
{
	int fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t before;
	int status;

	if (fd < 0)
		return -errno;
	unlink(addr->sun_path); /* of a process that had our id */
	before = umask(0177);
	status = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
			 listen(fd, CONTROL_CLIENTS_MAX) < 0
		     ? -errno
		     : fd;
	umask(before);
	if (status < 0)
		close(fd);
	return status;
}

static void
control_free(struct control *control)
{
	if (control->pause != NULL)
		event_free(control->pause);
	if (control->event != NULL)
		event_free(control->event);
	free(control->path);
	control->pause = control->event = NULL;
	control->path = NULL;
}

/* Takes fd. 0 or a negative errno. */
static int
control_start(struct control *control, int fd, const char *path)
{
	struct stat st;
	int status = -ENOMEM;

	control->path = strdup(path);
	control->pause =
	    event_new(control->base, -1, 0, control_on_pause, control);
	control->event = event_new(control->base, fd, EV_READ | EV_PERSIST,
	    control_on_connection, control);
	if (lstat(path, &st) < 0)
		status = -errno;
	else if (control->path != NULL && control->pause != NULL &&
		 control->event != NULL && event_add(control->event, NULL) == 0)
		status = 0;
	if (status == 0) {
		control->device = st.st_dev;
		control->inode = st.st_ino;
		return 0;
	}
	control_free(control);
	close(fd);
	return status;
}

static void
control_set(struct control *control, struct event_base *base,
    void (*on_request)(void *arg, struct control_request *request), void *arg)
{
	memset(control, 0, sizeof(*control));
	control->base = base;
	control->on_request = on_request;
	control->arg = arg;
	control->uid = geteuid();
}

int
control_init(struct control *control, struct event_base *base,
    void (*on_request)(void *arg, struct control_request *request), void *arg)
{
	char buf[PATH_MAX];
	const char *dir = control_dir(0, buf, sizeof(buf));
	struct sockaddr_un addr;
	int status;

	control_set(control, base, on_request, arg);
	status = control_make_dir(dir);
	if (status == 0)
		status = control_path(dir, getpid(), &addr);
	if (status == 0) {
		control_sweep(dir);
		status = control_listen(&addr);
	}
	if (status >= 0) {
		status = control_start(control, status, addr.sun_path);
		if (status == 0)
			return 0;
		unlink(addr.sun_path);
	}
	errno = -status;
	log_write(BEVHOST_LOG_WARNING, NULL,
	    "bevhost --reload will not find this process, SIGHUP will: folder "
	    "'%s': %s",
	    dir,
	    status == -EPERM ? "it is another user's, or others may write to it"
			     : strerror(-status));
	return -1;
}

/* The path of a socket that listens; 0 or a negative errno. */
static int
control_find_path(int fd, struct sockaddr_un *addr)
{
	socklen_t len = sizeof(*addr) - 1; /* ended by '\0' */
	int listens = 0;
	socklen_t size = sizeof(listens);

	memset(addr, 0, sizeof(*addr));
	if (getsockname(fd, (struct sockaddr *)addr, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0)
		return -errno;
	return addr->sun_family == AF_UNIX && listens ? 0 : -EINVAL;
}

int
control_adopt(struct control *control, struct event_base *base,
    void (*on_request)(void *arg, struct control_request *request), void *arg,
    int fd)
{
	struct sockaddr_un addr;

	control_set(control, base, on_request, arg);
	if (control_find_path(fd, &addr) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		close(fd);
		return -1;
	}
	return control_start(control, fd, addr.sun_path) == 0 ? 0 : -1;
}

int
control_fd(const struct control *control)
{
	return control->event != NULL ? event_get_fd(control->event) : -1;
}

void
control_clear(struct control *control)
{
	struct stat st;
	int i;

	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i] != NULL && !control->clients[i]->asked)
			control_end(control->clients[i]);
		else if (control->clients[i] != NULL)
			control->clients[i]->control = NULL;
	memset(control->clients, 0, sizeof(control->clients));
	if (control->event == NULL)
		return;
	if (lstat(control->path, &st) == 0 && st.st_dev == control->device &&
	    st.st_ino == control->inode)
		unlink(control->path);
	close(event_get_fd(control->event));
	control_free(control);
}
