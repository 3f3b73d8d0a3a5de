/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a program cannot have the client's socket, as the bytes on that are
 * TLS, it has one end of a socketpair, and the other is read and written here.
 * Each way goes at its own pace, and its end is passed on.
 *
 * No stream over the socketpair: a program that ends without reading all makes
 * writing fail, and what it has said before is to be read nevertheless.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "exec.h"

/* With more of one way waiting here no more of it is read. */
#define EXEC_RELAY_MAX	((size_t)256 * 1024)
#define EXEC_RELAY_READ (64 * 1024)

struct exec_relay {
	struct bevhost_stream *client;
	struct exec_child *child;
	int fd;
	struct event *readable, *writable;
	struct bevhost_event *can_read, *can_write;
	struct evbuffer *buffer; /* empty between two reads */
};

static void
exec_relay_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct exec_relay *relay = arg;

	(void)fd;
	bevhost_event_set(what & EV_READ ? relay->can_read : relay->can_write);
}

static int
exec_relay_wait(struct event *event, struct bevhost_event *possible)
{
	bevhost_event_clear(possible);
	if (event_add(event, NULL) < 0)
		return -ENOMEM;
	return bevhost_event_wait(possible, -1);
}

/* To the program */

/* All that there is. 0, or -EPIPE when the program reads no more. */
static int
exec_relay_write(struct exec_relay *relay, struct evbuffer *input)
{
	struct bufferevent *bev = bevhost_stream_bev(relay->client);
	int status = 0;

	while (status == 0 && evbuffer_get_length(input) > 0) {
		if (evbuffer_write(input, relay->fd) >= 0)
			continue;
		if (errno != EAGAIN && errno != EINTR)
			return -EPIPE;
		bufferevent_disable(bev, EV_READ);
		status = exec_relay_wait(relay->writable, relay->can_write);
		if (status == 0 && bufferevent_enable(bev, EV_READ) < 0)
			status = -ENOMEM;
	}
	return status;
}

/* What the program does not want is taken nevertheless: so the end of the
   client is heard of. */
static int
exec_relay_there(void *arg)
{
	struct exec_relay *relay = arg;
	struct evbuffer *input =
	    bufferevent_get_input(bevhost_stream_bev(relay->client));
	int status = 0;
	ssize_t len;

	for (;;) {
		if (evbuffer_get_length(input) == 0) {
			len = bevhost_stream_wait(relay->client, -1);
			if (len < 0)
				return (int)len;
			if (len == 0)
				break;
		}
		if (status == 0)
			status = exec_relay_write(relay, input);
		if (status == -EPIPE)
			evbuffer_drain(input, evbuffer_get_length(input));
		else if (status < 0)
			return status;
	}
	shutdown(relay->fd, SHUT_WR);
	return 0;
}

/* From the program */

/* As recv(). */
static ssize_t
exec_relay_read(struct exec_relay *relay)
{
	struct evbuffer_iovec vector;
	ssize_t len;

	if (evbuffer_reserve_space(relay->buffer, EXEC_RELAY_READ, &vector, 1) <
	    1) {
		errno = ENOMEM;
		return -1;
	}
	len = recv(relay->fd, vector.iov_base, vector.iov_len, 0);
	if (len <= 0)
		return len;
	vector.iov_len = (size_t)len;
	evbuffer_commit_space(relay->buffer, &vector, 1);
	return bufferevent_write_buffer(
		   bevhost_stream_bev(relay->client), relay->buffer) < 0
		   ? -1
		   : len;
}

static int
exec_relay_back(void *arg)
{
	struct exec_relay *relay = arg;
	struct evbuffer *output =
	    bufferevent_get_output(bevhost_stream_bev(relay->client));
	ssize_t len;
	int status = 0;

	while (status == 0) {
		len = exec_relay_read(relay);
		if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (len < 0)
			status =
			    exec_relay_wait(relay->readable, relay->can_read);
		else if (evbuffer_get_length(output) > EXEC_RELAY_MAX)
			status = bevhost_stream_drain(relay->client, -1);
	}
	return status < 0 ? status
			  : bevhost_stream_write_eof(relay->client, -1);
}

/* Both */

static int
exec_relay_run(struct exec_relay *relay)
{
	int64_t there, back = bevhost_task_spawn(exec_relay_back, relay);
	int status;

	if (back < 0)
		return (int)back;
	there = bevhost_task_spawn(exec_relay_there, relay);
	status = there < 0 ? (int)there : exec_child_wait(relay->child);
	/* What it has said is still there to be read. */
	shutdown(relay->fd, SHUT_RD);
	if (status < 0)
		bevhost_task_cancel(back);
	bevhost_task_await(back, NULL, -1);
	if (there < 0)
		return status;
	bevhost_task_cancel(there);
	bevhost_task_await(there, NULL, -1);
	return status;
}

static int
exec_relay_init(struct exec_relay *relay)
{
	struct event_base *base = relay->child->exec->base;

	relay->readable =
	    event_new(base, relay->fd, EV_READ, exec_relay_on_event, relay);
	relay->writable =
	    event_new(base, relay->fd, EV_WRITE, exec_relay_on_event, relay);
	relay->can_read = bevhost_event_new();
	relay->can_write = bevhost_event_new();
	relay->buffer = evbuffer_new();
	return relay->readable == NULL || relay->writable == NULL ||
		       relay->can_read == NULL || relay->can_write == NULL ||
		       relay->buffer == NULL ||
		       fcntl(relay->fd, F_SETFL, O_NONBLOCK) < 0
		   ? -ENOMEM
		   : 0;
}

static void
exec_relay_clear(struct exec_relay *relay)
{
	if (relay->readable != NULL)
		event_free(relay->readable);
	if (relay->writable != NULL)
		event_free(relay->writable);
	if (relay->can_read != NULL)
		bevhost_event_free(relay->can_read);
	if (relay->can_write != NULL)
		bevhost_event_free(relay->can_write);
	if (relay->buffer != NULL)
		evbuffer_free(relay->buffer);
	close(relay->fd);
}

int
exec_relay(struct exec *exec, struct bevhost_stream *client)
{
	struct exec_relay relay = { .client = client };
	struct bevhost_conn *conn = bevhost_stream_conn(client);
	int pair[2], status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	relay.fd = pair[0];
	status = exec_child_new(exec, conn, pair[1], &relay.child);
	if (status < 0) {
		close(pair[0]);
		return status;
	}
	/* Both ways are slowed down here. */
	bevhost_stream_set_write_watermark(client, 0);
	status = exec_relay_init(&relay);
	if (status == 0)
		status = exec_relay_run(&relay);
	exec_relay_clear(&relay);
	exec_child_leave(relay.child);
	return status;
}
