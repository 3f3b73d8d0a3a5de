/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done to a connection whose flow is too slow, or holds too much.
 */
#include "conn_guard.h"

#include <stdio.h>

#include "conn_own.h"
#include "conns_relief.h"
#include "flow_host.h"
#include "outbound_host.h"
#include "seldom.h"

#define CONN_GUARD_LOG_MS 1000

static void
conn_guard_say_overflow(const struct bevhost_conn *conn, const char *whose)
{
	static struct seldom said;
	char more[SELDOM_MORE_SIZE], text[128];

	if (!seldom_may(&said, CONN_GUARD_LOG_MS, more))
		return;
	snprintf(text, sizeof(text),
	    "more than eight times max-buffer was written%s and is not taken: "
	    "closed",
	    whose);
	conn_say(conn, BEVHOST_LOG_NOTICE, text, more);
}

/* A message that is too long: its peer is not slow, nor idle. */
static void
conn_guard_say_full(const struct bevhost_conn *conn)
{
	static struct seldom said;
	char more[SELDOM_MORE_SIZE], text[160];

	if (!seldom_may(&said, CONN_GUARD_LOG_MS, more))
		return;
	snprintf(text, sizeof(text),
	    "sent a message longer than max-buffer (%zu bytes), which never "
	    "becomes complete: closed",
	    conn->flow.max_input);
	conn_say(conn, BEVHOST_LOG_NOTICE, text, more);
}

void
conn_abort(struct bevhost_conn *conn, enum bevhost_reason reason)
{
	flow_abort(&conn->flow);
	conn_close(conn, BEVHOST_CLOSE_NOW, reason);
}

void
conn_drop(struct bevhost_conn *conn)
{
	struct outbound *outbound;

	for (outbound = conn->outflows; outbound != NULL;
	     outbound = outbound_next(outbound))
		(void)outbound_drop(outbound);
	conn_abort(conn, BEVHOST_REASON_OVERLOAD);
}

size_t
conn_memory(struct bevhost_conn *conn)
{
	size_t bytes = conn->flow.bev != NULL ? flow_memory(&conn->flow) : 0;
	struct outbound *outbound;

	for (outbound = conn->outflows; outbound != NULL;
	     outbound = outbound_next(outbound))
		bytes += outbound_memory(outbound);
	return bytes;
}

static void
conn_guard_on_dry_run(struct flow *flow, const char *name)
{
	conn_say_slow((struct bevhost_conn *)flow, name);
}

static void
conn_guard_on_overflow(struct flow *flow)
{
	struct bevhost_conn *conn = (struct bevhost_conn *)flow;

	if (conn->state != CONN_OPEN)
		return;
	conn_guard_say_overflow(conn, "");
	conn_abort(conn, BEVHOST_REASON_OVERLOAD);
}

static void
conn_guard_on_outbound_overflow(struct bevhost_conn *conn)
{
	if (conn->state != CONN_OPEN)
		return;
	conn_guard_say_overflow(conn, " to an outbound connection");
	conn_drop(conn);
}

static struct outbound **
conn_guard_outflows(struct bevhost_conn *conn)
{
	return conn->state == CONN_OPEN ? &conn->outflows : NULL;
}

static void
conn_guard_on_strike(struct flow *flow, enum bevhost_reason reason)
{
	struct bevhost_conn *conn = (struct bevhost_conn *)flow;

	if ((reason == BEVHOST_REASON_SLOW || reason == BEVHOST_REASON_IDLE) &&
	    conn_waits(conn) && flow_is_full(flow)) {
		conn_guard_say_full(conn);
		conn_abort(conn, BEVHOST_REASON_OVERLOAD);
		return;
	}
	if (reason == BEVHOST_REASON_SLOW)
		conn_abort(conn, reason);
	else if (reason == BEVHOST_REASON_IDLE && flow_owed(&conn->flow) == 0)
		conn_close(conn, BEVHOST_CLOSE_FLUSH, reason);
	else
		conn_close(conn, BEVHOST_CLOSE_NOW, reason);
}

static int
conn_guard_waits(struct flow *flow)
{
	return conn_waits((struct bevhost_conn *)flow);
}

void
conn_guard_init(struct conns *conns)
{
	static const struct flow_host host = {
		.strike = conn_guard_on_strike,
		.waits = conn_guard_waits,
		.overflow = conn_guard_on_overflow,
		.dry_run = conn_guard_on_dry_run,
		.full = conns_relief_on_full,
	};
	static const struct outbound_host outbound_host = {
		.list_of = conn_guard_outflows,
		.overflow = conn_guard_on_outbound_overflow,
	};

	conns->loop.host = &host;
	outbound_set_host(&outbound_host);
}
