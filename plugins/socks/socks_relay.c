/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes both ways between a client and where it wanted to go, each way at its
 * own pace: what one side does not take, the other is not read for. The end of
 * one side's input is passed on as an end, a failure as a reset, so that
 * nobody takes half of something for all of it.
 */
#include "socks.h"

#include <errno.h>
#include <string.h>

#include <event2/buffer.h>

/*
 * With more of one way waiting here no more of it is read. Less than what would
 * make the host pause the other way too. No watermark of the input: setting one
 * takes memory, and libevent does not look whether it got it.
 */
#define SOCKS_WAITING_MAX ((size_t)256 * 1024)

/* What was sent before a failure has this long to be taken. */
#define SOCKS_LAST_WORDS_MS 5000

/* One way. */
struct socks_way {
	struct bevhost_stream *from, *to;
};

/* Moves what there is, without copying it. Returns 0 or a negative errno. */
static int
socks_move(const struct socks_way *way, struct evbuffer *input)
{
	struct bufferevent *from = bevhost_stream_bev(way->from);
	struct bufferevent *to = bevhost_stream_bev(way->to);
	int status;

	if (bufferevent_write_buffer(to, input) < 0)
		return -EPIPE;
	if (evbuffer_get_length(bufferevent_get_output(to)) <=
	    SOCKS_WAITING_MAX)
		return 0;
	bufferevent_disable(from, EV_READ);
	status = bevhost_stream_drain(way->to, -1);
	if (status == 0 && bufferevent_enable(from, EV_READ) < 0)
		status = -ENOMEM;
	return status;
}

/* To the end of the input, which is passed on. 0 or a negative errno. */
static int
socks_run_way(const struct socks_way *way)
{
	struct evbuffer *input =
	    bufferevent_get_input(bevhost_stream_bev(way->from));
	ssize_t len;
	int status;

	for (;;) {
		/* More may have come while the output was waited for. */
		if (evbuffer_get_length(input) == 0) {
			len = bevhost_stream_wait(way->from, -1);
			if (len < 0)
				return (int)len;
			if (len == 0)
				break;
		}
		status = socks_move(way, input);
		if (status < 0)
			return status;
	}
	return bevhost_stream_write_eof(way->to, -1);
}

/* The peer will see a reset. */
static void
socks_reset(struct bevhost_stream *stream)
{
	const struct linger at_once = { .l_onoff = 1 };
	int fd = bufferevent_getfd(bevhost_stream_bev(stream));

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	bevhost_stream_close(stream, BEVHOST_CLOSE_NOW);
}

static void
socks_reset_at_end(void *arg)
{
	socks_reset(arg);
}

/* The child: from remote to client. Its failure ends the parent's waits. */
static int
socks_run_back(void *arg)
{
	const struct socks_way *back = arg;
	int status = socks_run_way(back);

	if (status < 0 && status != -ECANCELED) {
		bevhost_conn_set_reason(bevhost_stream_conn(back->to),
		    BEVHOST_REASON_HANDLER, "the server: %s",
		    strerror(-status));
		bevhost_stream_drain(
		    back->to, bevhost_after_ms(SOCKS_LAST_WORDS_MS));
		socks_reset(back->to);
	}
	return status;
}

static void
socks_prepare(struct bevhost_stream *stream)
{
	struct bufferevent *bev = bevhost_stream_bev(stream);
	int on = 1;

	/* An idle relay stays, but not for a peer that has vanished. */
	setsockopt(
	    bufferevent_getfd(bev), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int
socks_relay(struct bevhost_stream *client, struct bevhost_stream *remote)
{
	const struct bevhost_conn *conn = bevhost_stream_conn(client);
	struct socks_way there = { client, remote }, back = { remote, client };
	int64_t child;

	socks_prepare(client);
	socks_prepare(remote);
	child = bevhost_task_spawn(socks_run_back, &back);
	if (child < 0) {
		errno = (int)-child;
		bevhost_conn_log(conn, BEVHOST_LOG_INFO, "no relay: %m");
		return (int)child;
	}
	socks_run_way(&there);
	/* If remote has failed, the child sees it after the last bytes. */
	if (!bevhost_conn_is_closing(conn))
		bevhost_task_await(child, NULL, -1);
	if (!bevhost_conn_is_closing(conn))
		return 0;
	bevhost_task_cancel(child);
	bevhost_task_await(child, NULL, -1);
	/* Not here: until this task ends, the child may still use it. */
	return bevhost_task_defer(socks_reset_at_end, remote);
}
