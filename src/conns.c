/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done to all connections of a worker. None of it frees one that has a
 * handler: that happens in the loop's turn.
 */
#include "conns.h"

#include <assert.h>
#include <stdlib.h>

#include "conn.h"
#include "conns_relief.h"

struct conns *
conns_new(struct event_base *base, void (*on_gone)(void *arg), void *arg)
{
	struct conns *conns = calloc(1, sizeof(*conns));

	if (conns == NULL)
		return NULL;
	TAILQ_INIT(&conns->conns);
	conns->on_gone = on_gone;
	conns->arg = arg;
	conns->counters = &conns->own;
	if (conn_loop_init(conns, base) == 0)
		return conns;
	free(conns);
	return NULL;
}

void
conns_free(struct conns *conns)
{
	if (conns == NULL)
		return;
	assert(conns->count == 0);
	conns_relief_stop(conns);
	flow_loop_clear(&conns->loop);
	free(conns);
}

void
conns_count_in(struct conns *conns, struct counters *counters)
{
	conns->counters = counters;
}

void
conns_watch(struct conns *conns,
    void (*on_closed)(uint64_t id, enum bevhost_reason reason))
{
	conns->on_closed = on_closed;
}

uint64_t
conns_newest_id(const struct conns *conns)
{
	return conns->last_id;
}

size_t
conns_count(const struct conns *conns)
{
	return conns->count;
}

struct event_base *
conns_base(const struct conns *conns)
{
	return conns->loop.base;
}

uint64_t
conns_last_id(const struct conns *conns, int64_t before_ms)
{
	const struct bevhost_conn *conn;

	/* In the order of their ids. */
	TAILQ_FOREACH_REVERSE(conn, &conns->conns, conn_list, entry)
	if ((int64_t)conn->born_ms < before_ms)
		return conn->id;
	return 0;
}

void
conns_accept(struct conns *conns, struct bevhost_instance *instance,
    struct limit_log *limits, int fd, const struct sockaddr *peer,
    socklen_t peer_len)
{
	conn_accept(conns, instance, limits, fd, peer, peer_len);
}

void
conns_hurry(struct conns *conns)
{
	flow_loop_drain(&conns->loop);
}

static size_t
conns_waiting(const struct conns *conns)
{
	const struct bevhost_conn *conn;
	size_t count = 0;

	TAILQ_FOREACH (conn, &conns->conns, entry)
		count += conn->state <= CONN_OPEN && !conn->due;
	return count;
}

size_t
conns_begin_turns(struct conns *conns)
{
	struct bevhost_conn *conn;

	TAILQ_FOREACH (conn, &conns->conns, entry)
		conn->due = 0;
	return conns_waiting(conns);
}

static void
conns_sweep_one(struct bevhost_conn *conn, enum conns_sweep how)
{
	if (how != CONNS_CLOSE_EVEN)
		conn_ask(conn);
	if (how == CONNS_ASK || (how == CONNS_CLOSE && conn->asked))
		return;
	if (conn_is_idle(conn))
		conn_close(conn, BEVHOST_CLOSE_FLUSH, BEVHOST_REASON_DRAIN);
}

size_t
conns_sweep(
    struct conns *conns, enum conns_sweep how, size_t leave, uint64_t last)
{
	size_t waiting = conns_waiting(conns);
	struct bevhost_conn *conn, *next;

	for (conn = TAILQ_FIRST(&conns->conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, entry);
		if (conn->state == CONN_NEW && conn->id <= last &&
		    how != CONNS_ASK) {
			conn_close(
			    conn, BEVHOST_CLOSE_NOW, BEVHOST_REASON_DRAIN);
			waiting--;
			continue;
		}
		if (conn->state != CONN_OPEN)
			continue;
		if (!conn->due && waiting > leave &&
		    (conn->id <= last || conn->flow.heard)) {
			conn->due = 1;
			waiting--;
		}
		if (conn->due)
			conns_sweep_one(conn, how);
	}
	return waiting;
}

void
conns_cut(struct conns *conns)
{
	struct bevhost_conn *conn, *next;

	/* Those without a handler are gone at once. */
	for (conn = TAILQ_FIRST(&conns->conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, entry);
		conn_close(conn, BEVHOST_CLOSE_NOW, BEVHOST_REASON_DRAIN);
	}
}
