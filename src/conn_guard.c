/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done to a connection whose flow is too slow, or holds too much.
 */
#include "conn_guard.h"

#include "conn_own.h"
#include "conns_relief.h"
#include "flow_host.h"
#include "seldom.h"

#define CONN_GUARD_LOG_MS 1000

static void
conn_guard_say_overflow(const struct bevhost_conn *conn)
{
	static struct seldom said;
	char more[SELDOM_MORE_SIZE];

	if (!seldom_may(&said, CONN_GUARD_LOG_MS, more))
		return;
	conn_say(conn, BEVHOST_LOG_NOTICE,
	    "more than eight times max-buffer was written and is not taken: "
	    "closed",
	    more);
}

void
conn_abort(struct bevhost_conn *conn, enum bevhost_reason reason)
{
	flow_abort(&conn->flow);
	conn_close(conn, BEVHOST_CLOSE_NOW, reason);
}

size_t
conn_memory(struct bevhost_conn *conn)
{
	return conn->flow.bev != NULL ? flow_memory(&conn->flow) : 0;
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
	conn_guard_say_overflow(conn);
	conn_abort(conn, BEVHOST_REASON_OVERLOAD);
}

static void
conn_guard_on_strike(struct flow *flow, enum bevhost_reason reason)
{
	struct bevhost_conn *conn = (struct bevhost_conn *)flow;

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

	conns->loop.host = &host;
}
