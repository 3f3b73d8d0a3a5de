/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flows keep a sum of what they hold, files and all, at the cost of an
 * addition. When it is high, and until it is low again, all connections are
 * looked at ten times a second. The greediest are found without a list of them:
 * each connection belongs to a class, those that hold up to twice as much as
 * each other, and the highest classes come first.
 */
#include "conns_relief.h"

#include <stdlib.h>

#include <event2/event.h>

#include "clock.h"
#include "conn.h"
#include "conn_guard.h"
#include "flow_host.h"
#include "log.h"

#define CONNS_RELIEF_TICK_MS 100
#define CONNS_RELIEF_LOG_MS  1000
#define CONNS_RELIEF_CLASSES 65
/* With more than such a part of the limit it is looked at anew at once. */
#define CONNS_RELIEF_PART 64

struct conns_relief {
	struct conns *conns;
	struct event *tick;
	size_t max;
	int waiting; /* there are connections that are not read from */
	/* At the last look: what there was, and what the loop took it for. */
	size_t total, held;
	int64_t said_ms;
	size_t closed_unsaid;
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
conns_relief_count(struct conns *conns, struct conns_relief_sum *sum)
{
	struct bevhost_conn *conn;

	*sum = (struct conns_relief_sum){ 0 };
	TAILQ_FOREACH (conn, &conns->conns, entry) {
		size_t bytes = conn_memory(conn);

		sum->total += bytes;
		sum->class[conns_relief_class(bytes)] += bytes;
	}
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

static void
conns_relief_close(struct conns_relief *relief, struct conns_relief_sum *sum)
{
	int class = conns_relief_greedy(sum, sum->total - relief->max);
	struct bevhost_conn *conn;

	for (; class > 0 && sum->total > relief->max; class --) {
		TAILQ_FOREACH (conn, &relief->conns->conns, entry) {
			size_t bytes = conn_memory(conn);

			if (sum->total <= relief->max)
				break;
			if (conns_relief_class(bytes) < class ||
			    conn->flow.dead)
				continue;
			sum->total -= bytes;
			relief->closed_unsaid++;
			conn_abort(conn, BEVHOST_REASON_OVERLOAD);
		}
	}
}

/* Returns how many are not read from now. */
static size_t
conns_relief_pause(struct conns_relief *relief, struct conns_relief_sum *sum)
{
	int class = conns_relief_greedy(sum, sum->total / 2);
	struct bevhost_conn *conn;
	size_t count = 0;

	TAILQ_FOREACH (conn, &relief->conns->conns, entry) {
		if (conn->state == CONN_OPEN &&
		    conns_relief_class(conn_memory(conn)) >= class)
			flow_set_scarce(&conn->flow, 1);
		count += conn->state == CONN_OPEN && conn->flow.scarce;
	}
	return count;
}

static void
conns_relief_resume(struct conns_relief *relief)
{
	struct bevhost_conn *conn;

	TAILQ_FOREACH (conn, &relief->conns->conns, entry)
		if (conn->state == CONN_OPEN)
			flow_set_scarce(&conn->flow, 0);
}

static void
conns_relief_say(struct conns_relief *relief, size_t total, size_t paused)
{
	int64_t now = clock_ms();

	if (relief->said_ms != 0 && now - relief->said_ms < CONNS_RELIEF_LOG_MS)
		return;
	relief->said_ms = now;
	log_write(BEVHOST_LOG_WARNING, NULL,
	    "buffers hold %zu KiB of the %zu KiB of max-memory: %zu of %zu "
	    "connections are not read from, %zu were closed for overload",
	    total >> 10, relief->max >> 10, paused, relief->conns->count,
	    relief->closed_unsaid);
	relief->closed_unsaid = 0;
}

static void
conns_relief_on_tick(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval tick = { .tv_usec =
						 CONNS_RELIEF_TICK_MS * 1000 };
	struct conns_relief *relief = arg;
	struct conns_relief_sum sum;
	size_t total, tenth = relief->max / 10;

	(void)fd;
	(void)what;
	relief->conns->loop.crowded = 0;
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
	if (relief->waiting || relief->conns->loop.held > 9 * tenth)
		event_add(relief->tick, &tick);
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
	    relief->total + more > relief->max)
		loop->crowded = event_add(relief->tick, &now) == 0;
	else if (!event_pending(relief->tick, EV_TIMEOUT, NULL))
		event_add(relief->tick, &now);
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
	conns->loop.held_max = relief->max / 10 * 9;
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
