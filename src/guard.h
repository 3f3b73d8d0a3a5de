/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The deadlines of one open connection: which of them has struck, and when to
 * look again. Knows no clock, no socket and no connection: it is told how much
 * has moved, and what is still to move.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/reason.h>

struct settings_guard;

/* A window for min-rate, and for what must be sent before the close, where
   write-timeout gives none. */
#define GUARD_WINDOW_MS 60000

/* What there is to see of a connection. */
struct guard_look {
	uint64_t received;     /* by the handler, so far */
	uint64_t sent;	       /* to the kernel */
	uint64_t arrived;      /* of the peer: as received, or more with TLS */
	size_t unread;	       /* input that the handler has left */
	size_t unsent;	       /* output that waits for the peer alone */
	size_t queued;	       /* of `sent`, what the peer has not taken */
	unsigned partial : 1;  /* what arrived ends within a record */
	unsigned waits : 1;    /* the handler, for its peer and nothing else */
	unsigned slow_in : 1;  /* we take the peer's bytes slowly, by a rate */
	unsigned slow_out : 1; /* we send slowly */
	unsigned closing : 1;
};

/* Embedded in its owner. Times are the caller's milliseconds. */
struct guard {
	const struct settings_guard *settings; /* outlives it */
	int64_t opened_ms;
	int64_t quiet_ms;      /* since then no byte has moved */
	int64_t first_ms;      /* since then the first one is waited for */
	int64_t stuck_ms;      /* since then the peer has taken nothing */
	int64_t in_ms, out_ms; /* when the windows of min-rate began */
	uint64_t moved, taken; /* as last seen */
	uint64_t in_arrived, in_consumed, out_taken; /* at the windows' begin */
	/* Likewise. No window is open at 0, nor at an in_ms below. */
	size_t out_owed;
};

/* From now on. */
void guard_init(
    struct guard *guard, const struct settings_guard *settings, int64_t now_ms);

/*
 * Looks. Returns in how many milliseconds to look again, or -1: a deadline has
 * struck, for that reason. *asleep is set when nothing is under way: who then
 * sees a byte move calls guard_wake() and looks again after that time.
 * Deadlines come never early, and at most a sixteenth late when the caller is
 * in time.
 */
int64_t guard_check(struct guard *guard, const struct guard_look *look,
    int64_t now_ms, enum bevhost_reason *reason, int *asleep);

/* In how many milliseconds to look at one in which something moves again. */
int64_t guard_wake(const struct guard *guard);

#endif
