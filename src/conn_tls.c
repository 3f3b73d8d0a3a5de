/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last part of the approach: the TLS handshake, when the listener speaks
 * TLS. The stream that it ends in is the transport of the flow.
 */
#include "conn_tls.h"

#include <stdio.h>

#include "approach.h"
#include "conn_own.h"
#include "seldom.h"
#include "step_tls.h"
#include "tls.h"
#include "tls_stream.h"

#define CONN_SAY_TLS_MS 1000

/* Of all connections of the process: in a second one line is enough. */
static void
conn_say_tls(const struct bevhost_conn *conn, const char *why)
{
	static struct seldom seldom;
	char more[SELDOM_MORE_SIZE], text[320];

	if (!seldom_may(&seldom, CONN_SAY_TLS_MS, more)) {
		conn_say(conn, BEVHOST_LOG_INFO, "no TLS: ", why);
		return;
	}
	snprintf(text, sizeof(text), "%s%s", why, more);
	conn_say(conn, BEVHOST_LOG_NOTICE, "no TLS: ", text);
}

static void
conn_on_tls(void *arg, enum bevhost_reason reason, const char *why,
    struct tls_stream *stream)
{
	struct bevhost_conn *conn = arg;

	conn->step = NULL;
	if (reason == BEVHOST_REASON_TLS)
		conn_say_tls(conn, why);
	if (reason != BEVHOST_REASON_NONE)
		conn_refuse(conn, reason);
	else if (conn_open(conn, tls_stream_transport(stream)) < 0)
		tls_stream_free(stream);
}

/* The client is known, and may go on. */
void
conn_tls(struct bevhost_conn *conn)
{
	const struct approach *approach = conn->handler.instance->approach;

	if (approach == NULL || approach->tls == NULL) {
		(void)conn_open(conn, NULL);
		return;
	}
	conn->in_tls = 1;
	conn->step = step_tls_start(conn->set->loop.base, conn->fd,
	    tls_ctx(approach->tls), approach->handshake_timeout_ms, conn_on_tls,
	    conn);
	if (conn->step == NULL)
		conn_refuse(conn, BEVHOST_REASON_OVERLOAD);
}

void
conn_tls_stop(struct bevhost_conn *conn)
{
	if (conn->step != NULL)
		step_tls_cancel(conn->step);
	conn->step = NULL;
}

const struct tls_stream *
conn_tls_stream(const struct bevhost_conn *conn)
{
	return conn->flow.transport != NULL
		   ? tls_stream_of(conn->flow.transport)
		   : NULL;
}
