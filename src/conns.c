/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done to all connections of a worker. None of it frees one: that
 * happens in the loop's turn.
 */
#include "conns.h"

#include <assert.h>
#include <stdlib.h>

#include "conn.h"

struct conns *
conns_new(struct event_base *base, void (*on_gone)(void *arg), void *arg)
{
	struct conns *conns = calloc(1, sizeof(*conns));

	if (conns == NULL)
		return NULL;
	TAILQ_INIT(&conns->conns);
	conns->on_gone = on_gone;
	conns->arg = arg;
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
	flow_loop_clear(&conns->loop);
	free(conns);
}

size_t
conns_count(const struct conns *conns)
{
	return conns->count;
}

void
conns_drain(struct conns *conns)
{
	struct bevhost_conn *conn;

	flow_loop_drain(&conns->loop);
	TAILQ_FOREACH (conn, &conns->conns, entry)
		conn_drain(conn);
}

void
conns_cut(struct conns *conns)
{
	struct bevhost_conn *conn;

	TAILQ_FOREACH (conn, &conns->conns, entry)
		conn_close(conn, BEVHOST_CLOSE_NOW, BEVHOST_REASON_DRAIN);
}
