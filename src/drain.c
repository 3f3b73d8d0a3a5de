/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A drain gives each connection a turn, at once or spread over a time: its
 * handler is asked to finish, or else it is closed when it is idle. Nobody
 * reports that a connection has become idle, which would cost every read and
 * write something: a tick looks at all of them. What is left at the deadline
 * is closed. Tasks that are no connection's serve those that are, and are told
 * after the last one.
 */
#include "drain.h"

#include <string.h>

#include <bevhost/plugin.h>
#include <event2/event.h>

#include "conns.h"
#include "log.h"
#include "runtime.h"

/* Between two looks; longer when there is much to look at. */
#define DRAIN_TICK_MS  20
#define DRAIN_PER_TICK 100 /* a millisecond more for so many */
#define DRAIN_FRESH_MS 1000
/* A peer behind a balancer is connected before its first word is there. */
#define DRAIN_MOMENT_MS 500
#define DRAIN_LAST_MS	1000
#define DRAIN_CUT_MS	1000
#define DRAIN_MS_MAX	(INT64_C(1000) * 1000 * 1000 * 1000)

size_t
drain_left(const struct drain *drain)
{
	return conns_count(drain->conns) + runtime_left();
}

void
drain_on_gone(struct drain *drain)
{
	if (drain->phase == DRAIN_NOT)
		return;
	if (conns_count(drain->conns) == 0 && !drain->tasks_told) {
		drain->tasks_told = 1;
		runtime_cancel();
	}
	/* Leaving after the other callbacks takes an allocation. */
	if (drain_left(drain) == 0 &&
	    event_base_loopexit(drain->base, NULL) < 0)
		event_base_loopbreak(drain->base);
}

static int
drain_set_timer(struct event *timer, int64_t ms)
{
	struct timeval timeout;

	if (ms > DRAIN_MS_MAX)
		ms = DRAIN_MS_MAX;
	timeout.tv_sec = (time_t)(ms / 1000);
	timeout.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	return event_add(timer, &timeout);
}

/* How many may still wait for their turn. */
static size_t
drain_leave(const struct drain *drain, int64_t elapsed_ms)
{
	int64_t spread_ms = drain->spread_ms;

	if (drain->phase == DRAIN_LAST || elapsed_ms >= spread_ms)
		return 0;
	return (size_t)((int64_t)drain->turns * (spread_ms - elapsed_ms) /
			spread_ms);
}

static void
drain_sweep(struct drain *drain)
{
	static const enum conns_sweep hows[] = {
		[DRAIN_RETIRE] = CONNS_ASK,
		[DRAIN_FINISH] = CONNS_CLOSE,
		[DRAIN_LAST] = CONNS_CLOSE_EVEN,
	};
	int64_t elapsed_ms = bevhost_now_ms() - drain->began_ms;
	uint64_t last_id =
	    elapsed_ms < DRAIN_FRESH_MS ? drain->last_id : UINT64_MAX;
	size_t waiting = conns_sweep(drain->conns, hows[drain->phase],
	    drain_leave(drain, elapsed_ms), last_id);

	/* Without a tick the deadline still comes. */
	if (drain->phase != DRAIN_RETIRE || waiting > 0)
		drain_set_timer(drain->tick,
		    DRAIN_TICK_MS +
			(int64_t)conns_count(drain->conns) / DRAIN_PER_TICK);
}

static void
drain_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	drain_sweep(arg);
}

static void
drain_enter(struct drain *drain, enum drain_phase phase, int64_t allowed_ms)
{
	drain->phase = (unsigned char)phase;
	drain->began_ms = bevhost_now_ms();
	drain->allowed_ms = allowed_ms;
	drain->turns = conns_begin_turns(drain->conns);
	if (phase != DRAIN_RETIRE) {
		conns_hurry(drain->conns);
		runtime_drain();
	}
	if (drain_set_timer(drain->deadline, allowed_ms) < 0) {
		drain_cut(drain);
		return;
	}
	drain_sweep(drain);
	drain_on_gone(drain);
}

static void
drain_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct drain *drain = arg;

	(void)fd;
	(void)what;
	if (drain->phase == DRAIN_CUT) {
		event_base_loopbreak(drain->base);
		return;
	}
	log_write(drain->phase == DRAIN_RETIRE ? BEVHOST_LOG_INFO
					       : BEVHOST_LOG_WARNING,
	    NULL, "%zu connections and %zu tasks did not finish in %g s: %s",
	    conns_count(drain->conns), runtime_left(),
	    (double)drain->allowed_ms / 1000,
	    drain->phase == DRAIN_RETIRE ? "closing those that are idle"
					 : "closing them");
	if (drain->phase == DRAIN_RETIRE) {
		drain_enter(drain, DRAIN_LAST, DRAIN_LAST_MS);
		runtime_cancel();
	} else {
		drain_cut(drain);
	}
}

void
drain_prepare(struct drain *drain)
{
	if (drain->phase == DRAIN_NOT)
		drain->last_id = conns_last_id(
		    drain->conns, bevhost_now_ms() - DRAIN_MOMENT_MS);
}

void
drain_start(struct drain *drain)
{
	if (drain->phase < DRAIN_FINISH)
		drain_enter(drain, DRAIN_FINISH, drain->timeout_ms);
}

void
drain_retire(struct drain *drain, int64_t timeout_ms)
{
	if (drain->phase == DRAIN_NOT)
		drain_enter(drain, DRAIN_RETIRE, timeout_ms);
}

void
drain_cut(struct drain *drain)
{
	drain->phase = DRAIN_CUT;
	event_del(drain->tick);
	conns_hurry(drain->conns);
	runtime_drain();
	conns_cut(drain->conns);
	runtime_cut();
	if (drain_set_timer(drain->deadline, DRAIN_CUT_MS) < 0)
		event_base_loopbreak(drain->base);
	drain_on_gone(drain);
}

int
drain_init(struct drain *drain, struct event_base *base, struct conns *conns,
    int64_t timeout_ms, int64_t spread_ms)
{
	memset(drain, 0, sizeof(*drain));
	drain->base = base;
	drain->conns = conns;
	drain->timeout_ms = timeout_ms;
	drain->spread_ms = spread_ms < timeout_ms ? spread_ms : timeout_ms;
	drain->last_id = UINT64_MAX;
	drain->tick = evtimer_new(base, drain_on_tick, drain);
	drain->deadline = evtimer_new(base, drain_on_deadline, drain);
	return drain->tick != NULL && drain->deadline != NULL ? 0 : -1;
}

void
drain_clear(struct drain *drain)
{
	if (drain->tick != NULL)
		event_free(drain->tick);
	if (drain->deadline != NULL)
		event_free(drain->deadline);
	drain->tick = drain->deadline = NULL;
}
