/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An async handler that does on command what tasks can do, and answers each
 * line with one line.
 */
#include <bevhost/manifest.h>
#include <bevhost/task.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#define TASKS_WAITS 50

struct tasks {
	struct bevhost_instance *instance;
	int64_t started, ended, deferred; /* functions that were run */
	int background;			  /* steps of the instance's own task */
};

/* What a child is given. */
struct tasks_child {
	struct bevhost_stream *stream;
	struct tasks *self;
	struct bevhost_event *event;
	struct bevhost_queue *queue;
	int result;
	int64_t ms;
};

static void
tasks_on_end(void *arg)
{
	struct tasks *self = arg;

	self->deferred++;
}

static int
tasks_background(void *arg)
{
	struct tasks *self = arg;
	int status;

	while ((status = bevhost_task_sleep(bevhost_after_ms(10))) == 0)
		self->background++;
	return status;
}

static int
tasks_create(struct bevhost_instance *instance, void **self)
{
	struct tasks *tasks = calloc(1, sizeof(*tasks));

	if (tasks == NULL)
		return -1;
	tasks->instance = instance;
	*self = tasks;
	return 0;
}

static int
tasks_start(void *self, struct event_base *base)
{
	struct tasks *tasks = self;

	(void)base;
	return bevhost_task_start(tasks->instance, tasks_background, tasks);
}

static void
tasks_destroy(void *self)
{
	free(self);
}

static int
tasks_return(void *arg)
{
	return ((struct tasks_child *)arg)->result;
}

static int
tasks_sleep(void *arg)
{
	struct tasks_child *child = arg;
	int status;

	child->self->started++;
	bevhost_task_defer(tasks_on_end, child->self);
	status = bevhost_task_sleep(
	    child->ms < 0 ? -1 : bevhost_after_ms(child->ms));
	child->self->ended++;
	return status < 0 ? status : child->result;
}

/* Takes one byte, and passes it on to whom it may concern. */
static int
tasks_byte(void *arg)
{
	struct tasks_child *child = arg;
	char byte;
	ssize_t len;

	child->self->started++;
	bevhost_task_defer(tasks_on_end, child->self);
	len = bevhost_stream_read(child->stream, &byte, 1, -1);
	if (child->event != NULL)
		bevhost_event_set(child->event);
	if (child->queue != NULL)
		bevhost_queue_put(child->queue, child, -1);
	child->self->ended++;
	return (int)len;
}

static int
tasks_pause(void *arg)
{
	(void)arg;
	usleep(2000);
	return 7;
}

/* One wait of ten kinds, which ends when one byte has come. 0 or less. */
static int
tasks_wait(struct bevhost_stream *stream, struct tasks *self, int number,
    struct bevhost_event *event, struct bevhost_queue *queue)
{
	struct tasks_child byte = { .stream = stream, .self = self };
	struct tasks_child sleep = { .self = self, .ms = 0 };
	int64_t ids[2];
	struct evbuffer *input;
	int results[2], status;
	void *item;
	char buf[2];

	switch (number % 10) {
	case 0:
		return (int)bevhost_stream_read(stream, buf, 1, -1) - 1;
	case 1:
		return (int)bevhost_stream_read_exactly(
			   stream, buf, 1, bevhost_after_ms(100000)) -
		       1;
	case 2:
		input = bufferevent_get_input(bevhost_stream_bev(stream));
		status = (int)evbuffer_get_length(input);
		if (status == 0)
			status = (int)bevhost_stream_wait(stream, -1);
		return status <= 0 ? -1 : evbuffer_drain(input, 1);
	case 3:
		ids[0] = bevhost_task_spawn(tasks_byte, &byte);
		status = bevhost_task_await(ids[0], results, -1);
		return status < 0 ? status : results[0] - 1;
	case 4:
		ids[0] = bevhost_task_spawn(tasks_byte, &byte);
		ids[1] = bevhost_task_spawn(tasks_sleep, &sleep);
		status = bevhost_task_gather(ids, 2, results, -1);
		return status < 0 ? status : results[0] - 1;
	case 5:
		sleep.ms = -1;
		ids[0] = bevhost_task_spawn(tasks_sleep, &sleep);
		ids[1] = bevhost_task_spawn(tasks_byte, &byte);
		status = bevhost_task_race(ids, 2, results, -1);
		return status < 0 ? status : status - 1 + results[0] - 1;
	case 6:
		byte.event = event;
		bevhost_event_clear(event);
		ids[0] = bevhost_task_spawn(tasks_byte, &byte);
		bevhost_event_wait(event, -1);
		status = bevhost_task_await(ids[0], results, -1);
		return status < 0 ? status : results[0] - 1;
	case 7:
		byte.queue = queue;
		ids[0] = bevhost_task_spawn(tasks_byte, &byte);
		bevhost_queue_get(queue, &item, -1);
		status = bevhost_task_await(ids[0], results, -1);
		return status < 0 ? status : results[0] - 1;
	case 8:
		status = bevhost_task_sleep(bevhost_after_ms(1));
		if (status == 0)
			status = bevhost_task_yield();
		return status < 0
			   ? status
			   : (int)bevhost_stream_read(stream, buf, 1, -1) - 1;
	default:
		status = bevhost_run_job(tasks_pause, NULL, results);
		return status < 0
			   ? status
			   : (int)bevhost_stream_read(stream, buf, 1, -1) - 1;
	}
}

/* A program of 50 waits. */
static int
tasks_waits(struct bevhost_stream *stream, struct tasks *self)
{
	struct bevhost_event *event = bevhost_event_new();
	struct bevhost_queue *queue = bevhost_queue_new(2);
	int i, status = event && queue ? 0 : -ENOMEM;

	for (i = 0; i < TASKS_WAITS && status == 0; i++)
		status = tasks_wait(stream, self, i, event, queue);
	bevhost_event_free(event);
	bevhost_queue_free(queue);
	return status;
}

/* Errors that the interface promises, each as its number. */
static int
tasks_busy(void *arg)
{
	struct tasks_child *child = arg;
	char byte;

	return (int)bevhost_stream_read(child->stream, &byte, 1, -1);
}

static void
tasks_errors(struct bevhost_stream *stream, char *out, size_t size)
{
	struct tasks_child child = { .stream = stream, .result = 5 };
	int64_t id = bevhost_task_spawn(tasks_return, &child), busy;
	int result = 0, first, twice, own, other, reader, tried;
	char byte;

	first = bevhost_task_await(id, &result, -1);
	twice = bevhost_task_await(id, NULL, -1);
	other = bevhost_task_await(999999, NULL, -1);
	busy = bevhost_task_spawn(tasks_busy, &child);
	own = bevhost_task_yield();
	reader = (int)bevhost_stream_read(stream, &byte, 1, -1);
	tried = bevhost_task_await(busy, NULL, 0);
	bevhost_task_cancel(busy);
	bevhost_task_await(busy, &own, -1);
	snprintf(out, size,
	    "first=%d result=%d twice=%d other=%d reader=%d tried=%d "
	    "cancelled=%d",
	    first, result, twice, other, reader, tried, own);
}

static int
tasks_self_await(void *arg)
{
	int64_t *own = arg;

	return bevhost_task_await(*own, NULL, -1);
}

static int
tasks_abandon(void *arg)
{
	struct tasks_child *sleep = arg;

	sleep->ms = -1;
	bevhost_task_spawn(tasks_sleep, sleep);
	bevhost_task_yield();
	return 3;
}

static int
tasks_deep(size_t depth)
{
	volatile char frame[512];

	frame[0] = (char)depth;
	return depth == 0 ? 0 : tasks_deep(depth - 1) + frame[0];
}

static void
tasks_connect(char *rest, char *out, size_t size)
{
	struct bevhost_stream *stream;
	char *port = strchr(rest, ' ');
	int status;
	ssize_t len;

	if (port != NULL)
		*port++ = '\0';
	status = bevhost_connect(rest, port ? (unsigned)atoi(port) : 0,
	    bevhost_after_ms(5000), &stream);
	if (status < 0) {
		snprintf(out, size, "connect=%d", status);
		return;
	}
	bevhost_stream_write(stream, "ping\n", 5, -1);
	status = bevhost_stream_write_eof(stream, -1);
	len =
	    bevhost_stream_read_line(stream, out, size, bevhost_after_ms(5000));
	if (len < 0)
		snprintf(out, size, "read=%zd eof=%d", len, status);
	bevhost_stream_close(stream, BEVHOST_CLOSE_FLUSH);
}

/* Writes more than may wait there. */
static void
tasks_flood(char *rest, char *out, size_t size)
{
	static const char big[1000000];
	struct bevhost_stream *stream;
	int status = bevhost_connect(
	    "127.0.0.1", (unsigned)atoi(rest), bevhost_after_ms(5000), &stream);

	if (status == 0) {
		bevhost_stream_write(stream, big, sizeof(big), -1);
		status = (int)bevhost_stream_read_line(stream, out, size, -1);
		bevhost_log(BEVHOST_LOG_NOTICE, "flood: %d", status);
	}
	snprintf(out, size, "flood=%d", status);
}

/* Closes a stream on which a child waits, whose end is on its way too. */
static void
tasks_close_used(char *rest, char *out, size_t size)
{
	struct bevhost_stream *stream;
	struct tasks_child child = { .self = NULL };
	char *port = strchr(rest, ' ');
	int result = 0, status;
	int64_t id;

	if (port != NULL)
		*port++ = '\0';
	status = bevhost_connect(rest, port ? (unsigned)atoi(port) : 0,
	    bevhost_after_ms(5000), &stream);
	if (status < 0) {
		snprintf(out, size, "connect=%d", status);
		return;
	}
	child.stream = stream;
	id = bevhost_task_spawn(tasks_busy, &child);
	bevhost_task_sleep(bevhost_after_ms(20));
	bevhost_stream_write(stream, "x", 1, -1);
	bevhost_stream_close(stream, BEVHOST_CLOSE_NOW);
	bevhost_task_await(id, &result, -1);
	snprintf(out, size, "closed=%d", result);
}

static void
tasks_gather(struct tasks *self, char *out, size_t size)
{
	struct tasks_child slow = { .self = self, .ms = 60, .result = 4 };
	struct tasks_child fast = { .self = self, .ms = 0, .result = 4 };
	int64_t ids[2];
	int results[2] = { 0, 0 }, first, second;

	ids[0] = bevhost_task_spawn(tasks_sleep, &fast);
	ids[1] = bevhost_task_spawn(tasks_sleep, &slow);
	first = bevhost_task_gather(ids, 2, results, bevhost_after_ms(10));
	second = bevhost_task_gather(ids, 2, results, -1);
	snprintf(out, size, "first=%d second=%d results=%d,%d", first, second,
	    results[0], results[1]);
}

/* One of the numbers is an error of spawn. */
static void
tasks_unborn(struct tasks *self, char *out, size_t size)
{
	struct tasks_child child = { .self = self, .ms = -1 };
	int64_t ids[2] = { bevhost_task_spawn(tasks_sleep, &child), -ENOMEM };

	snprintf(out, size, "race=%d", bevhost_task_race(ids, 2, NULL, -1));
}

/* What is deferred starts a child, which ends before its parent all the
   same. */
static void
tasks_on_end_spawn(void *arg)
{
	bevhost_task_spawn(tasks_sleep, arg);
}

static int
tasks_defer_spawn(void *arg)
{
	struct tasks_child *child = arg;

	child->ms = -1;
	return bevhost_task_defer(tasks_on_end_spawn, child);
}

static int
tasks_event_wait(void *arg)
{
	return bevhost_event_wait(((struct tasks_child *)arg)->event, -1);
}

/* Set and freed at once: who waited does not touch it again. */
static void
tasks_event_free(char *out, size_t size)
{
	struct tasks_child child = { .event = bevhost_event_new() };
	int64_t id = bevhost_task_spawn(tasks_event_wait, &child);
	int result = -1;

	bevhost_task_yield();
	bevhost_event_set(child.event);
	bevhost_event_free(child.event);
	bevhost_task_await(id, &result, -1);
	snprintf(out, size, "event=%d", result);
}

static int
tasks_long_pause(void *arg)
{
	usleep(*(useconds_t *)arg * 1000);
	return 7;
}

/* A socket timeout is no deadline of a wait: it closes. */
static void
tasks_socket_timeout(struct bevhost_stream *stream)
{
	struct timeval timeout = { .tv_usec = 50 * 1000 };
	char byte;

	bufferevent_set_timeouts(bevhost_stream_bev(stream), &timeout, NULL);
	bevhost_stream_read(stream, &byte, 1, -1);
}

static void
tasks_do(struct bevhost_stream *stream, struct tasks *self, char *line,
    char *out, size_t size)
{
	struct tasks_child child = { .stream = stream, .self = self };
	char *rest = strchr(line, ' '), buf[64];
	int64_t id, start = bevhost_now_ms();
	int result = 0;

	if (rest != NULL)
		*rest++ = '\0';
	else
		rest = line + strlen(line);
	snprintf(out, size, "unknown");
	if (strcmp(line, "waits") == 0) {
		snprintf(out, size, "waits=%d", tasks_waits(stream, self));
	} else if (strcmp(line, "errors") == 0) {
		tasks_errors(stream, out, size);
	} else if (strcmp(line, "self") == 0) {
		id = bevhost_task_spawn(tasks_self_await, &id);
		bevhost_task_await(id, &result, -1);
		snprintf(out, size, "self=%d", result);
	} else if (strcmp(line, "abandon") == 0) {
		id = bevhost_task_spawn(tasks_abandon, &child);
		bevhost_task_await(id, &result, -1);
		snprintf(out, size, "abandon=%d", result);
	} else if (strcmp(line, "sleep") == 0) {
		result = bevhost_task_sleep(bevhost_after_ms(atoi(rest)));
		snprintf(out, size, "sleep=%d slept=%d", result,
		    (int)(bevhost_now_ms() - start));
	} else if (strcmp(line, "late") == 0) {
		result = (int)bevhost_stream_read(
		    stream, buf, 1, bevhost_after_ms(atoi(rest)));
		snprintf(out, size, "late=%d", result);
	} else if (strcmp(line, "exactly") == 0) {
		result = (int)bevhost_stream_read_exactly(
		    stream, buf, (size_t)atoi(rest), -1);
		snprintf(out, size, "exactly=%d %.*s", result,
		    result > 0 ? result : 0, buf);
	} else if (strcmp(line, "until") == 0) {
		result = (int)bevhost_stream_read_until(
		    stream, "--", 2, buf, sizeof(buf), -1);
		snprintf(out, size, "until=%d %.*s", result,
		    result > 0 ? result : 0, buf);
	} else if (strcmp(line, "job") == 0) {
		bevhost_run_job(tasks_pause, NULL, &result);
		snprintf(out, size, "job=%d", result);
	} else if (strcmp(line, "connect") == 0) {
		tasks_connect(rest, out, size);
	} else if (strcmp(line, "flood") == 0) {
		tasks_flood(rest, out, size);
	} else if (strcmp(line, "defer-spawn") == 0) {
		id = bevhost_task_spawn(tasks_defer_spawn, &child);
		bevhost_task_await(id, &result, -1);
		snprintf(out, size, "deferred=%d", result);
	} else if (strcmp(line, "event-free") == 0) {
		tasks_event_free(out, size);
	} else if (strcmp(line, "long-job") == 0) {
		useconds_t ms = (useconds_t)atoi(rest);

		bevhost_run_job(tasks_long_pause, &ms, &result);
		snprintf(out, size, "job=%d", result);
	} else if (strcmp(line, "socket-timeout") == 0) {
		tasks_socket_timeout(stream);
	} else if (strcmp(line, "gather") == 0) {
		tasks_gather(self, out, size);
	} else if (strcmp(line, "unborn") == 0) {
		tasks_unborn(self, out, size);
	} else if (strcmp(line, "close-used") == 0) {
		tasks_close_used(rest, out, size);
	} else if (strcmp(line, "deep") == 0) {
		snprintf(
		    out, size, "deep=%d", tasks_deep((size_t)atoi(rest)) != -1);
	} else if (strcmp(line, "send") == 0) {
		size_t len = (size_t)atol(rest), done;

		for (done = 0; done < len && result == 0; done += 32)
			result = bevhost_stream_write(
			    stream, "0123456789abcdef0123456789abcdef", 32, -1);
		snprintf(out, size, "\nsend=%d", result);
	} else if (strcmp(line, "stats") == 0) {
		snprintf(out, size, "running=%jd undeferred=%jd background=%d",
		    (intmax_t)(self->started - self->ended),
		    (intmax_t)(self->started - self->deferred),
		    self->background);
	}
}

static int
tasks_run(struct bevhost_stream *stream, void *self)
{
	char line[256], out[256];
	struct tasks *tasks = self;
	ssize_t len;

	tasks->started++;
	bevhost_task_defer(tasks_on_end, tasks);
	while ((len = bevhost_stream_read_line(
		    stream, line, sizeof(line), -1)) >= 0 ||
	       len == -EMSGSIZE) {
		if (len == -EMSGSIZE) {
			/* The rest is intact: take what was too long. */
			struct evbuffer *input =
			    bufferevent_get_input(bevhost_stream_bev(stream));

			snprintf(out, sizeof(out), "too long");
			evbuffer_drain(input, sizeof(line));
		} else if (strcmp(line, "because") == 0) {
			bevhost_conn_set_reason(bevhost_stream_conn(stream),
			    BEVHOST_REASON_LIMIT, "%d of them", 7);
			break;
		} else {
			tasks_do(stream, tasks, line, out, sizeof(out));
		}
		bevhost_stream_write(stream, out, strlen(out), -1);
		bevhost_stream_write(stream, "\n", 1, -1);
	}
	tasks->ended++;
	return (int)len;
}

static const struct bevhost_manifest tasks_manifest = {
	.struct_size = sizeof(tasks_manifest),
	.flags = BEVHOST_MANIFEST_CONNECT | BEVHOST_MANIFEST_NAMES,
};

static struct bevhost_plugin plugin = {
	.name = "tasks",
	.manifest = &tasks_manifest,
	.create = tasks_create,
	.start = tasks_start,
	.destroy = tasks_destroy,
	.run = tasks_run,
};
BEVHOST_PLUGIN(plugin)
