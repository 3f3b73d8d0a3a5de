/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for bytes: each function looks whether it can go on, and otherwise
 * leaves word what it waits for; the callbacks of the bufferevent wake the
 * task when that has come. What failed wakes it from the list of the ready,
 * after the connection has its reason.
 */
#include <bevhost/task.h>

#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/util.h>

#include "flow.h"
#include "task.h"

/* What read_exactly can wait for: half of what flow lets pile up. */
#define STREAM_EXACT_MAX (FLOW_INPUT_MAX / 2)

static struct evbuffer *
stream_input(const struct bevhost_stream *stream)
{
	return bufferevent_get_input(stream->bev);
}

static size_t
stream_owed(const struct bevhost_stream *stream)
{
	return evbuffer_get_length(bufferevent_get_output(stream->bev));
}

void
stream_init(struct bevhost_stream *stream, struct bufferevent *bev,
    struct bevhost_conn *conn)
{
	memset(stream, 0, sizeof(*stream));
	stream->bev = bev;
	stream->conn = conn;
	stream->write_watermark = FLOW_WRITE_WATERMARK;
	/* But by a writer that waits. */
	flow_set_heard(flow_of(bev), 0);
	/* It lies on the stack of the task that reads. */
	if (conn != NULL)
		flow_of(bev)->near = (const char *)stream;
}

struct bufferevent *
bevhost_stream_bev(const struct bevhost_stream *stream)
{
	return stream->bev;
}

struct bevhost_conn *
bevhost_stream_conn(const struct bevhost_stream *stream)
{
	return stream->conn;
}

/* The callbacks */

void
stream_on_read(struct bufferevent *bev, void *state)
{
	struct bevhost_stream *stream = state;

	(void)bev;
	if (stream->reader != NULL &&
	    evbuffer_get_length(stream_input(stream)) >= stream->need)
		task_wake_now(stream->reader, 0);
}

void
stream_on_write(struct bufferevent *bev, void *state)
{
	struct bevhost_stream *stream = state;

	(void)bev;
	if (stream->writer != NULL && stream_owed(stream) <= stream->allowed)
		task_wake_now(stream->writer, 0);
}

void
stream_on_event(struct bufferevent *bev, short what, void *state)
{
	struct bevhost_stream *stream = state;
	int error = EVUTIL_SOCKET_ERROR();

	(void)bev;
	if (what & BEV_EVENT_EOF) {
		stream->eof = 1;
		if (stream->reader != NULL)
			task_wake_now(stream->reader, 0);
		return;
	}
	stream->error = what & BEV_EVENT_TIMEOUT ? -ETIMEDOUT
			: error != 0		 ? -error
						 : -EIO;
	if (stream->reader != NULL)
		task_wake(stream->reader, 0);
	if (stream->writer != NULL)
		task_wake(stream->writer, 0);
}

/* Reading */

static int
stream_check(const struct bevhost_stream *stream)
{
	int status = task_check();

	if (status < 0)
		return status;
	return stream->gone ? -ECANCELED : 0;
}

static int
stream_check_read(const struct bevhost_stream *stream)
{
	int status = stream_check(stream);

	if (status < 0)
		return status;
	return stream->reader != NULL ? -EBUSY : 0;
}

/*
 * Until the input has `need` bytes. Returns its length; less than need when
 * there will be no more.
 */
static ssize_t
stream_wait_input(struct bevhost_stream *stream, size_t need, int64_t deadline)
{
	size_t len;
	int status;

	for (;;) {
		len = evbuffer_get_length(stream_input(stream));
		if (len >= need)
			return (ssize_t)len;
		if (stream->error != 0)
			return stream->error;
		if (stream->eof)
			return (ssize_t)len;
		stream->reader = task_current();
		stream->need = need;
		status = task_wait(deadline, "input");
		stream->reader = NULL;
		/* What went wrong is said once, then that it has ended. */
		if (status == 0 && stream->conn != NULL && stream->error != 0)
			return stream->error;
		if (stream->gone) {
			stream_leave(stream);
			return -ECANCELED;
		}
		if (status < 0)
			return status;
	}
}

static ssize_t
stream_take(struct bevhost_stream *stream, void *buf, size_t size)
{
	int len = evbuffer_remove(stream_input(stream), buf, size);

	stream->scanned = 0;
	return len < 0 ? -EIO : len;
}

ssize_t
bevhost_stream_read(
    struct bevhost_stream *stream, void *buf, size_t size, int64_t deadline)
{
	ssize_t len = stream_check_read(stream);

	if (len < 0 || size == 0)
		return len;
	len = stream_wait_input(stream, 1, deadline);
	return len <= 0 ? len : stream_take(stream, buf, size);
}

ssize_t
bevhost_stream_wait(struct bevhost_stream *stream, int64_t deadline)
{
	size_t before;
	ssize_t len = stream_check_read(stream);

	if (len < 0)
		return len;
	before = evbuffer_get_length(stream_input(stream));
	len = stream_wait_input(stream, before + 1, deadline);
	return len == (ssize_t)before ? 0 : len;
}

ssize_t
bevhost_stream_read_exactly(
    struct bevhost_stream *stream, void *buf, size_t size, int64_t deadline)
{
	ssize_t len = stream_check_read(stream);

	if (len < 0 || size == 0)
		return len;
	if (size > STREAM_EXACT_MAX)
		return -EMSGSIZE;
	len = stream_wait_input(stream, size, deadline);
	if (len < 0)
		return len;
	if ((size_t)len < size)
		return -ENODATA;
	return stream_take(stream, buf, size);
}

/*
 * Looks for the separator from where the last look ended. Returns the length
 * up to its end, 0 when it is not there yet, -EMSGSIZE beyond limit.
 */
static ssize_t
stream_find(struct bevhost_stream *stream, const void *separator,
    size_t separator_len, size_t limit)
{
	struct evbuffer *input = stream_input(stream);
	size_t len = evbuffer_get_length(input);
	struct evbuffer_ptr from, found;

	if (stream->scanned > len)
		stream->scanned = 0;
	if (len - stream->scanned >= separator_len) {
		evbuffer_ptr_set(
		    input, &from, stream->scanned, EVBUFFER_PTR_SET);
		found = evbuffer_search(input, separator, separator_len, &from);
		if (found.pos >= 0 &&
		    (size_t)found.pos + separator_len <= limit)
			return found.pos + (ssize_t)separator_len;
		if (found.pos >= 0)
			return -EMSGSIZE;
		stream->scanned = len - separator_len + 1;
	}
	return len >= limit ? -EMSGSIZE : 0;
}

ssize_t
bevhost_stream_read_until(struct bevhost_stream *stream, const void *separator,
    size_t separator_len, void *buf, size_t size, int64_t deadline)
{
	ssize_t len = stream_check_read(stream), found;
	size_t before;

	if (len < 0)
		return len;
	if (separator_len == 0 || size > STREAM_EXACT_MAX)
		return separator_len == 0 ? -EINVAL : -EMSGSIZE;
	/* Another separator may have been looked for before. */
	stream->scanned = 0;
	for (;;) {
		found = stream_find(stream, separator, separator_len, size);
		if (found > 0)
			return stream_take(stream, buf, (size_t)found);
		if (found < 0)
			return found;
		before = evbuffer_get_length(stream_input(stream));
		len = stream_wait_input(stream, before + 1, deadline);
		if (len < 0)
			return len;
		if ((size_t)len == before)
			return -ENODATA;
	}
}

/* Without \n or \r\n, and with '\0'. */
static ssize_t
stream_end_line(char *buf, ssize_t len)
{
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	if (len > 0 && buf[len - 1] == '\r')
		len--;
	buf[len] = '\0';
	return len;
}

ssize_t
bevhost_stream_read_line(
    struct bevhost_stream *stream, char *buf, size_t size, int64_t deadline)
{
	ssize_t len;

	if (size == 0)
		return -EINVAL;
	/* One more is not needed for '\0': it takes the place of the \n. */
	len = bevhost_stream_read_until(stream, "\n", 1, buf, size, deadline);
	if (len == -ENODATA) {
		len = (ssize_t)evbuffer_get_length(stream_input(stream));
		if (len == 0)
			return -ENODATA;
		if ((size_t)len >= size)
			return -EMSGSIZE;
		len = stream_take(stream, buf, (size_t)len);
		buf[len] = '\0';
		return len;
	}
	return len < 0 ? len : stream_end_line(buf, len);
}

/* Writing */

static int
stream_check_write(const struct bevhost_stream *stream)
{
	int status = stream_check(stream);

	if (status < 0)
		return status;
	if (stream->error != 0)
		return stream->error;
	if (stream->writer != NULL)
		return -EBUSY;
	return 0;
}

/* Until no more than `allowed` bytes are owed. */
static int
stream_wait_output(
    struct bevhost_stream *stream, size_t allowed, int64_t deadline)
{
	struct flow *flow = flow_of(stream->bev);
	int status = 0;

	while (stream_owed(stream) > allowed && status == 0) {
		if (stream->error != 0)
			return stream->error;
		bufferevent_setwatermark(stream->bev, EV_WRITE, allowed, 0);
		stream->writer = task_current();
		stream->allowed = allowed;
		flow_set_heard(flow, 1);
		status = task_wait(deadline, "output");
		flow_set_heard(flow, 0);
		stream->writer = NULL;
		if (status == 0 && stream->conn != NULL && stream->error != 0)
			return stream->error;
		if (stream->gone) {
			stream_leave(stream);
			return -ECANCELED;
		}
	}
	return status;
}

int
bevhost_stream_write(struct bevhost_stream *stream, const void *data,
    size_t len, int64_t deadline)
{
	int status = stream_check_write(stream);

	if (status < 0)
		return status;
	if (stream->write_eof)
		return -EPIPE;
	if (len > 0 && bufferevent_write(stream->bev, data, len) < 0)
		return stream->gone ? -ECANCELED : -ENOMEM;
	if (stream_owed(stream) <= stream->write_watermark)
		return 0;
	return stream_wait_output(
	    stream, stream->write_watermark / 2, deadline);
}

int
bevhost_stream_drain(struct bevhost_stream *stream, int64_t deadline)
{
	int status = stream_check_write(stream);

	return status < 0 ? status : stream_wait_output(stream, 0, deadline);
}

int
bevhost_stream_write_eof(struct bevhost_stream *stream, int64_t deadline)
{
	int status = bevhost_stream_drain(stream, deadline);

	if (status < 0 || stream->write_eof)
		return status;
	status = flow_shut_write(flow_of(stream->bev));
	if (status < 0)
		return status;
	stream->write_eof = 1;
	return 0;
}
