/* SPDX-License-Identifier: BSD-2-Clause */
/* Which call into a plugin runs on this thread: for the log and for crashes. */
#ifndef CALL_H
#define CALL_H

#include <stddef.h>

struct bevhost_conn;
struct bevhost_instance;

struct call {
	const char *callback; /* NULL: nothing of a plugin runs */
	const struct bevhost_instance
	    *instance;			 /* NULL: file is being loaded */
	const struct bevhost_conn *conn; /* or NULL */
	const char *file;
};

/* Read by signal handlers too. */
extern _Thread_local struct call call_running;

/* Returns what ran before, for call_leave(). */
static inline struct call
call_swap(struct call call)
{
	struct call before = call_running;

	call_running = call;
	return before;
}

/* Around every call into an instance's plugin; conn or NULL. */
static inline struct call
call_enter(const struct bevhost_instance *instance, const char *callback,
    const struct bevhost_conn *conn)
{
	const struct call call = { callback, instance, conn, NULL };

	return call_swap(call);
}

static inline void
call_leave(struct call before)
{
	call_running = before;
}

#endif
