/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for a place. A place that comes free is taken at once by whoever
 * looks first, which would let a busy listener starve the others: who has
 * waited for a moment longer than the others goes before them. That is kept in
 * a list for the listeners of a process, and told to the other processes.
 */
#include "gate_own.h"

#include <errno.h>
#include <inttypes.h>

#include "clock.h"
#include "limiter.h"
#include "log.h"

/* Those of this process that wait. */
static TAILQ_HEAD(, gate_waiter) gate_waiters = TAILQ_HEAD_INITIALIZER(
    gate_waiters);

static const struct gate_waiter *
gate_first(int scope)
{
	const struct gate_waiter *waiter, *first = NULL;

	TAILQ_FOREACH (waiter, &gate_waiters, entry)
		if (waiter->scope == scope &&
		    (first == NULL || waiter->since_ms < first->since_ms))
			first = waiter;
	return first;
}

static void
gate_tell_others(int scope, int64_t now_ms)
{
	const struct gate_waiter *first = gate_first(scope);

	limiter_set_waiting(gate_host.limiter, scope,
	    first != NULL ? first->since_ms : 0, now_ms);
}

void
gate_stop_waiting(struct gate_waiter *waiter)
{
	if (waiter->since_ms == 0)
		return;
	TAILQ_REMOVE(&gate_waiters, waiter, entry);
	waiter->since_ms = 0;
	gate_tell_others(waiter->scope, clock_ms());
}

static void
gate_say_full(const struct gate *gate, const struct gate_waiter *waiter,
    int scope, int64_t max)
{
	char more[LIMIT_MORE_SIZE];

	gate_count(gate, LIMIT_CONNECTIONS);
	if (!limit_may_say(waiter->log, LIMIT_CONNECTIONS, more, sizeof(more)))
		return;
	log_write(BEVHOST_LOG_WARNING, gate->name,
	    "max-connections of %s (%" PRId64 ") reached: clients %s%s",
	    scope == LIMITER_HOST ? "the host" : "this listener", max,
	    gate_is_dry(gate, LIMIT_CONNECTIONS) ? "would wait" : "wait", more);
}

static void
gate_wait(const struct gate *gate, struct gate_waiter *waiter, int scope,
    int64_t max, int64_t now_ms)
{
	int before = waiter->scope, waited = waiter->since_ms != 0;

	waiter->scope = scope;
	if (!waited) {
		waiter->since_ms = now_ms;
		TAILQ_INSERT_TAIL(&gate_waiters, waiter, entry);
		gate_say_full(gate, waiter, scope, max);
	} else if (before != scope) {
		gate_tell_others(before, now_ms);
	}
	gate_tell_others(scope, now_ms);
}

/* Has somebody waited so much longer that the next place is not ours? */
static int
gate_is_others_turn(const struct gate_waiter *waiter, int scope, int64_t now_ms)
{
	const struct gate_waiter *first = gate_first(scope);
	int64_t since =
	    waiter != NULL && waiter->since_ms != 0 ? waiter->since_ms : now_ms;

	if (first != NULL && first != waiter &&
	    first->since_ms + LIMITER_PATIENCE_MS < since)
		return 1;
	return limiter_is_others_turn(gate_host.limiter, scope, since, now_ms);
}

static int
gate_take_at(
    const struct gate *gate, struct gate_waiter *waiter, int scope, int64_t max)
{
	int64_t now_ms;

	if (max <= 0)
		return limiter_take(gate_host.limiter, scope, 0);
	if (gate_is_dry(gate, LIMIT_CONNECTIONS)) {
		if (limiter_take(gate_host.limiter, scope, max) == 0)
			return 0;
		if (waiter == NULL)
			return -EUSERS;
		gate_say_full(gate, waiter, scope, max);
		return limiter_take(gate_host.limiter, scope, 0);
	}
	now_ms = clock_ms();
	if (!gate_is_others_turn(waiter, scope, now_ms) &&
	    limiter_take(gate_host.limiter, scope, max) == 0)
		return 0;
	if (waiter != NULL)
		gate_wait(gate, waiter, scope, max, now_ms);
	return -EUSERS;
}

int
gate_take_place(struct gate *gate, struct gate_waiter *waiter)
{
	if (gate == NULL || gate->scope < 0)
		return 0;
	if (gate_take_at(gate, waiter, gate->scope, gate->max_connections) < 0)
		return -EUSERS;
	if (gate_take_at(
		gate, waiter, LIMITER_HOST, gate_host.max_connections) < 0) {
		limiter_return(gate_host.limiter, gate->scope);
		return -EUSERS;
	}
	if (waiter != NULL)
		gate_stop_waiting(waiter);
	return 0;
}

void
gate_return_place(struct gate *gate)
{
	if (gate == NULL || gate->scope < 0)
		return;
	limiter_return(gate_host.limiter, gate->scope);
	limiter_return(gate_host.limiter, LIMITER_HOST);
}

void
gate_take_second_place(struct gate *gate)
{
	if (gate == NULL || gate->scope < 0)
		return;
	(void)!limiter_take(gate_host.limiter, gate->scope, 0);
	(void)!limiter_take(gate_host.limiter, LIMITER_HOST, 0);
}
