/* SPDX-License-Identifier: BSD-2-Clause */
/* Tasks: coros on a worker's loop that wait, have children, are cancelled. */
#ifndef TASK_H
#define TASK_H

#include <sys/queue.h>

#include <bevhost/plugin.h>

struct coro;
struct task_child;
struct task_defer;

struct task {
	struct coro *coro;
	int64_t id;
	int (*fn)(void *arg);
	void *arg;
	int result;
	struct task *parent;	  /* or NULL: a root */
	struct task_child *child; /* what the parent keeps of it, or NULL */
	LIST_HEAD(, task_child) children;
	struct task_defer *defers;
	TAILQ_ENTRY(task) ready_entry;
	LIST_ENTRY(task) root_entry;
	struct event *timer; /* made by the first wait with a deadline */
	int64_t deadline;    /* of the wait */
	const struct bevhost_instance *instance;
	struct bevhost_conn *conn;	   /* or NULL */
	void (*on_end)(struct task *task); /* of a root, or NULL */
	const char *waits_for;		   /* for debuggers, or NULL */
	int wake;
	unsigned waiting : 1, ended : 1;
	unsigned ready : 1; /* on the list of those that run next */
	unsigned cancelled : 1;
	unsigned shielded : 1; /* waits although it is cancelled */
	unsigned awaiting : 1; /* a child's end wakes it */
};

/*
 * Once for each process, which has one loop. on_root_end is called after the
 * end of each root. Returns 0 or -1.
 */
int task_loop_init(struct event_base *base, size_t stack_size,
    void (*on_root_end)(void *arg), void *arg) BEVHOST_MUST_CHECK;
struct event_base *task_loop_base(void);
/* Cancels all roots that are no connection's. */
void task_loop_cancel(void);
/* Roots of either kind that have not ended. */
size_t task_loop_count(void);
void task_loop_clear(void);

/*
 * A root: fn runs at task_wake_now() or at the loop's next turn. data_size
 * zeroed bytes, at task_data(), live as long as the task. NULL with errno.
 */
struct task *
task_new(const struct bevhost_instance *instance, struct bevhost_conn *conn,
    int (*fn)(void *arg), void *arg, size_t stack_size, size_t data_size,
    void (*on_end)(struct task *task)) BEVHOST_MUST_CHECK;
void *task_data(struct task *task);

struct task *task_current(void);

/* Says whether the calling task may wait at all: 0, -EPERM or -ECANCELED. */
int task_check(void);

/*
 * The calling task waits until it is woken. Returns what the waker said,
 * or -ETIMEDOUT, -ECANCELED, -EPERM, -ENOMEM.
 */
int task_wait(int64_t deadline, const char *waits_for) BEVHOST_MUST_CHECK;
/* The same, but a cancelled task waits too, and for ever. */
void task_wait_shielded(const char *waits_for);

/* Wakes a task that waits; now, if no task runs, else at the next turn. */
void task_wake(struct task *task, int result);
void task_wake_now(struct task *task, int result);

/* Every wait fails from now on. It runs at the next turn, not inside. */
void task_cancel(struct task *task);

/* It waits, and no child of it runs. */
int task_is_alone(const struct task *task);

/* fn(arg) when the calling task ends. Returns a handle, or NULL. */
struct task_defer *task_defer(void (*fn)(void *arg), void *arg);
void task_undefer(struct task_defer *defer);

/* Between the two files of tasks: one that is made and has no parent yet; the
   end of one that has; the end of a function, whose children end before. */
struct task *task_make(size_t stack_size, size_t data_size) BEVHOST_MUST_CHECK;
void task_child_ended(struct task *task);
void task_end_children(struct task *task);

#endif
