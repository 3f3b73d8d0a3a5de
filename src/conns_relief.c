/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flows keep a sum of what they hold, files and all, at the cost of an
 * addition. Bytes may take twice their memory: from half of the limit on all
 * connections are looked at each second, and before the sum has grown by half
 * of what is left; when little is, ten times a second. The greediest are found
 * without a list of them: each connection belongs to a class, those that hold
 * up to twice as much as each other, and the highest classes come first. What
 * was opened from here and is no connection's, or no more, is looked at as if
 * it were one.
 */
#include "conns_relief.h"

#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "clock.h"
#include "conn.h"
#include "conn_guard.h"
#include "flow_host.h"
#include "log.h"
#include "outbound_host.h"

#define CONNS_RELIEF_TICK_MS 100
#define CONNS_RELIEF_IDLE_MS 1000
#define CONNS_RELIEF_LOG_MS  1000
#define CONNS_RELIEF_CLASSES 65
/* With more than such a part of the limit it is looked at anew at once. */
#define CONNS_RELIEF_PART 64

struct conns_relief {
	struct conns *conns;
	struct event *tick;
	size_t max;
	int waiting; /* there are connections that are not read from */
	int due;     /* the tick was called for */
	/* At the last look: what there was, and what the loop took it for. */
	size_t total, held;
	int64_t said_ms;
	size_t closed_unsaid, dropped_unsaid;
};

/* What the connections of each class hold. */
struct conns_relief_sum {
	size_t total, class[CONNS_RELIEF_CLASSES];
};

static int
conns_relief_class(size_t bytes)
{
	return bytes == 0 ? 0 : 64 - __builtin_clzll(bytes);
}

static void
conns_relief_add(struct conns_relief_sum *sum, size_t bytes)
{
	sum->total += bytes;
	sum->class[conns_relief_class(bytes)] += bytes;
}

static void
conns_relief_count(struct conns *conns, struct conns_relief_sum *sum)
{
	struct bevhost_conn *conn;
	struct outbound *outbound;

	*sum = (struct conns_relief_sum){ 0 };
	TAILQ_FOREACH (conn, &conns->conns, entry)
		conns_relief_add(sum, conn_memory(conn));
	for (outbound = outbound_loop_first(); outbound != NULL;
	     outbound = outbound_next(outbound))
		conns_relief_add(sum, outbound_memory(outbound));
}

/* The class from which upward they hold so much together. */
static int
conns_relief_greedy(const struct conns_relief_sum *sum, size_t bytes)
{
	size_t together = 0;
	int class;

	for (class = CONNS_RELIEF_CLASSES - 1; class > 1; class --) {
		together += sum->class[class];
		if (together >= bytes)
			break;
	}
	return class;
}

/* Those of a class, or a higher one, until there is enough. */
static void
conns_relief_close_class(
    struct conns_relief *relief, struct conns_relief_sum *sum, int class)
{
	struct bevhost_conn *conn;

	TAILQ_FOREACH (conn, &relief->conns->conns, entry) {
		size_t bytes = conn_memory(conn);

		if (sum->total <= relief->max)
			break;
		if (conns_relief_class(bytes) < class || conn->flow.dead)
			continue;
		sum->total -= bytes;
		relief->closed_unsaid++;
		conn_drop(conn);
	}
}

/* The same. */
static void
conns_relief_drop_class(
    struct conns_relief *relief, struct conns_relief_sum *sum, int class)
{
	struct outbound *outbound;

	for (outbound = outbound_loop_first(); outbound != NULL;
	     outbound = outbound_next(outbound)) {
		size_t bytes = outbound_memory(outbound);

		if (sum->total <= relief->max)
			break;
		if (conns_relief_class(bytes) < class ||
		    outbound_drop(outbound) < 0)
			continue;
		sum->total -= bytes;
		relief->dropped_unsaid++;
	}
}

static void
conns_relief_close(struct conns_relief *relief, struct conns_relief_sum *sum)
{
	int class = conns_relief_greedy(sum, sum->total - relief->max);

	for (; class > 0 && sum->total > relief->max; class --) {
		conns_relief_drop_class(relief, sum, class);
		conns_relief_close_class(relief, sum, class);
	}
}

static void
conns_relief_set_scarce(struct bevhost_conn *conn, int scarce)
{
	struct outbound *outbound;

	flow_set_scarce(&conn->flow, scarce);
	for (outbound = conn->outflows; outbound != NULL;
	     outbound = outbound_next(outbound))
		outbound_set_scarce(outbound, scarce);
}

/* Returns how many are not read from now. */
static size_t
conns_relief_pause(struct conns_relief *relief, struct conns_relief_sum *sum)
{
	int class = conns_relief_greedy(sum, sum->total / 2);
	struct bevhost_conn *conn;
	struct outbound *outbound;
	size_t count = 0;

	for (outbound = outbound_loop_first(); outbound != NULL;
	     outbound = outbound_next(outbound))
		if (conns_relief_class(outbound_memory(outbound)) >= class)
			outbound_set_scarce(outbound, 1);
	TAILQ_FOREACH (conn, &relief->conns->conns, entry) {
		if (conn->state == CONN_OPEN &&
		    conns_relief_class(conn_memory(conn)) >= class)
			conns_relief_set_scarce(conn, 1);
		count += conn->state == CONN_OPEN && conn->flow.scarce;
	}
	return count;
}

static void
conns_relief_resume(struct conns_relief *relief)
{
	struct bevhost_conn *conn;
	struct outbound *outbound;

	TAILQ_FOREACH (conn, &relief->conns->conns, entry)
		if (conn->state == CONN_OPEN)
			conns_relief_set_scarce(conn, 0);
	for (outbound = outbound_loop_first(); outbound != NULL;
	     outbound = outbound_next(outbound))
		outbound_set_scarce(outbound, 0);
}

static void
conns_relief_say(struct conns_relief *relief, size_t total, size_t paused)
{
	int64_t now = clock_ms();
	char dropped[64] = "";

	if (relief->said_ms != 0 && now - relief->said_ms < CONNS_RELIEF_LOG_MS)
		return;
	relief->said_ms = now;
	if (relief->dropped_unsaid > 0)
		snprintf(dropped, sizeof(dropped),
		    ", and %zu outbound ones of no connection",
		    relief->dropped_unsaid);
	log_write(BEVHOST_LOG_WARNING, NULL,
	    "buffers hold %zu KiB of the %zu KiB of max-memory: %zu of %zu "
	    "connections are not read from, %zu were closed for overload%s",
	    total >> 10, relief->max >> 10, paused, relief->conns->count,
	    relief->closed_unsaid, dropped);
	relief->closed_unsaid = relief->dropped_unsaid = 0;
}

static size_t
conns_relief_enough(const struct conns_relief *relief)
{
	return relief->max / 10 * 9;
}

/* Ten times a second it is looked at what there is. */
static int
conns_relief_is_busy(const struct conns_relief *relief)
{
	return relief->waiting || relief->total > conns_relief_enough(relief);
}

/* When to look again, and from which sum on at once. */
static void
conns_relief_set_tick(struct conns_relief *relief)
{
	const size_t enough = conns_relief_enough(relief);
	struct flow_loop *loop = &relief->conns->loop;
	int busy = conns_relief_is_busy(relief);
	int ms = busy ? CONNS_RELIEF_TICK_MS : CONNS_RELIEF_IDLE_MS;
	const struct timeval tick = {
		.tv_sec = ms / 1000,
		.tv_usec = ms % 1000 * 1000,
	};

	loop->held_max = enough / 2;
	if (!busy && relief->held <= loop->held_max)
		return;
	loop->held_max = relief->held;
	if (relief->total < enough)
		loop->held_max += (enough - relief->total) / 2;
	event_add(relief->tick, &tick);
}

static void
conns_relief_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct conns_relief *relief = arg;
	struct conns_relief_sum sum;
	size_t total, tenth = relief->max / 10;

	(void)fd;
	(void)what;
	relief->conns->loop.crowded = 0;
	relief->due = 0;
	conns_relief_count(relief->conns, &sum);
	total = sum.total;
	if (total > relief->max)
		conns_relief_close(relief, &sum);
	if (total > 9 * tenth) {
		relief->waiting = 1;
		conns_relief_say(
		    relief, total, conns_relief_pause(relief, &sum));
	} else if (relief->waiting && total < 8 * tenth) {
		relief->waiting = 0;
		conns_relief_resume(relief);
	}
	relief->total = sum.total;
	/* What was closed is still counted there. */
	relief->held = relief->conns->loop.held - (total - sum.total);
	conns_relief_set_tick(relief);
}

void
conns_relief_on_full(struct flow_loop *loop)
{
	static const struct timeval now = { 0 };
	struct conns_relief *relief = ((struct conns *)loop)->relief;
	size_t more = loop->held > relief->held ? loop->held - relief->held : 0;

	if (loop->crowded)
		return;
	/* Those that wait to be read in the same turn would make it worse. */
	if (more > relief->max / CONNS_RELIEF_PART &&
	    relief->total + 2 * more > relief->max)
		loop->crowded = event_add(relief->tick, &now) == 0;
	else if (!relief->due && !conns_relief_is_busy(relief))
		relief->due = event_add(relief->tick, &now) == 0;
}

int
conns_relief_start(struct conns *conns, int64_t bytes)
{
	struct conns_relief *relief;

	if (bytes <= 0)
		return 0;
	relief = calloc(1, sizeof(*relief));
	if (relief == NULL)
		return -1;
	relief->conns = conns;
	relief->max = (size_t)bytes;
	relief->tick =
	    evtimer_new(conns->loop.base, conns_relief_on_tick, relief);
	if (relief->tick == NULL) {
		free(relief);
		return -1;
	}
	conns->relief = relief;
	outbound_loop_count_in(&conns->loop);
	conns_relief_set_tick(relief);
	return 0;
}

void
conns_relief_stop(struct conns *conns)
{
	if (conns->relief == NULL)
		return;
	event_free(conns->relief->tick);
	free(conns->relief);
	conns->relief = NULL;
	conns->loop.held_max = SIZE_MAX;
}
