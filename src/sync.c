/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the tasks of a worker: events and bounded queues. Each has a list
 * of those who wait, who are woken to look again.
 */
#include <errno.h>
#include <stdlib.h>

#include <bevhost/task.h>

#include "task.h"

/* On the waiting task's stack. */
struct sync_waiter {
	TAILQ_ENTRY(sync_waiter) entry;
	struct task *task;
	int off; /* the list: who woke it may free that */
};

TAILQ_HEAD(sync_waiters, sync_waiter);

struct bevhost_event {
	struct sync_waiters waiters;
	int set;
};

struct bevhost_queue {
	struct sync_waiters getters, putters;
	size_t capacity, first, length;
	void *items[];
};

static int
sync_wait(struct sync_waiters *waiters, int64_t deadline, const char *what)
{
	struct sync_waiter waiter = { .task = task_current() };
	int status = task_check();

	if (status < 0)
		return status;
	TAILQ_INSERT_TAIL(waiters, &waiter, entry);
	status = task_wait(deadline, what);
	if (!waiter.off)
		TAILQ_REMOVE(waiters, &waiter, entry);
	return status;
}

static void
sync_wake(struct sync_waiters *waiters, struct sync_waiter *waiter)
{
	TAILQ_REMOVE(waiters, waiter, entry);
	waiter->off = 1;
	task_wake(waiter->task, 0);
}

/* The first that sleeps: one that is awake already has its chance. */
static void
sync_wake_one(struct sync_waiters *waiters)
{
	struct sync_waiter *waiter;

	TAILQ_FOREACH (waiter, waiters, entry)
		if (waiter->task->waiting) {
			sync_wake(waiters, waiter);
			return;
		}
}

struct bevhost_event *
bevhost_event_new(void)
{
	struct bevhost_event *event = calloc(1, sizeof(*event));

	if (event != NULL)
		TAILQ_INIT(&event->waiters);
	return event;
}

void
bevhost_event_free(struct bevhost_event *event)
{
	free(event);
}

void
bevhost_event_set(struct bevhost_event *event)
{
	struct sync_waiter *waiter;

	event->set = 1;
	while ((waiter = TAILQ_FIRST(&event->waiters)) != NULL)
		sync_wake(&event->waiters, waiter);
}

void
bevhost_event_clear(struct bevhost_event *event)
{
	event->set = 0;
}

/* A set that was cleared before the waiter ran still counts. */
int
bevhost_event_wait(struct bevhost_event *event, int64_t deadline)
{
	int status = task_check();

	if (status < 0 || event->set)
		return status;
	return sync_wait(&event->waiters, deadline, "an event");
}

struct bevhost_queue *
bevhost_queue_new(size_t capacity)
{
	struct bevhost_queue *queue;

	if (capacity == 0 || capacity > SIZE_MAX / 2 / sizeof(void *)) {
		errno = EINVAL;
		return NULL;
	}
	queue = calloc(1, sizeof(*queue) + capacity * sizeof(void *));
	if (queue == NULL)
		return NULL;
	queue->capacity = capacity;
	TAILQ_INIT(&queue->getters);
	TAILQ_INIT(&queue->putters);
	return queue;
}

void
bevhost_queue_free(struct bevhost_queue *queue)
{
	free(queue);
}

size_t
bevhost_queue_length(const struct bevhost_queue *queue)
{
	return queue->length;
}

int
bevhost_queue_put(struct bevhost_queue *queue, void *item, int64_t deadline)
{
	int status = task_check();

	while (status == 0 && queue->length == queue->capacity)
		status =
		    sync_wait(&queue->putters, deadline, "room in a queue");
	if (status < 0)
		return status;
	queue->items[(queue->first + queue->length++) % queue->capacity] = item;
	sync_wake_one(&queue->getters);
	return 0;
}

int
bevhost_queue_get(struct bevhost_queue *queue, void **item, int64_t deadline)
{
	int status = task_check();

	while (status == 0 && queue->length == 0)
		status =
		    sync_wait(&queue->getters, deadline, "an item of a queue");
	if (status < 0)
		return status;
	*item = queue->items[queue->first];
	queue->first = (queue->first + 1) % queue->capacity;
	queue->length--;
	sync_wake_one(&queue->putters);
	return 0;
}
