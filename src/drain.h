/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a worker's connections and tasks: in peace, by a deadline, or
 * now. Listeners are the worker's own business.
 */
#ifndef DRAIN_H
#define DRAIN_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>

struct conns;
struct event;
struct event_base;

/* Each ends what the one before it left. */
enum drain_phase {
	DRAIN_NOT,
	DRAIN_RETIRE, /* asks, and leaves the idle ones alone */
	DRAIN_FINISH, /* asks, closes the idle ones, waits for the busy */
	DRAIN_LAST,   /* the last second of a retirement: closes all idle */
	DRAIN_CUT     /* all are closed: waits for those that are held */
};

struct drain {
	struct event_base *base;
	struct conns *conns; /* owned by the caller */
	struct event *tick, *deadline;
	int64_t timeout_ms, spread_ms; /* of DRAIN_FINISH, as it was set */
	int64_t began_ms, allowed_ms;  /* of this phase */
	size_t turns;		       /* connections that were to have one */
	uint64_t last_id; /* those after it came at the last moment */
	unsigned char phase;
	unsigned tasks_told : 1;
};

/* Nothing happens yet. 0 or -1; drain_clear() is due either way. */
int
drain_init(struct drain *drain, struct event_base *base, struct conns *conns,
    int64_t timeout_ms, int64_t spread_ms) BEVHOST_MUST_CHECK;
void drain_clear(struct drain *drain);

/*
 * What is accepted from now on, or was half a second ago or less, came at the
 * last moment: it has a second to say its first word before it counts as idle.
 */
void drain_prepare(struct drain *drain);

/* Asks handlers; closes idle connections and those that become so, and all
   after the timeout. Nothing if that has begun. */
void drain_start(struct drain *drain);
/* Asks handlers; closes as drain_start() does after timeout_ms, and has done
   so a second later. Nothing if any of it has begun. */
void drain_retire(struct drain *drain, int64_t timeout_ms);
/* Closes all; a second later the loop ends, whatever is held. */
void drain_cut(struct drain *drain);

/* A connection or a task has gone: the last one ends the loop. */
void drain_on_gone(struct drain *drain);

/* What must end before the loop does. */
size_t drain_left(const struct drain *drain);

#endif
