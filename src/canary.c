/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each worker that serves is connected with one of the new generation, and
 * passes on what it is told to. How the new ones fare is read in their counters
 * a few times a second; that one of them dies is noticed by their generation.
 */
#include "canary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include <bevhost/reason.h>

#include "clock.h"
#include "generations_own.h"
#include "log.h"
#include "stats.h"

#define CANARY_LOOK_MS	 250
#define CANARY_CONNS_MIN 20 /* fewer than that show no rate */

struct canary {
	struct generations *generations;
	struct event *look;
	int64_t until_ms;
};

/* A worker of the new generation for one of the old, or NULL. */
static struct slot *
canary_partner(const struct generation *next, const struct slot *old)
{
	struct slot *slot = NULL;
	int i, place = 0;

	for (i = 0; i < next->slot_count; i++) {
		if (strcmp(next->slots[i].worker_group, old->worker_group) != 0)
			continue;
		if (place++ == old->index % next->slots[i].of)
			slot = &next->slots[i];
	}
	return slot;
}

/* What cannot be connected gives nothing. */
static int
canary_connect(struct slot *old, struct slot *new, int64_t percent)
{
	int pair[2], status;

	if (ipc_pair(pair) < 0)
		return -1;
	status = slot_send(new, IPC_TAKE, 0, 0, pair[0]);
	if (status == 0)
		status = slot_send(old, IPC_SHARE, percent, 0, pair[1]);
	close(pair[0]);
	close(pair[1]);
	return status;
}

static int
canary_connect_all(
    struct generation *serving, struct generation *next, int64_t percent)
{
	struct slot *partner;
	int i, count = 0;

	for (i = 0; i < serving->slot_count; i++) {
		partner = canary_partner(next, &serving->slots[i]);
		if (serving->slots[i].state == SLOT_SERVING &&
		    partner != NULL &&
		    canary_connect(&serving->slots[i], partner, percent) == 0)
			count++;
	}
	return count;
}

static void
canary_end_shares(struct generation *serving)
{
	int i;

	for (i = 0; i < serving->slot_count; i++)
		if (serving->slots[i].state == SLOT_SERVING)
			slot_send(&serving->slots[i], IPC_SHARE, 0, 0, -1);
}

/* Of all its workers. */
static void
canary_count(const struct generation *next, uint64_t *closed, uint64_t *failed)
{
	const struct counters *counters;
	int i, reason;

	*closed = *failed = 0;
	for (i = 0; i < next->slot_count; i++) {
		if (next->slots[i].share < 0)
			continue;
		counters =
		    &next->host->slots.stats->shares[next->slots[i].share]
			 .counters;
		for (reason = 0; reason < COUNTERS_REASONS; reason++)
			*closed += counters->closed[reason];
		*failed += counters->closed[BEVHOST_REASON_ERROR] +
			   counters->closed[BEVHOST_REASON_OVERLOAD];
	}
}

static void
canary_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct canary *canary = arg;
	struct generations *generations = canary->generations;
	const struct generation *next = generations->next;
	uint64_t closed, failed;
	char why[160];

	(void)fd;
	(void)what;
	canary_count(next, &closed, &failed);
	if (closed >= CANARY_CONNS_MIN &&
	    failed * 100 > (uint64_t)next->settings.canary_errors * closed) {
		snprintf(why, sizeof(why),
		    "the canary is taken back: %ju of its %ju connections "
		    "failed, more than the %jd %% of reload-canary",
		    (uintmax_t)failed, (uintmax_t)closed,
		    (intmax_t)next->settings.canary_errors);
		log_write(BEVHOST_LOG_ERROR, NULL, "generation %d: %s",
		    next->number, why);
		generations_fail_canary(generations, EX_SOFTWARE, why);
	} else if (clock_ms() >= canary->until_ms) {
		log_write(BEVHOST_LOG_NOTICE, NULL,
		    "generation %d: the canary did well: %ju connections, %ju "
		    "failed",
		    next->number, (uintmax_t)closed, (uintmax_t)failed);
		generations_promote(generations);
	}
}

static int
canary_init(struct canary *canary, struct generations *generations)
{
	const struct timeval often = { .tv_usec = CANARY_LOOK_MS * 1000 };

	canary->generations = generations;
	canary->until_ms = clock_ms() + generations->next->settings.canary_time;
	canary->look = event_new(generations->host.slots.base, -1, EV_PERSIST,
	    canary_on_look, canary);
	return canary->look != NULL ? event_add(canary->look, &often) : -1;
}

int
canary_start(struct canary **canary, struct generations *generations)
{
	struct generation *next = generations->next;
	int64_t percent = next->settings.canary_percent;
	int i;

	*canary = calloc(1, sizeof(**canary));
	if (*canary == NULL || canary_init(*canary, generations) < 0 ||
	    canary_connect_all(generations->serving, next, percent) == 0) {
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "generation %d: no worker can share with it: no canary",
		    next->number);
		canary_stop(canary);
		return -1;
	}
	next->state = GENERATION_CANARY;
	if (next->timer != NULL)
		event_del(next->timer);
	for (i = 0; i < next->slot_count; i++)
		if (next->slots[i].state == SLOT_READY)
			next->slots[i].state = SLOT_SERVING;
	log_write(BEVHOST_LOG_NOTICE, NULL,
	    "generation %d: tried with %d %% of the new connections for %g s",
	    next->number, (int)percent,
	    (double)next->settings.canary_time / 1000);
	return 0;
}

void
canary_stop(struct canary **canary)
{
	struct canary *this = *canary;

	if (this == NULL)
		return;
	*canary = NULL;
	if (this->generations->serving != NULL)
		canary_end_shares(this->generations->serving);
	if (this->look != NULL)
		event_free(this->look);
	free(this);
}
