/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams that a task has opened: they close by themselves, at the latest with
 * their task.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <bevhost/task.h>

#include "outbound.h"
#include "stream.h"
#include "task.h"

struct stream_outbound {
	struct outbound outbound; /* first: its callbacks find us by it */
	struct bevhost_stream stream;
	struct task_defer *at_end; /* closes it with its task, or NULL */
	int closed; /* the descriptor: freed when nobody waits any more */
};

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
	struct stream_outbound *own;

	if (stream->conn != NULL || stream->reader != NULL ||
	    stream->writer != NULL)
		return;
	own = stream_outbound_of(stream);
	if (own->closed)
		outbound_free(&own->outbound);
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
		    &stream_outbound_of(stream)->outbound.flow, bytes);
}

static void
stream_on_outbound_closed(struct outbound *outbound)
{
	struct stream_outbound *own = (struct stream_outbound *)outbound;

	own->closed = 1;
	stream_leave(&own->stream);
}

static void
stream_on_outbound_read(struct outbound *outbound)
{
	stream_on_read(
	    outbound->flow.bev, &((struct stream_outbound *)outbound)->stream);
}

static void
stream_on_outbound_write(struct outbound *outbound)
{
	stream_on_write(
	    outbound->flow.bev, &((struct stream_outbound *)outbound)->stream);
}

static void
stream_on_outbound_event(struct outbound *outbound, short what)
{
	stream_on_event(outbound->flow.bev, what,
	    &((struct stream_outbound *)outbound)->stream);
}

static void
stream_close_outbound(struct stream_outbound *own, enum bevhost_close how)
{
	struct bevhost_stream *stream = &own->stream;

	stream->gone = 1;
	if (stream->reader != NULL)
		task_wake(stream->reader, 0);
	if (stream->writer != NULL)
		task_wake(stream->writer, 0);
	outbound_close(
	    &own->outbound, stream->error != 0 ? BEVHOST_CLOSE_NOW : how);
}

static void
stream_on_task_end(void *arg)
{
	stream_close_outbound(arg, BEVHOST_CLOSE_FLUSH);
}

void
bevhost_stream_close(struct bevhost_stream *stream, enum bevhost_close how)
{
	struct stream_outbound *own;

	if (stream->conn != NULL) {
		bevhost_conn_close(stream->conn, how);
		return;
	}
	own = stream_outbound_of(stream);
	if (stream->gone)
		return;
	task_undefer(own->at_end);
	stream_close_outbound(own, how);
}

static int
stream_init_outbound(
    struct stream_outbound *own, int fd, const struct settings_guard *settings)
{
	static const struct outbound_ops ops = {
		.read = stream_on_outbound_read,
		.write = stream_on_outbound_write,
		.event = stream_on_outbound_event,
		.closed = stream_on_outbound_closed,
	};

	own->at_end = task_defer(stream_on_task_end, own);
	if (own->at_end == NULL)
		return -ENOMEM;
	if (outbound_open(&own->outbound, &ops, task_current()->conn, settings,
		fd, NULL) < 0) {
		task_undefer(own->at_end);
		return -ENOMEM;
	}
	stream_init(&own->stream, own->outbound.flow.bev, NULL);
	return 0;
}

int
stream_open(int fd, const struct settings_guard *settings,
    struct bevhost_stream **stream)
{
	struct stream_outbound *own = calloc(1, sizeof(*own));

	if (own == NULL || stream_init_outbound(own, fd, settings) < 0) {
		free(own);
		close(fd);
		return -ENOMEM;
	}
	*stream = &own->stream;
	return 0;
}
