/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nobody tells a guard of single bytes: that would cost something for each
 * request. It looks now and then, sixteen times in the shortest of its
 * deadlines, and only while something moves or is owed. So what it sees began
 * after the look before, and is dated from this one: late, never early.
 *
 * Progress is what the peer takes: what left our buffers less what the kernel
 * still holds. A rate is judged over a window, as what is there in it at the
 * least; a peer that has taken all that was owed at its begin is well, however
 * little that was.
 */
#include "guard.h"

#include "settings_guard.h"

#define GUARD_LOOKS    16
#define GUARD_LOOK_MIN 10
/* No deadline: look when it does not matter. */
#define GUARD_NEVER_MS (INT64_C(24) * 3600 * 1000)

static int64_t
guard_window(const struct guard *guard)
{
	int64_t window_ms = guard->settings->write_timeout;

	return window_ms > 0 ? window_ms : GUARD_WINDOW_MS;
}

/* What min-rate wants of a window, in bytes. */
static uint64_t
guard_least(const struct guard *guard)
{
	uint64_t rate = (uint64_t)guard->settings->min_rate;
	uint64_t window_ms = (uint64_t)guard_window(guard);

	return rate / 1000 * window_ms + rate % 1000 * window_ms / 1000;
}

static int64_t
guard_sooner(int64_t next_ms, int64_t begin_ms, int64_t timeout_ms, int64_t now)
{
	int64_t left_ms = begin_ms + timeout_ms - now;

	return left_ms < next_ms ? left_ms : next_ms;
}

void
guard_init(
    struct guard *guard, const struct settings_guard *settings, int64_t now_ms)
{
	*guard = (struct guard){
		.settings = settings,
		.opened_ms = now_ms,
		.quiet_ms = now_ms,
		.first_ms = now_ms,
		.in_ms = -1,
	};
}

int64_t
guard_wake(const struct guard *guard)
{
	const struct settings_guard *settings = guard->settings;
	int64_t step_ms = guard_window(guard);

	if (settings->idle_timeout > 0 && settings->idle_timeout < step_ms)
		step_ms = settings->idle_timeout;
	if (settings->first_byte_timeout > 0 &&
	    settings->first_byte_timeout < step_ms)
		step_ms = settings->first_byte_timeout;
	if (settings->lifetime > 0 && settings->lifetime < step_ms)
		step_ms = settings->lifetime;
	step_ms /= GUARD_LOOKS;
	return step_ms > GUARD_LOOK_MIN ? step_ms : GUARD_LOOK_MIN;
}

/* Does the peer take what it is owed, and fast enough? */
static int
guard_is_stuck(struct guard *guard, const struct guard_look *look, int64_t now)
{
	int64_t limit_ms = look->closing ? guard_window(guard)
					 : guard->settings->write_timeout;
	size_t owed = look->unsent + look->queued;
	uint64_t taken = look->sent - look->queued, got;

	if (owed == 0 || look->slow_out || guard->out_owed == 0) {
		guard->stuck_ms = guard->out_ms = now;
		guard->taken = guard->out_taken = taken;
		guard->out_owed = look->slow_out ? 0 : owed;
		return 0;
	}
	if (taken != guard->taken) {
		guard->taken = taken;
		guard->stuck_ms = now;
	} else if (limit_ms > 0 && now - guard->stuck_ms >= limit_ms) {
		return 1;
	}
	got = taken - guard->out_taken;
	if (got < guard->out_owed && now - guard->out_ms < guard_window(guard))
		return 0;
	if (got < guard->out_owed && got < guard_least(guard))
		return 1;
	guard->out_ms = now;
	guard->out_taken = taken;
	guard->out_owed = owed;
	return 0;
}

static int
guard_is_incomplete(const struct guard_look *look)
{
	return (look->unread > 0 || look->partial) && look->waits &&
	       !look->slow_in;
}

/*
 * Does the rest of a message come fast enough? It is one that the handler has
 * left where it is, while it waits for nothing else.
 */
static int
guard_is_dripping(
    struct guard *guard, const struct guard_look *look, int64_t now)
{
	uint64_t consumed = look->received - look->unread;
	int incomplete = guard_is_incomplete(look);

	if (incomplete && guard->in_ms >= 0 && consumed == guard->in_consumed) {
		if (now - guard->in_ms < guard_window(guard))
			return 0;
		if (look->arrived - guard->in_arrived < guard_least(guard))
			return 1;
	}
	guard->in_ms = incomplete ? now : -1;
	guard->in_arrived = look->arrived;
	guard->in_consumed = consumed;
	return 0;
}

static int
guard_is_idle(struct guard *guard, const struct guard_look *look, int64_t now)
{
	const struct settings_guard *settings = guard->settings;
	int first = look->received == 0 && look->waits &&
		    look->unsent + look->queued == 0;

	if (guard->quiet_ms == now || !first)
		guard->first_ms = now;
	return (settings->idle_timeout > 0 &&
		   now - guard->quiet_ms >= settings->idle_timeout) ||
	       (settings->first_byte_timeout > 0 && first &&
		   now - guard->first_ms >= settings->first_byte_timeout);
}

static int64_t
guard_next(
    const struct guard *guard, const struct guard_look *look, int64_t now)
{
	const struct settings_guard *settings = guard->settings;
	int64_t next_ms = GUARD_NEVER_MS;

	if (settings->lifetime > 0)
		next_ms = guard_sooner(
		    next_ms, guard->opened_ms, settings->lifetime, now);
	if (settings->idle_timeout > 0 && !look->closing)
		next_ms = guard_sooner(
		    next_ms, guard->quiet_ms, settings->idle_timeout, now);
	if (settings->first_byte_timeout > 0 && !look->closing &&
	    look->received == 0)
		next_ms = guard_sooner(next_ms, guard->first_ms,
		    settings->first_byte_timeout, now);
	if (guard->out_owed > 0 &&
	    (settings->write_timeout > 0 || look->closing))
		next_ms = guard_sooner(
		    next_ms, guard->stuck_ms, guard_window(guard), now);
	if (guard->out_owed > 0)
		next_ms = guard_sooner(
		    next_ms, guard->out_ms, guard_window(guard), now);
	if (guard->in_ms >= 0)
		next_ms = guard_sooner(
		    next_ms, guard->in_ms, guard_window(guard), now);
	return next_ms > 1 ? next_ms : 1;
}

int64_t
guard_check(struct guard *guard, const struct guard_look *look, int64_t now_ms,
    enum bevhost_reason *reason, int *asleep)
{
	int64_t lifetime_ms = guard->settings->lifetime, next_ms, step_ms;
	uint64_t moved = look->arrived + 2 * look->sent - look->queued;
	int stirs = moved != guard->moved;

	guard->moved = moved;
	if (stirs || look->slow_in || look->slow_out)
		guard->quiet_ms = now_ms;
	*reason = BEVHOST_REASON_NONE;
	if (lifetime_ms > 0 && now_ms - guard->opened_ms >= lifetime_ms)
		*reason = BEVHOST_REASON_LIFETIME;
	else if (guard_is_stuck(guard, look, now_ms) ||
		 (!look->closing && guard_is_dripping(guard, look, now_ms)))
		*reason = BEVHOST_REASON_SLOW;
	else if (!look->closing && guard_is_idle(guard, look, now_ms))
		*reason = BEVHOST_REASON_IDLE;
	if (*reason != BEVHOST_REASON_NONE)
		return -1;
	next_ms = guard_next(guard, look, now_ms);
	step_ms = guard_wake(guard);
	*asleep = !stirs && look->unread == 0 && !look->partial &&
		  !look->slow_in && !look->slow_out &&
		  look->unsent + look->queued == 0;
	return *asleep || next_ms < step_ms ? next_ms : step_ms;
}
