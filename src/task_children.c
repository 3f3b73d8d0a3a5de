/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of tasks: children are named by numbers, which only their parent
 * knows, so that nothing dangles; they end before it does.
 */
#include <errno.h>
#include <stdlib.h>

#include <bevhost/task.h>

#include "coro.h"
#include "instance.h"
#include "log.h"
#include "seldom.h"
#include "task.h"
#include "task_abandoned.h"

#define TASK_SAY_MS 1000

/* What a parent keeps of a child until it has been awaited. */
struct task_child {
	LIST_ENTRY(task_child) entry;
	int64_t id;
	struct task *task; /* NULL once it has ended */
	int result;
};

static uint64_t task_abandoned_count;

uint64_t
task_abandoned(void)
{
	return task_abandoned_count;
}

/* Its stack goes, its result stays until it is awaited. */
void
task_child_ended(struct task *task)
{
	task->child->task = NULL;
	task->child->result = task->result;
	if (task->parent->awaiting)
		task_wake(task->parent, 0);
}

int
task_is_alone(const struct task *task)
{
	struct task_child *child;

	LIST_FOREACH (child, &task->children, entry)
		if (child->task != NULL)
			return 0;
	return task->waiting;
}

static struct task_child *
task_find_child(int64_t id)
{
	struct task_child *child;

	LIST_FOREACH (child, &task_current()->children, entry)
		if (child->id == id)
			return child;
	return NULL;
}

static void
task_forget_child(struct task_child *child)
{
	LIST_REMOVE(child, entry);
	free(child);
}

static int
task_wait_child(int64_t deadline, const char *waits_for)
{
	int status;

	task_current()->awaiting = 1;
	status = task_wait(deadline, waits_for);
	task_current()->awaiting = 0;
	return status;
}

/* Waits for the end of a child, come what may. */
static void
task_outlive(struct task_child *child, const char *waits_for)
{
	task_current()->awaiting = 1;
	while (child->task != NULL)
		task_wait_shielded(waits_for);
	task_current()->awaiting = 0;
}

/* A mistake in a plugin, which each of its connections may make. */
static void
task_say_abandoned(const struct task *task)
{
	static struct seldom said;
	char more[SELDOM_MORE_SIZE];

	task_abandoned_count++;
	if (seldom_may(&said, TASK_SAY_MS, more))
		log_write(BEVHOST_LOG_WARNING, instance_name(task->instance),
		    "a task returned while its children ran: they are "
		    "cancelled%s",
		    more);
}

/* At the end of a function: its children end before it does. */
void
task_end_children(struct task *task)
{
	struct task_child *child;
	int running = 0;

	LIST_FOREACH (child, &task->children, entry)
		if (child->task != NULL) {
			task_cancel(child->task);
			running = 1;
		}
	if (running && !task->cancelled) {
		task_say_abandoned(task);
		task->result = -ECHILD;
	}
	while ((child = LIST_FIRST(&task->children)) != NULL) {
		task_outlive(child, "the end of children");
		task_forget_child(child);
	}
}

int64_t
bevhost_task_spawn(int (*fn)(void *arg), void *arg)
{
	struct task_child *child;
	struct task *task;
	int status = task_check();

	if (status < 0)
		return status;
	child = calloc(1, sizeof(*child));
	if (child == NULL)
		return -ENOMEM;
	task = task_make(coro_stack_size(task_current()->coro), 0);
	if (task == NULL) {
		status = -errno;
		free(child);
		return status;
	}
	task->fn = fn;
	task->arg = arg;
	task->parent = task_current();
	task->instance = task_current()->instance;
	task->conn = task_current()->conn;
	task->child = child;
	child->task = task;
	child->id = task->id;
	LIST_INSERT_HEAD(&task_current()->children, child, entry);
	task_wake(task, 0);
	return task->id;
}

/* Cancels these children, waits for them and forgets them: what they work on
   may be in the frame of the function that calls. */
static void
task_end_named(const int64_t *ids, size_t count)
{
	struct task_child *child;
	size_t i;

	for (i = 0; i < count; i++)
		bevhost_task_cancel(ids[i]);
	for (i = 0; i < count; i++) {
		child = task_find_child(ids[i]);
		if (child == NULL)
			continue; /* it was named twice */
		task_outlive(child, "the end of children");
		task_forget_child(child);
	}
}

int
bevhost_task_await(int64_t id, int *result, int64_t deadline)
{
	struct task_child *child;
	int status;

	if (task_current() == NULL)
		return -EPERM;
	if (id == task_current()->id)
		return -EDEADLK;
	child = task_find_child(id);
	if (child == NULL)
		return -ECHILD;
	while (child->task != NULL) {
		status = task_wait_child(deadline, "a child");
		if (status == -ECANCELED)
			task_end_named(&id, 1);
		if (status < 0)
			return status;
	}
	if (result != NULL)
		*result = child->result;
	task_forget_child(child);
	return 0;
}

int
bevhost_task_cancel(int64_t id)
{
	struct task_child *child;

	if (task_current() == NULL)
		return -EPERM;
	child = task_find_child(id);
	if (child == NULL)
		return -ECHILD;
	if (child->task != NULL)
		task_cancel(child->task);
	return 0;
}

/* Until all have ended; none is forgotten. */
static int
task_wait_all(const int64_t *ids, size_t count, int64_t deadline)
{
	struct task_child *child;
	size_t i;
	int status;

	for (i = 0; i < count; i++) {
		if (ids[i] == task_current()->id)
			return -EDEADLK;
		if (task_find_child(ids[i]) == NULL)
			return -ECHILD;
	}
	for (i = 0; i < count; i++) {
		child = task_find_child(ids[i]);
		while (child->task != NULL) {
			status = task_wait_child(deadline, "children");
			if (status < 0)
				return status;
		}
	}
	return 0;
}

int
bevhost_task_gather(
    const int64_t *ids, size_t count, int *results, int64_t deadline)
{
	struct task_child *child;
	size_t i;
	int status;

	if (task_current() == NULL)
		return -EPERM;
	status = task_wait_all(ids, count, deadline);
	for (i = 0; status == 0 && results != NULL && i < count; i++) {
		child = task_find_child(ids[i]);
		results[i] = child->result;
	}
	if (status != -ETIMEDOUT)
		task_end_named(ids, count);
	return status;
}

/* The index of one that has ended, -EAGAIN when none has, or why not. */
static int
task_find_ended(const int64_t *ids, size_t count)
{
	struct task_child *child;
	size_t i;

	for (i = 0; i < count; i++) {
		if (ids[i] == task_current()->id)
			return -EDEADLK;
		child = task_find_child(ids[i]);
		if (child == NULL)
			return -ECHILD;
		if (child->task == NULL)
			return (int)i;
	}
	return count > 0 ? -EAGAIN : -EINVAL;
}

int
bevhost_task_race(
    const int64_t *ids, size_t count, int *result, int64_t deadline)
{
	int winner, status;

	if (task_current() == NULL)
		return -EPERM;
	while ((winner = task_find_ended(ids, count)) == -EAGAIN) {
		status = task_wait_child(deadline, "the first of its children");
		if (status == -ETIMEDOUT)
			return status;
		if (status < 0) {
			winner = status;
			break;
		}
	}
	if (winner >= 0 && result != NULL)
		*result = task_find_child(ids[winner])->result;
	task_end_named(ids, count);
	return winner;
}
