/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker's end of the socket to the launcher. Nothing here waits once
 * there are connections: orders that the socket does not take stand in a
 * queue, and each child says itself what it still wants.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"

#define EXEC_REPORTS 64 /* in a turn of the loop */

/* Sending */

/* 0, -EAGAIN when the socket is full, or another negative errno. */
static int
exec_link_send(const struct exec_link *link, const struct exec_order *order,
    const void *data, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec parts[2] = {
		{ (void *)(uintptr_t)order, sizeof(*order) },
		{ (void *)(uintptr_t)data, order->size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
	}
	return sendmsg(link->fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void
exec_link_fail(struct exec_child *child, enum exec_word what, int error)
{
	const struct exec_report failed = {
		.what = what,
		.status = error,
	};

	exec_child_report(child, &failed);
}

/* -EAGAIN when there is more to say. */
static int
exec_link_send_child(const struct exec_link *link, struct exec_child *child)
{
	struct exec_order order = { .what = EXEC_RUN, .id = child->id };
	int status = 0;

	if (!child->is_sent && !child->is_doomed) {
		order.size = (uint32_t)child->vars_size;
		status = exec_link_send(link, &order, child->vars, child->fds,
		    child->fds[1] >= 0 ? 2 : 1);
		if (status == 0)
			exec_child_sent(child);
	}
	if (status == -EAGAIN)
		return status;
	if (!child->is_sent) {
		/* Nobody is told of one whose connection closed before. */
		exec_link_fail(child,
		    status == -EPIPE || status == -ECONNRESET ? EXEC_LOST
							      : EXEC_FAILED,
		    -status);
		return 0;
	}
	order.what = EXEC_KILL;
	order.size = 0;
	return child->is_doomed ? exec_link_send(link, &order, NULL, NULL, 0)
				: 0;
}

/* Of a launcher that is gone the reading end will hear. */
static void
exec_link_flush(struct exec_link *link)
{
	struct exec_child *child;

	while ((child = TAILQ_FIRST(&link->queue)) != NULL) {
		TAILQ_REMOVE(&link->queue, child, waiting);
		child->is_queued = 0;
		if (exec_link_send_child(link, child) != -EAGAIN)
			continue;
		TAILQ_INSERT_HEAD(&link->queue, child, waiting);
		child->is_queued = 1;
		event_add(link->writable, NULL);
		return;
	}
}

static void
exec_link_on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	exec_link_flush(arg);
}

void
exec_link_tell(struct exec_child *child)
{
	struct exec_link *link = child->link;
	int is_first = TAILQ_EMPTY(&link->queue);

	if (child->is_queued || link->fd < 0)
		return;
	child->is_queued = 1;
	TAILQ_INSERT_TAIL(&link->queue, child, waiting);
	if (is_first)
		exec_link_flush(link);
}

/* Receiving */

static struct exec_list *
exec_link_bucket(struct exec_link *link, uint64_t id)
{
	return &link->children[id / EXEC_LINKS_MAX % EXEC_LINK_BUCKETS];
}

int
exec_link_join(struct exec *exec, struct exec_child *child)
{
	int i;

	for (i = 0; i < exec->link_count; i++) {
		child->id = ++exec->last_id;
		child->link =
		    &exec->links[child->id % (unsigned)exec->link_count];
		if (child->link->fd < 0)
			continue;
		LIST_INSERT_HEAD(
		    exec_link_bucket(child->link, child->id), child, entry);
		return 0;
	}
	return -ECONNREFUSED;
}

static struct exec_child *
exec_link_find(struct exec_link *link, uint64_t id)
{
	struct exec_child *child;

	LIST_FOREACH (child, exec_link_bucket(link, id), entry)
		if (child->id == id)
			break;
	return child;
}

static int
exec_links_count(const struct exec *exec)
{
	int i, count = 0;

	for (i = 0; i < exec->link_count; i++)
		count += exec->links[i].fd >= 0;
	return count;
}

/*
 * The worker has no privileges to make another one: the others do its work.
 * With the last of them an instance can do nothing more, and a worker that
 * stops is replaced.
 */
static void
exec_link_lost(struct exec_link *link)
{
	const char *name = link->exec->name;
	struct exec_child *child;
	uint64_t i;
	int left;

	event_del(link->readable);
	event_del(link->writable);
	close(link->fd);
	link->fd = -1;
	/* It has closed its end by ending. */
	waitpid(link->launcher, NULL, 0);
	link->launcher = 0;
	left = exec_links_count(link->exec);
	if (left > 0)
		bevhost_log(BEVHOST_LOG_ERROR,
		    "exec: a process that runs %s has ended: %d others go on, "
		    "and a reload starts another",
		    name, left);
	else
		bevhost_log(BEVHOST_LOG_ERROR,
		    "exec: the last process that runs %s has ended: stopping, "
		    "so that a new worker starts others",
		    name);
	for (i = 0; i < EXEC_LINK_BUCKETS; i++)
		while ((child = LIST_FIRST(&link->children[i])) != NULL)
			exec_link_fail(child, EXEC_LOST, 0);
	if (left == 0)
		raise(SIGTERM);
}

static void
exec_link_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct exec_link *link = arg;
	struct exec_report report;
	struct exec_child *child;
	ssize_t len;
	int i;

	(void)what;
	for (i = 0; i < EXEC_REPORTS; i++) {
		len = recv(fd, &report, sizeof(report), MSG_DONTWAIT);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len != (ssize_t)sizeof(report)) {
			exec_link_lost(link);
			return;
		}
		child = exec_link_find(link, report.id);
		if (child != NULL)
			exec_child_report(child, &report);
	}
}

/* Their life */

static int
exec_link_fork(struct exec_link *link)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	link->launcher = fork();
	if (link->launcher == 0)
		exec_launch(link->exec, fds[1]);
	close(fds[1]);
	link->fd = fds[0];
	return link->launcher > 0 ? 0 : -1;
}

int
exec_links_fork(struct exec *exec)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN), count;
	struct exec_link *link;
	int i;

	count = processors > 0 && processors < EXEC_LINKS_MAX / 2
		    ? 2 * processors
		    : EXEC_LINKS_MAX;
	while (exec->link_count < count) {
		link = &exec->links[exec->link_count++];
		link->exec = exec;
		TAILQ_INIT(&link->queue);
		for (i = 0; i < EXEC_LINK_BUCKETS; i++)
			LIST_INIT(&link->children[i]);
		if (exec_link_fork(link) == 0)
			continue;
		bevhost_error("no process that runs %s: %m", exec->name);
		return -1;
	}
	return 0;
}

static int
exec_link_become(struct exec_link *link, const struct exec_user *user)
{
	const struct exec_order order = {
		.what = EXEC_BECOME,
		.size = sizeof(*user),
	};
	struct {
		struct exec_report report;
		char why[EXEC_TEXT_SIZE];
	} answer;
	ssize_t len = -1;

	memset(&answer, 0, sizeof(answer));
	if (exec_link_send(link, &order, user, NULL, 0) == 0)
		len = recv(link->fd, &answer,
		    sizeof(answer) - sizeof(answer.why[0]), 0);
	if (len < (ssize_t)sizeof(answer.report)) {
		bevhost_error("the process that is to run %s does not answer",
		    link->exec->name);
		return -1;
	}
	if (answer.report.status < 0)
		bevhost_error("%s", answer.why);
	return answer.report.status < 0 ? -1 : 0;
}

int
exec_links_become(struct exec *exec, const struct exec_user *user)
{
	int i, status = 0;

	for (i = 0; i < exec->link_count && status == 0; i++)
		status = exec_link_become(&exec->links[i], user);
	return status;
}

static int
exec_link_start(struct exec_link *link)
{
	struct event_base *base = link->exec->base;

	link->readable = event_new(
	    base, link->fd, EV_READ | EV_PERSIST, exec_link_on_readable, link);
	link->writable =
	    event_new(base, link->fd, EV_WRITE, exec_link_on_writable, link);
	return link->readable != NULL && link->writable != NULL &&
		       fcntl(link->fd, F_SETFL, O_NONBLOCK) == 0 &&
		       event_add(link->readable, NULL) == 0
		   ? 0
		   : -1;
}

int
exec_links_start(struct exec *exec)
{
	int i;

	for (i = 0; i < exec->link_count; i++)
		if (exec_link_start(&exec->links[i]) < 0) {
			bevhost_error(
			    "no memory for those that run %s", exec->name);
			return -1;
		}
	return 0;
}

static void
exec_link_leave(struct exec_link *link)
{
	if (link->readable != NULL)
		event_free(link->readable);
	if (link->writable != NULL)
		event_free(link->writable);
	link->readable = link->writable = NULL;
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

/* They end when they read the end. */
void
exec_links_stop(struct exec *exec)
{
	int i;

	for (i = 0; i < exec->link_count; i++)
		exec_link_leave(&exec->links[i]);
	for (i = 0; i < exec->link_count; i++)
		while (exec->links[i].launcher > 0 &&
		       waitpid(exec->links[i].launcher, NULL, 0) < 0 &&
		       errno == EINTR)
			;
	exec->link_count = 0;
}
