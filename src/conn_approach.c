/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands between accept and the handler, in this order: the PROXY header,
 * which tells who the client is; the gate, which asks whether it may; the
 * handler, which may say no before it costs more; then the TLS handshake, in
 * conn_tls.c. Each step takes a descriptor and calls back once, with the next
 * thing or with a reason.
 */
#include "approach.h"
#include "clock.h"
#include "conn_own.h"
#include "conn_proxy.h"
#include "conn_tls.h"
#include "gate_ticket.h"
#include "netset.h"
#include "step_proxy.h"

/* The client is known. */
static void
conn_approach_client(struct bevhost_conn *conn)
{
	const struct approach *approach = conn->handler.instance->approach;
	socklen_t len;
	enum bevhost_reason reason = gate_enter(approach_gate(approach),
	    conn->limits, conn_client(conn, &len), &conn->ticket);

	if (reason != BEVHOST_REASON_NONE)
		conn_refuse(conn, reason);
	else if (conn_admit(conn) == 0)
		conn_tls(conn);
}

static void
conn_on_proxy(void *arg, enum bevhost_reason reason, struct proxyhdr *header)
{
	struct bevhost_conn *conn = arg;

	conn->step = NULL;
	if (reason != BEVHOST_REASON_NONE) {
		conn_refuse(conn, reason);
		return;
	}
	conn_set_proxy(conn, header);
	conn_approach_client(conn);
}

/* Whoever may send a header. */
static void
conn_approach_proxy(struct bevhost_conn *conn, const struct approach *approach)
{
	conn->step = step_proxy_start(conn->set->loop.base, conn->fd,
	    approach->proxy_required, approach->proxy_timeout_ms, conn_on_proxy,
	    conn);
	if (conn->step == NULL)
		conn_refuse(conn, BEVHOST_REASON_OVERLOAD);
}

void
conn_approach(struct bevhost_conn *conn)
{
	const struct approach *approach = conn->handler.instance->approach;

	conn->born_ms = (uint64_t)clock_ms();
	if (approach == NULL || approach->proxy_from == NULL) {
		conn_approach_client(conn);
	} else if (netset_match(approach->proxy_from, &conn->peer.sa) >= 0) {
		conn_approach_proxy(conn, approach);
	} else if (approach->proxy_required) {
		step_proxy_say_stranger(conn->fd);
		conn_refuse(conn, BEVHOST_REASON_PROXY);
	} else {
		conn_approach_client(conn);
	}
}

void
conn_approach_stop(struct bevhost_conn *conn)
{
	if (conn->in_tls) {
		conn_tls_stop(conn);
	} else if (conn->step != NULL) {
		step_proxy_cancel(conn->step);
		conn->step = NULL;
	}
}

void
conn_leave(const struct bevhost_instance *instance, uint64_t ticket)
{
	gate_leave(approach_gate(instance->approach), ticket);
}
