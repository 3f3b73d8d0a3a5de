/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each loop writes down when it came round last; here it is compared with the
 * clock. A worker that does not answer TERM cannot be asked: it is made to
 * abort, so that it leaves a report and a core, and killed when even that does
 * not end it.
 */
#include "watch.h"

#include <event2/event.h>

#include "clock.h"
#include "crash_note.h"
#include "generations_own.h"
#include "log.h"
#include "notify.h"
#include "stats.h"

#define WATCH_LOOK_MS  100
#define WATCH_BEAT_MS  250  /* a loop that runs is so late at most */
#define WATCH_ABORT_MS 2000 /* for a report and a core */

/* How long its loop has not come round, beyond what is usual. */
static int64_t
watch_stall_ms(const struct slot *slot)
{
	int64_t beat, ms;

	if (slot->share < 0 ||
	    (slot->state != SLOT_SERVING && slot->state != SLOT_ENDING))
		return 0;
	beat = slot->host->stats->shares[slot->share].heartbeat_ms;
	if (beat == 0)
		return 0;
	ms = clock_ms() - beat - WATCH_BEAT_MS;
	return ms > 0 ? ms : 0;
}

static void
watch_warn(struct slot *slot, int64_t ms)
{
	if (slot->stall_said_ms != 0)
		return;
	slot->stall_said_ms = clock_ms();
	log_write(BEVHOST_LOG_WARNING, slot->name,
	    "process %d: its loop has stood still for %g s", (int)slot->pid,
	    (double)(ms / 100) / 10);
	slot_kill(slot, CRASH_STALL_SIGNAL);
}

static void
watch_kill(struct slot *slot, int64_t ms, int64_t limit)
{
	if (!slot->stall_killed) {
		log_write(BEVHOST_LOG_ERROR, slot->name,
		    "process %d: its loop has stood still for %g s "
		    "(stall-kill): ending it",
		    (int)slot->pid, (double)(ms / 100) / 10);
		slot->stall_killed = 1;
		slot_kill(slot, SIGABRT);
	} else if (ms > limit + WATCH_ABORT_MS) {
		slot_kill(slot, SIGKILL);
	}
}

/* A replacement that hangs while it starts is none: its end brings another. */
static void
watch_start_of(const struct generation *generation, struct slot *slot)
{
	int64_t limit = generation->settings.start_timeout;
	int64_t ms = clock_ms() - slot->started_ms;

	if (generation->state != GENERATION_SERVING ||
	    slot->state != SLOT_STARTING || ms < limit)
		return;
	if (!slot->stall_killed) {
		log_write(BEVHOST_LOG_ERROR, slot->name,
		    "process %d was not ready within start-timeout (%g s): "
		    "ending it",
		    (int)slot->pid, (double)limit / 1000);
		slot->stall_killed = 1;
		slot_kill(slot, SIGABRT);
	} else if (ms > limit + WATCH_ABORT_MS) {
		slot_kill(slot, SIGKILL);
	}
}

static void
watch_slot(const struct generation *generation, struct slot *slot)
{
	const struct settings *settings = &generation->settings;
	int64_t ms = watch_stall_ms(slot);

	if (ms == 0 && slot->stall_said_ms != 0) {
		log_write(BEVHOST_LOG_NOTICE, slot->name,
		    "process %d: its loop goes on", (int)slot->pid);
		slot->stall_said_ms = 0;
	}
	if (settings->stall_warn > 0 && ms >= settings->stall_warn)
		watch_warn(slot, ms);
	if (settings->stall_kill > 0 && ms >= settings->stall_kill)
		watch_kill(slot, ms, settings->stall_kill);
	watch_start_of(generation, slot);
}

/* Does every worker that serves come round within this time? */
static int
watch_all_beat(const struct generation *serving, int64_t ms)
{
	int i;

	for (i = 0; serving != NULL && i < serving->slot_count; i++)
		if (watch_stall_ms(&serving->slots[i]) >= ms)
			return 0;
	return 1;
}

static void
watch_tell_manager(struct watch *watch)
{
	int64_t within = notify_watchdog_ms(), now = clock_ms();

	if (within == 0 || now - watch->told_ms < within / 4 ||
	    !watch_all_beat(watch->generations->serving, within / 2))
		return;
	watch->told_ms = now;
	notify_send("WATCHDOG=1");
}

static void
watch_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	struct generation *generation;
	int i;

	(void)fd;
	(void)what;
	TAILQ_FOREACH (generation, &watch->generations->list, entry)
		for (i = 0; i < generation->slot_count; i++)
			watch_slot(generation, &generation->slots[i]);
	watch_tell_manager(watch);
}

int
watch_start(struct watch *watch, struct event_base *base,
    struct generations *generations)
{
	const struct timeval often = { .tv_usec = WATCH_LOOK_MS * 1000 };

	watch->generations = generations;
	watch->told_ms = 0;
	watch->look = event_new(base, -1, EV_PERSIST, watch_on_look, watch);
	return watch->look != NULL ? event_add(watch->look, &often) : -1;
}

void
watch_stop(struct watch *watch)
{
	if (watch->look != NULL)
		event_free(watch->look);
	watch->look = NULL;
}
