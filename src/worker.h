/* SPDX-License-Identifier: BSD-2-Clause */
/* One process, one event_base, and all that lives in it. */
#ifndef WORKER_H
#define WORKER_H

#include "drain.h"
#include "instance.h"
#include "worker_settings.h"

struct conns;
struct listener;

#define WORKER_DRAIN_MS 30000 /* what drain_timeout_ms is by default */

struct worker {
	struct event_base *base;
	struct conns *conns;
	struct bevhost_instance *instances; /* owned by the caller */
	int instance_count;
	struct listener *listeners; /* likewise */
	int listener_count;
	struct event *signals[3]; /* TERM, INT, HUP */
	int managed;
	struct event *heart;
	volatile int64_t *beat;
	struct drain drain;
	int tasks; /* tasks, streams and jobs can be */
};

/*
 * Makes the base and starts every instance and listener. Returns 0, or -1
 * having logged; worker_clear() is due either way.
 */
int worker_init(struct worker *worker, const struct worker_settings *settings,
    struct bevhost_instance *instances, int instance_count,
    struct listener *listeners, int listener_count) BEVHOST_MUST_CHECK;

/* Serves until it is stopped. Returns 0, or -1 having logged. */
int worker_run(struct worker *worker);

/*
 * Each accepts no more and ends the run after the last connection and the last
 * task. One that has begun is not begun again, and a later one overtakes.
 *
 * Retiring leaves its sockets to another worker, but those of listeners that
 * are `leaving`. Handlers are asked to finish; the others' connections are
 * left alone until timeout_ms, when idle ones are closed and busy ones have a
 * second more.
 *
 * Draining asks handlers to finish, and closes the others' connections when
 * they are idle.
 *
 * Stopping closes all at once, and gives handlers that hold connections a
 * second to release them.
 */
void worker_retire(struct worker *worker, int64_t timeout_ms);
void worker_drain(struct worker *worker);
void worker_stop(struct worker *worker);

/*
 * Stops the instances, clears the listeners, ends the base. Returns 0, or -1
 * having logged that handlers still hold connections: then nothing that they
 * may use has been freed, and the process should end.
 */
int worker_clear(struct worker *worker);

#endif
