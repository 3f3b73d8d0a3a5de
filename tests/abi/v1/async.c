/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An async handler as version 1 of the interface has it: each function for
 * tasks and streams. A line names what to do, and one line answers. It is
 * compiled with the headers in this folder and no others.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/manifest.h>
#include <bevhost/task.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

struct v1 {
	struct bevhost_instance *instance;
	struct bevhost_event *up; /* the instance's own task has run */
};

/* What children share with the task that waits for them. */
struct v1_shared {
	struct bevhost_event *event;
	struct bevhost_queue *queue;
	int deferred;
};

static int
v1_background(void *arg)
{
	struct v1 *v1 = arg;

	bevhost_event_set(v1->up);
	return bevhost_task_sleep(-1);
}

static int
v1_create(struct bevhost_instance *instance, void **self)
{
	struct v1 *v1 = calloc(1, sizeof(*v1));

	if (v1 == NULL)
		return -1;
	v1->instance = instance;
	*self = v1;
	return 0;
}

static int
v1_start(void *self, struct event_base *base)
{
	struct v1 *v1 = self;

	(void)base;
	v1->up = bevhost_event_new();
	if (v1->up == NULL)
		return -1;
	return bevhost_task_start(v1->instance, v1_background, v1);
}

static void
v1_destroy(void *self)
{
	struct v1 *v1 = self;

	bevhost_event_free(v1->up);
	free(v1);
}

static void
v1_on_end(void *arg)
{
	struct v1_shared *shared = arg;

	shared->deferred++;
}

static int
v1_producer(void *arg)
{
	struct v1_shared *shared = arg;

	bevhost_task_defer(v1_on_end, shared);
	bevhost_event_wait(shared->event, -1);
	bevhost_event_clear(shared->event);
	bevhost_queue_put(shared->queue, shared, -1);
	return 3;
}

static int
v1_for_ever(void *arg)
{
	struct v1_shared *shared = arg;
	int status;

	bevhost_task_defer(v1_on_end, shared);
	status = bevhost_task_sleep(-1);
	return status == 0 ? 0 : 4;
}

static int
v1_at_once(void *arg)
{
	(void)arg;
	return 5;
}

/* On a thread. */
static int
v1_job(void *arg)
{
	return *(int *)arg + 1;
}

static void
v1_tasks(struct v1_shared *shared, char *out, size_t size)
{
	int64_t child = bevhost_task_spawn(v1_producer, shared), pair[2];
	int result = 0, results[2] = { 0, 0 }, first, raced = 0, seven = 0;
	size_t length;
	void *item = NULL;

	bevhost_task_yield();
	bevhost_event_set(shared->event);
	bevhost_task_await(child, &result, bevhost_after_ms(60000));
	length = bevhost_queue_length(shared->queue);
	bevhost_queue_get(shared->queue, &item, 0);

	pair[0] = bevhost_task_spawn(v1_for_ever, shared);
	pair[1] = bevhost_task_spawn(v1_at_once, NULL);
	bevhost_task_yield();
	bevhost_task_cancel(pair[0]);
	bevhost_task_gather(pair, 2, results, -1);

	pair[0] = bevhost_task_spawn(v1_for_ever, shared);
	pair[1] = bevhost_task_spawn(v1_at_once, NULL);
	first = bevhost_task_race(pair, 2, &raced, -1);

	seven = 6;
	bevhost_run_job(v1_job, &seven, &seven);
	snprintf(out, size,
	    "await=%d length=%zu item=%d gather=%d,%d race=%d,%d job=%d "
	    "deferred=%d\n",
	    result, length, item == shared, results[0], results[1], first,
	    raced, seven, shared->deferred);
}

/* What follows the line: four bytes, and then up to a ';'. */
static void
v1_reads(struct bevhost_stream *stream, char *out, size_t size)
{
	char exact[4], until[32];
	ssize_t len, most;

	len = bevhost_stream_read_exactly(stream, exact, sizeof(exact), -1);
	most = bevhost_stream_read_until(
	    stream, ";", 1, until, sizeof(until), bevhost_after_ms(60000));
	snprintf(out, size, "exactly=%.*s until=%.*s\n", (int)len, exact,
	    (int)most, until);
}

static void
v1_waits(struct bevhost_stream *stream, char *out, size_t size)
{
	struct evbuffer *input =
	    bufferevent_get_input(bevhost_stream_bev(stream));
	ssize_t len;
	char byte[1];

	bevhost_stream_write(stream, "go on\n", 6, -1);
	len = (ssize_t)evbuffer_get_length(input);
	if (len == 0)
		len = bevhost_stream_wait(stream, -1);
	len = len > 0 ? bevhost_stream_read(stream, byte, 1, -1) : 0;
	snprintf(out, size, "read=%.*s id=%d\n", (int)len, byte,
	    bevhost_conn_id(bevhost_stream_conn(stream)) > 0);
}

/* To the port, which is to answer with a line after our end of file. */
static void
v1_connects(const char *port, char *out, size_t size)
{
	struct bevhost_stream *stream;
	char line[64];
	int status = bevhost_connect("127.0.0.1", (unsigned)atoi(port),
	    bevhost_after_ms(60000), &stream);

	if (status < 0) {
		snprintf(out, size, "connect=%d\n", status);
		return;
	}
	bevhost_stream_set_write_watermark(stream, 4096);
	bevhost_stream_write(stream, "ask\n", 4, -1);
	bevhost_stream_drain(stream, -1);
	bevhost_stream_write_eof(stream, -1);
	if (bevhost_stream_read_line(stream, line, sizeof(line), -1) < 0)
		line[0] = '\0';
	snprintf(out, size, "far=%s conn=%d\n", line,
	    bevhost_stream_conn(stream) != NULL);
	bevhost_stream_close(stream, BEVHOST_CLOSE_FLUSH);
}

static void
v1_obey(struct bevhost_stream *stream, struct v1_shared *shared,
    const char *line, char *out, size_t size)
{
	if (strcmp(line, "tasks") == 0)
		v1_tasks(shared, out, size);
	else if (strcmp(line, "reads") == 0)
		v1_reads(stream, out, size);
	else if (strcmp(line, "waits") == 0)
		v1_waits(stream, out, size);
	else
		v1_connects(line, out, size);
}

static int
v1_run(struct bevhost_stream *stream, void *self)
{
	struct v1 *v1 = self;
	struct v1_shared shared = { .event = bevhost_event_new(),
		.queue = bevhost_queue_new(2) };
	char line[64], out[256];

	bevhost_event_wait(v1->up, -1);
	while (shared.event != NULL && shared.queue != NULL &&
	       bevhost_stream_read_line(stream, line, sizeof(line), -1) >= 0) {
		v1_obey(stream, &shared, line, out, sizeof(out));
		bevhost_stream_write(stream, out, strlen(out), -1);
	}
	bevhost_queue_free(shared.queue);
	bevhost_event_free(shared.event);
	return 0;
}

static void
v1_drain(void *stream)
{
	bevhost_stream_close(stream, BEVHOST_CLOSE_FLUSH);
}

static void
v1_close(void *state, enum bevhost_reason reason)
{
	bevhost_log(BEVHOST_LOG_NOTICE, "v1 has closed: %s %d",
	    bevhost_reason_name(reason), state == NULL);
}

static const struct bevhost_manifest v1_manifest = {
	.struct_size = sizeof(struct bevhost_manifest),
	.flags = BEVHOST_MANIFEST_CONNECT,
};

static struct bevhost_plugin v1_plugin = {
	.name = "abi-v1-async",
	.create = v1_create,
	.start = v1_start,
	.destroy = v1_destroy,
	.run = v1_run,
	.stack_size = 64 * 1024,
	.drain = v1_drain,
	.close = v1_close,
	.manifest = &v1_manifest,
};
BEVHOST_PLUGIN(v1_plugin)
