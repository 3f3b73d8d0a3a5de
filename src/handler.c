/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls into a plugin for one connection. Callbacks are called as they are;
 * generators and async functions are driven by callbacks of this file, which
 * stand in their place. The instance is noted around each call, so that the
 * log and a crash can name whose code it was.
 */
#include "handler.h"

#include <errno.h>
#include <stdlib.h>

#include "call.h"
#include "generator.h"
#include "stream.h"
#include "task.h"

static const struct handler_host *handler_host;

void
handler_set_host(const struct handler_host *host)
{
	handler_host = host;
}

static const struct bevhost_plugin *
handler_def(const struct handler *handler)
{
	return &handler->instance->plugin->def;
}

void
handler_init(struct handler *handler, const struct bevhost_instance *instance,
    const struct bevhost_conn *conn)
{
	const struct bevhost_plugin *def = &instance->plugin->def;

	*handler = (struct handler){
		.instance = instance,
		.conn = conn,
		.read = def->read,
		.write = def->write,
		.event = def->event,
	};
	if (def->run != NULL) {
		handler->read = stream_on_read;
		handler->write = stream_on_write;
		handler->event = stream_on_event;
	}
}

/* Generators */

static void handler_on_generator_timer(struct bevhost_conn *conn, void *state);

static void
handler_run_generator(struct handler *handler)
{
	struct bevhost_generator *generator = handler->state;
	struct call before =
	    call_enter(handler->instance, "generate", generator->conn);
	int status = generator_step(generator, handler_def(handler)->generate,
	    &handler->model.timer, handler_on_generator_timer);

	call_leave(before);
	if (status == 0) {
		handler_host->end(generator->conn);
	} else if (status < 0) {
		bevhost_conn_log(generator->conn, BEVHOST_LOG_WARNING,
		    "no memory for a deadline");
		bevhost_conn_set_reason(
		    generator->conn, BEVHOST_REASON_OVERLOAD, NULL);
		bevhost_conn_close(generator->conn, BEVHOST_CLOSE_NOW);
	}
}

static void
handler_on_generator_timer(struct bevhost_conn *conn, void *state)
{
	struct bevhost_generator *generator = state;
	struct handler *handler = generator->host;

	(void)conn;
	generator_on_timer(generator, handler->model.timer);
	handler_run_generator(handler);
}

static int
handler_open_generator(
    struct handler *handler, struct bevhost_conn *conn, struct bufferevent *bev)
{
	const struct bevhost_plugin *def = handler_def(handler);

	handler->state = generator_new(
	    def->frame_size, conn, bev, handler->instance->self, handler);
	if (handler->state == NULL)
		return -ENOMEM;
	handler->generates = 1;
	handler_run_generator(handler);
	return 0;
}

/* Async functions */

static int
handler_main(void *arg)
{
	struct task *task = task_current();
	struct bevhost_stream *stream = task_data(task);

	(void)arg;
	return task->instance->plugin->def.run(stream, task->instance->self);
}

/* The connection was held for the task, and ends with it. */
static void
handler_on_task_end(struct task *task)
{
	struct bevhost_conn *conn = task->conn;
	struct handler *handler = task->arg;

	handler->model.task = NULL;
	handler->read = handler->write = NULL;
	handler->event = NULL;
	handler->state = NULL;
	handler_host->end(conn);
	bevhost_conn_release(conn);
}

static int
handler_open_task(
    struct handler *handler, struct bevhost_conn *conn, struct bufferevent *bev)
{
	struct task *task = task_new(handler->instance, conn, handler_main,
	    handler, handler_def(handler)->stack_size,
	    sizeof(struct bevhost_stream), handler_on_task_end);

	if (task == NULL)
		return -ENOMEM;
	handler->model.task = task;
	handler->state = task_data(task);
	stream_init(handler->state, bev, conn);
	bevhost_conn_hold(conn);
	task_wake_now(task, 0);
	return 0;
}

void
handler_closing(struct handler *handler)
{
	struct bevhost_stream *stream = handler->state;

	if (handler_def(handler)->run == NULL || handler->model.task == NULL)
		return;
	stream->gone = 1;
	task_cancel(handler->model.task);
	/* Children that wait for bytes, while it waits for something else. */
	if (stream->reader != NULL)
		task_wake(stream->reader, 0);
	if (stream->writer != NULL)
		task_wake(stream->writer, 0);
}

/* All models */

int
handler_hears_writes(const struct handler *handler)
{
	return handler->write != NULL && handler_def(handler)->run == NULL;
}

int
handler_admit(const struct handler *handler, const struct bevhost_conn *conn)
{
	const struct bevhost_plugin *def = handler_def(handler);
	struct call before;
	int admitted;

	if (def->admit == NULL)
		return 1;
	before = call_enter(handler->instance, "admit", handler->conn);
	admitted = def->admit(handler->instance->self, conn);
	call_leave(before);
	return admitted != 0;
}

int
handler_open(
    struct handler *handler, struct bevhost_conn *conn, struct bufferevent *bev)
{
	const struct bevhost_plugin *def = handler_def(handler);
	struct call before;
	int status = 0;

	if (def->generate != NULL)
		return handler_open_generator(handler, conn, bev);
	if (def->run != NULL)
		return handler_open_task(handler, conn, bev);
	if (def->state_size != 0) {
		handler->memory = calloc(1, def->state_size);
		if (handler->memory == NULL)
			return -ENOMEM;
		handler->state = handler->memory;
	}
	if (def->open != NULL) {
		before = call_enter(handler->instance, "open", handler->conn);
		status = def->open(
		    handler->instance->self, conn, bev, &handler->state);
		call_leave(before);
	}
	if (status < 0) {
		free(handler->memory);
		handler->memory = NULL;
	}
	return status < 0 ? -ECANCELED : 0;
}

void
handler_read(struct handler *handler, struct bufferevent *bev)
{
	struct call before;

	if (handler->generates)
		handler_run_generator(handler);
	if (handler->read == NULL)
		return;
	before = call_enter(handler->instance, "read", handler->conn);
	handler->read(bev, handler->state);
	call_leave(before);
}

void
handler_write(struct handler *handler, struct bufferevent *bev)
{
	struct call before;

	if (handler->generates)
		handler_run_generator(handler);
	if (handler->write == NULL)
		return;
	before = call_enter(handler->instance, "write", handler->conn);
	handler->write(bev, handler->state);
	call_leave(before);
}

int
handler_event(struct handler *handler, struct bufferevent *bev, short what)
{
	struct call before;

	if (handler->generates && (what & BEV_EVENT_EOF)) {
		generator_eof(handler->state);
		handler_run_generator(handler);
		return 1;
	}
	if (handler->event == NULL)
		return 0;
	/* No wait asked for it: it closes, as it does without an event. */
	if (handler_def(handler)->run != NULL && (what & BEV_EVENT_TIMEOUT))
		return 0;
	before = call_enter(handler->instance, "event", handler->conn);
	handler->event(bev, what, handler->state);
	call_leave(before);
	return 1;
}

int
handler_can_drain(const struct handler *handler)
{
	return handler_def(handler)->drain != NULL;
}

void
handler_drain(struct handler *handler)
{
	struct call before;

	before = call_enter(handler->instance, "drain", handler->conn);
	handler_def(handler)->drain(handler->state);
	call_leave(before);
}

int
handler_is_idle(const struct handler *handler)
{
	const struct bevhost_stream *stream = handler->state;
	const struct task *task = handler->model.task;

	if (handler->generates)
		return generator_is_reading(handler->state);
	if (handler_def(handler)->run == NULL)
		return 1;
	return task != NULL && stream->reader == task && task_is_alone(task);
}

int
handler_owns_timer(
    const struct handler *handler, const struct bevhost_timer *timer)
{
	return handler->generates && handler->model.timer == timer;
}

unsigned
handler_holds(const struct handler *handler)
{
	return handler_def(handler)->run != NULL && handler->model.task != NULL;
}

void
handler_timer(
    struct handler *handler, struct bevhost_conn *conn, bevhost_timer_cb cb)
{
	struct call before;

	before = call_enter(handler->instance, "timer", handler->conn);
	cb(conn, handler->state);
	call_leave(before);
}

void
handler_close(struct handler *handler, enum bevhost_reason reason)
{
	const struct bevhost_plugin *def = handler_def(handler);
	struct call before;

	if (handler->generates) {
		before =
		    call_enter(handler->instance, "generate", handler->conn);
		generator_finish(handler->state, def->generate);
		call_leave(before);
	}
	if (def->close != NULL) {
		before = call_enter(handler->instance, "close", handler->conn);
		def->close(handler->state, reason);
		call_leave(before);
	}
	if (handler->generates)
		free(handler->state);
	free(handler->memory);
	handler->memory = NULL;
	handler->state = NULL;
}
