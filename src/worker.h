/* SPDX-License-Identifier: BSD-2-Clause */
/* One process, one event_base, and all that lives in it. */
#ifndef WORKER_H
#define WORKER_H

#include "instance.h"

struct conns;
struct listener;

#define WORKER_DRAIN_MS 30000
#define WORKER_CUT_MS	1000

struct worker {
	struct event_base *base;
	struct conns *conns;
	struct bevhost_instance *instances; /* owned by the caller */
	int instance_count;
	struct listener *listeners; /* likewise */
	int listener_count;
	struct event *signals[3]; /* TERM, INT, HUP */
	struct event *deadline;	  /* of a drain */
	int stopping;
	int tasks; /* tasks, streams and jobs can be */
};

struct worker_settings {
	const char *event_method; /* libevent's back end, NULL: its choice */
	size_t stack_size;	  /* of tasks, in bytes; 0: the default */
	int job_threads;
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
 * Accepts no more and drains; the second time, closes all at once, and gives
 * handlers that hold connections a second to release them.
 */
void worker_stop(struct worker *worker);

/*
 * Stops the instances, clears the listeners, ends the base. Returns 0, or -1
 * having logged that handlers still hold connections: then nothing that they
 * may use has been freed, and the process should end.
 */
int worker_clear(struct worker *worker);

#endif
