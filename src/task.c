/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A task is a coro with a place in a tree. It runs from one wait to the next,
 * on the loop's thread; who wakes it puts it on the list of the ready, which
 * one event of the loop works off, or runs it at once when no task runs.
 * Cancelling only makes waits fail: the function leaves by itself, and no
 * suspended stack is ever freed.
 */
#include <bevhost/task.h>

#include "task.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "coro.h"
#include "instance.h"
#include "log.h"

/* Then the loop looks at its descriptors before the next ready task. */
#define TASK_RUN_MAX 1000

struct task_defer {
	struct task_defer *next;
	struct task *task;
	void (*fn)(void *arg);
	void *arg;
};

TAILQ_HEAD(task_list, task);

static struct {
	struct event_base *base;
	struct event *run; /* works off the ready */
	struct task_list ready;
	LIST_HEAD(, task) roots;
	size_t root_count, stack_size;
	int64_t last_id;
	int stopping; /* tasks that start now are cancelled */
	void (*on_root_end)(void *arg);
	void *arg;
} task_loop;

/* Of the loop's thread: a job is no task. */
static _Thread_local struct task *task_running;

int64_t
bevhost_now_ms(void)
{
	return clock_ms();
}

int64_t
bevhost_after_ms(int64_t ms)
{
	int64_t now = bevhost_now_ms();

	if (ms < 0)
		ms = 0;
	return ms > INT64_MAX - now ? INT64_MAX : now + ms;
}

struct task *
task_current(void)
{
	return task_running;
}

void *
task_data(struct task *task)
{
	return task + 1;
}

struct event_base *
task_loop_base(void)
{
	return task_loop.base;
}

size_t
task_loop_count(void)
{
	return task_loop.root_count;
}

/* The ready */

static void
task_make_ready(struct task *task)
{
	if (task->ready)
		return;
	task->ready = 1;
	if (TAILQ_EMPTY(&task_loop.ready))
		event_active(task_loop.run, EV_TIMEOUT, 0);
	TAILQ_INSERT_TAIL(&task_loop.ready, task, ready_entry);
}

/* How deep a painted stack was, said when it is a record of its plugin. */
static void
task_say_deepest(const struct task *task)
{
	struct plugin *plugin = task->instance->plugin;
	size_t deepest = coro_deepest(task->coro);

	if (deepest <= plugin->deepest_stack)
		return;
	plugin->deepest_stack = deepest;
	log_write(BEVHOST_LOG_DEBUG, instance_name(task->instance),
	    "deepest use of a stack so far: %zu of %zu bytes", deepest,
	    coro_stack_size(task->coro));
}

/* On the resumer's stack: the coro has ended. */
static void
task_finish(struct task *task)
{
	struct coro *coro = task->coro;

	task_say_deepest(task);
	if (task->timer != NULL)
		event_free(task->timer);
	if (task->child != NULL) {
		task_child_ended(task);
	} else {
		LIST_REMOVE(task, root_entry);
		task_loop.root_count--;
		if (task->on_end != NULL)
			task->on_end(task);
		task_loop.on_root_end(task_loop.arg);
	}
	coro_free(coro);
}

/* What its author calls it. */
static const char *
task_callback(const struct task *task)
{
	if (task->parent != NULL)
		return "child task";
	return task->conn != NULL ? "run" : "task";
}

static void
task_switch(struct task *task)
{
	struct task *before = task_running;
	struct call call =
	    call_enter(task->instance, task_callback(task), task->conn);
	int alive;

	task_running = task;
	alive = coro_resume(task->coro);
	task_running = before;
	call_leave(call);
	if (!alive)
		task_finish(task);
}

static void
task_on_run(evutil_socket_t fd, short what, void *arg)
{
	struct timeval now = { 0, 0 };
	struct task *task;
	int count = 0;

	(void)fd;
	(void)what;
	(void)arg;
	while ((task = TAILQ_FIRST(&task_loop.ready)) != NULL) {
		if (count++ == TASK_RUN_MAX) {
			event_add(task_loop.run, &now);
			return;
		}
		TAILQ_REMOVE(&task_loop.ready, task, ready_entry);
		task->ready = 0;
		task_switch(task);
	}
}

/* Waking and waiting */

void
task_wake(struct task *task, int result)
{
	if (!task->waiting)
		return;
	task->waiting = 0;
	task->wake = result;
	task_make_ready(task);
}

void
task_wake_now(struct task *task, int result)
{
	if (task_running != NULL || !task->waiting) {
		task_wake(task, result);
		return;
	}
	task->waiting = 0;
	task->wake = result;
	task_switch(task);
}

void
task_cancel(struct task *task)
{
	task->cancelled = 1;
	if (!task->shielded)
		task_wake(task, -ECANCELED);
}

static void task_on_timer(evutil_socket_t fd, short what, void *arg);

static int
task_set_timer(struct task *task, int64_t wait_ms)
{
	struct timeval timeout = {
		.tv_sec = (time_t)(wait_ms / 1000),
		.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000),
	};

	if (task->timer == NULL)
		task->timer = evtimer_new(task_loop.base, task_on_timer, task);
	/* From now, not from when this turn of the loop began. */
	event_base_update_cache_time(task_loop.base);
	if (task->timer == NULL || event_add(task->timer, &timeout) < 0)
		return -ENOMEM;
	return 0;
}

/* libevent's clock is coarser than ours, and may be early. */
static void
task_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct task *task = arg;
	int64_t left_ms = task->deadline - bevhost_now_ms();

	(void)fd;
	(void)what;
	if (left_ms <= 0 || task_set_timer(task, left_ms) < 0)
		task_wake_now(task, -ETIMEDOUT);
}

int
task_check(void)
{
	if (task_running == NULL)
		return -EPERM;
	return task_running->cancelled ? -ECANCELED : 0;
}

int
task_wait(int64_t deadline, const char *waits_for)
{
	struct task *task = task_running;
	int64_t wait_ms = 0;
	int status = task_check();

	if (status < 0)
		return status;
	if (deadline >= 0) {
		task->deadline = deadline;
		wait_ms = deadline - bevhost_now_ms();
		if (wait_ms <= 0)
			return -ETIMEDOUT;
		status = task_set_timer(task, wait_ms);
		if (status < 0)
			return status;
	}
	task->waiting = 1;
	task->waits_for = waits_for;
	coro_suspend();
	task->waits_for = NULL;
	if (deadline >= 0)
		event_del(task->timer);
	return task->wake;
}

void
task_wait_shielded(const char *waits_for)
{
	struct task *task = task_running;

	task->shielded = 1;
	task->waiting = 1;
	task->waits_for = waits_for;
	coro_suspend();
	task->waits_for = NULL;
	task->shielded = 0;
}

int
bevhost_task_sleep(int64_t deadline)
{
	int status = task_check();

	if (status == 0 && deadline != 0)
		status = task_wait(deadline, "sleep");
	return status == -ETIMEDOUT ? 0 : status;
}

/* By a timer that is due: everything that is ready comes before it. */
int
bevhost_task_yield(void)
{
	int status = task_check();

	if (status < 0)
		return status;
	task_running->deadline = 0;
	status = task_set_timer(task_running, 0);
	if (status < 0)
		return status;
	task_running->waiting = 1;
	task_running->waits_for = "yield";
	coro_suspend();
	task_running->waits_for = NULL;
	event_del(task_running->timer);
	return task_running->wake == -ETIMEDOUT ? 0 : task_running->wake;
}

/* What is done at the end */

struct task_defer *
task_defer(void (*fn)(void *arg), void *arg)
{
	struct task_defer *defer = malloc(sizeof(*defer));

	if (defer == NULL)
		return NULL;
	*defer = (struct task_defer){
		.next = task_running->defers,
		.task = task_running,
		.fn = fn,
		.arg = arg,
	};
	task_running->defers = defer;
	return defer;
}

void
task_undefer(struct task_defer *defer)
{
	struct task_defer **link = &defer->task->defers;

	while (*link != defer)
		link = &(*link)->next;
	*link = defer->next;
	free(defer);
}

int
bevhost_task_defer(void (*fn)(void *arg), void *arg)
{
	if (task_running == NULL)
		return -EPERM;
	return task_defer(fn, arg) != NULL ? 0 : -ENOMEM;
}

static void
task_run_defers(struct task *task)
{
	struct task_defer *defer;

	while ((defer = task->defers) != NULL) {
		task->defers = defer->next;
		defer->fn(defer->arg);
		free(defer);
	}
}

static void
task_main(void *data)
{
	struct task *task = data;

	task->result = task->fn(task->arg);
	/* What is deferred may spawn, and a child ends before its parent. */
	do {
		task_end_children(task);
		task_run_defers(task);
	} while (!LIST_EMPTY(&task->children));
	task->ended = 1;
}

struct task *
task_make(size_t stack_size, size_t data_size)
{
	struct coro *coro;
	struct task *task;

	if (stack_size == 0)
		stack_size = task_loop.stack_size;
	coro = coro_new(task_main, stack_size, sizeof(*task) + data_size);
	if (coro == NULL)
		return NULL;
	task = coro_data(coro);
	task->coro = coro;
	task->id = ++task_loop.last_id;
	task->waiting = 1;
	LIST_INIT(&task->children);
	return task;
}

struct task *
task_new(const struct bevhost_instance *instance, struct bevhost_conn *conn,
    int (*fn)(void *arg), void *arg, size_t stack_size, size_t data_size,
    void (*on_end)(struct task *task))
{
	struct task *task = task_make(stack_size, data_size);

	if (task == NULL)
		return NULL;
	task->fn = fn;
	task->arg = arg;
	task->instance = instance;
	task->conn = conn;
	task->on_end = on_end;
	LIST_INSERT_HEAD(&task_loop.roots, task, root_entry);
	task_loop.root_count++;
	return task;
}

int
bevhost_task_start(
    struct bevhost_instance *instance, int (*fn)(void *arg), void *arg)
{
	struct task *task = task_new(
	    instance, NULL, fn, arg, instance->plugin->def.stack_size, 0, NULL);

	if (task == NULL)
		return -errno;
	task->cancelled = task_loop.stopping != 0;
	task_wake(task, 0);
	return 0;
}

/* The loop */

int
task_loop_init(struct event_base *base, size_t stack_size,
    void (*on_root_end)(void *arg), void *arg)
{
	memset(&task_loop, 0, sizeof(task_loop));
	task_loop.on_root_end = on_root_end;
	task_loop.arg = arg;
	task_loop.base = base;
	task_loop.stack_size = stack_size ? stack_size : CORO_STACK_DEFAULT;
	TAILQ_INIT(&task_loop.ready);
	LIST_INIT(&task_loop.roots);
	task_loop.run = event_new(base, -1, EV_PERSIST, task_on_run, NULL);
	return task_loop.run != NULL ? 0 : -1;
}

void
task_loop_cancel(void)
{
	struct task *task;

	task_loop.stopping = 1;
	LIST_FOREACH (task, &task_loop.roots, root_entry)
		if (task->conn == NULL)
			task_cancel(task);
}

void
task_loop_clear(void)
{
	if (task_loop.run != NULL)
		event_free(task_loop.run);
	task_loop.run = NULL;
	coro_clear_pool();
}
