/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams that a task has opened: they have no conn, so they close by
 * themselves, at the latest with their task.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>

#include <bevhost/task.h>

#include "flow.h"
#include "stream.h"
#include "task.h"

struct stream_outbound {
	struct flow flow; /* first: on_closed finds us by it */
	struct bevhost_stream stream;
	struct task_defer *at_end; /* closes it with its task, or NULL */
	int closed; /* the descriptor: freed when nobody waits any more */
	LIST_ENTRY(stream_outbound) entry;
};

static struct {
	struct flow_loop flows;
	LIST_HEAD(, stream_outbound) all;
	size_t count;
	void (*on_gone)(void *arg);
	void *arg;
} stream_loop;

static struct stream_outbound *
stream_outbound_of(struct bevhost_stream *stream)
{
	size_t offset = offsetof(struct stream_outbound, stream);

	return (struct stream_outbound *)(void *)((char *)stream - offset);
}

/* One that was closed while tasks waited on it is freed by the last. */
void
stream_leave(struct bevhost_stream *stream)
{
	struct stream_outbound *outbound;

	if (stream->conn != NULL || stream->reader != NULL ||
	    stream->writer != NULL)
		return;
	outbound = stream_outbound_of(stream);
	if (!outbound->closed)
		return;
	LIST_REMOVE(outbound, entry);
	stream_loop.count--;
	bufferevent_free(outbound->flow.bev);
	free(outbound);
	stream_loop.on_gone(stream_loop.arg);
}

void
bevhost_stream_set_write_watermark(struct bevhost_stream *stream, size_t bytes)
{
	stream->write_watermark = bytes ? bytes : FLOW_WRITE_WATERMARK;
	if (stream->gone)
		return;
	if (stream->conn != NULL)
		bevhost_conn_set_write_watermark(stream->conn, bytes);
	else
		flow_set_write_watermark(
		    &stream_outbound_of(stream)->flow, bytes);
}

static void
stream_on_closed(struct flow *flow)
{
	struct stream_outbound *outbound = (struct stream_outbound *)flow;

	outbound->closed = 1;
	/* Whatever is still done with its bev, it is not listed again. */
	flow->listed = 1;
	stream_leave(&outbound->stream);
}

static void
stream_on_outbound_read(struct bufferevent *bev, void *arg)
{
	struct stream_outbound *outbound = arg;

	if (outbound->flow.closing)
		flow_closing_read(&outbound->flow);
	else
		stream_on_read(bev, &outbound->stream);
}

static void
stream_on_outbound_write(struct bufferevent *bev, void *arg)
{
	struct stream_outbound *outbound = arg;

	if (outbound->flow.closing)
		flow_closing_write(&outbound->flow);
	else
		stream_on_write(bev, &outbound->stream);
}

static void
stream_on_outbound_event(struct bufferevent *bev, short what, void *arg)
{
	struct stream_outbound *outbound = arg;

	if (outbound->flow.closing) {
		flow_closing_event(&outbound->flow, what);
		return;
	}
	what = flow_event(&outbound->flow, what);
	if (what != 0)
		stream_on_event(bev, what, &outbound->stream);
}

static void
stream_close_outbound(struct stream_outbound *outbound, enum bevhost_close how)
{
	struct bevhost_stream *stream = &outbound->stream;

	stream->gone = 1;
	if (stream->reader != NULL)
		task_wake(stream->reader, 0);
	if (stream->writer != NULL)
		task_wake(stream->writer, 0);
	flow_close(
	    &outbound->flow, stream->error != 0 ? BEVHOST_CLOSE_NOW : how);
}

static void
stream_on_task_end(void *arg)
{
	stream_close_outbound(arg, BEVHOST_CLOSE_FLUSH);
}

void
bevhost_stream_close(struct bevhost_stream *stream, enum bevhost_close how)
{
	struct stream_outbound *outbound;

	if (stream->conn != NULL) {
		bevhost_conn_close(stream->conn, how);
		return;
	}
	outbound = stream_outbound_of(stream);
	if (stream->gone)
		return;
	task_undefer(outbound->at_end);
	stream_close_outbound(outbound, how);
}

static int
stream_init_outbound(struct stream_outbound *outbound, int fd)
{
	struct bufferevent *bev =
	    bufferevent_socket_new(stream_loop.flows.base, fd, 0);

	if (bev == NULL)
		return -ENOMEM;
	bufferevent_setcb(bev, stream_on_outbound_read,
	    stream_on_outbound_write, stream_on_outbound_event, outbound);
	outbound->at_end = task_defer(stream_on_task_end, outbound);
	if (outbound->at_end != NULL &&
	    flow_init(&outbound->flow, &stream_loop.flows, bev) == 0 &&
	    bufferevent_enable(bev, EV_READ) == 0) {
		stream_init(&outbound->stream, bev, NULL);
		return 0;
	}
	if (outbound->at_end != NULL)
		task_undefer(outbound->at_end);
	bufferevent_free(bev);
	return -ENOMEM;
}

int
stream_open(int fd, struct bevhost_stream **stream)
{
	struct stream_outbound *outbound = calloc(1, sizeof(*outbound));

	if (outbound == NULL || stream_init_outbound(outbound, fd) < 0) {
		free(outbound);
		close(fd);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&stream_loop.all, outbound, entry);
	stream_loop.count++;
	*stream = &outbound->stream;
	return 0;
}

int
stream_loop_init(struct event_base *base, void (*on_gone)(void *arg), void *arg)
{
	stream_loop.on_gone = on_gone;
	stream_loop.arg = arg;
	LIST_INIT(&stream_loop.all);
	stream_loop.count = 0;
	return flow_loop_init(&stream_loop.flows, base, stream_on_closed);
}

void
stream_loop_cut(void)
{
	struct stream_outbound *outbound;

	LIST_FOREACH (outbound, &stream_loop.all, entry)
		if (outbound->flow.closing)
			flow_close(&outbound->flow, BEVHOST_CLOSE_NOW);
}

void
stream_loop_drain(void)
{
	flow_loop_drain(&stream_loop.flows);
}

size_t
stream_loop_count(void)
{
	return stream_loop.count;
}

void
stream_loop_clear(void)
{
	assert(stream_loop.count == 0);
	flow_loop_clear(&stream_loop.flows);
}
