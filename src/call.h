/* SPDX-License-Identifier: BSD-2-Clause */
/* Which call into a plugin runs on this thread: for the log and for crashes. */
#ifndef CALL_H
#define CALL_H

#include <stddef.h>

struct bevhost_conn;
struct bevhost_instance;

/* callback NULL: nothing of a plugin runs. instance NULL: file is loaded. */
struct call {
	const struct bevhost_instance *instance;
	const struct bevhost_conn *conn; /* or NULL */
	const char *callback, *file;
};

/* Read by signal handlers too. */
extern _Thread_local struct call call_running;

/* Returns what ran before, for call_leave(). */
struct call call_swap(struct call call);

/* Around every call into an instance's plugin; conn or NULL. */
static inline struct call
call_enter(const struct bevhost_instance *instance, const char *callback,
    const struct bevhost_conn *conn)
{
	const struct call before = call_running;

	call_running = (struct call){ instance, conn, callback, NULL };
	return before;
}

static inline void
call_leave(struct call before)
{
	call_running = before;
}

#endif
