/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way of a connection: accepted, admitted, opened, served, closed for one
 * reason. This file and conn_approach.c alone know the order.
 *
 *	NEW --approach, open--> OPEN --conn_close--> CLOSING
 *	 |                                              | flow
 *	 +--refused, no memory--> gone <--close(reason)-- CLOSED
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "conn_guard.h"
#include "conn_own.h"
#include "conn_proxy.h"
#include "conn_timer.h"
#include "conn_why.h"
#include "flow_guard.h"
#include "outbound_list.h"
#include "record.h"

static void
conn_set_state(struct bevhost_conn *conn, enum conn_state state)
{
	/* Each state follows the one before it, but a conn may fail at once. */
	assert(state == conn->state + 1u ||
	       (conn->state == CONN_NEW && state == CONN_CLOSING));
	conn->state = (unsigned char)state;
}

int
conn_fd(const struct bevhost_conn *conn)
{
	return conn->flow.bev != NULL ? bufferevent_getfd(conn->flow.bev)
				      : conn->fd;
}

/* The handler hears it last; then nothing refers to the conn. */
static void
conn_free(struct bevhost_conn *conn)
{
	struct conns *set = conn->set;

	conn_free_timers(conn);
	if (conn->flow.bev != NULL)
		flow_clear(&conn->flow);
	TAILQ_REMOVE(&set->conns, conn, entry);
	set->count--;
	set->counters->connections--;
	set->counters->closed[conn->reason]++;
	if (record_is_on)
		record_end(conn->id, (enum bevhost_reason)conn->reason);
	if (set->on_closed != NULL)
		set->on_closed(conn->id, (enum bevhost_reason)conn->reason);
	conn_set_proxy(conn, NULL);
	free(conn->why);
	conn_leave(conn->handler.instance, conn->ticket);
	free(conn);
	set->on_gone(set->arg);
}

static void
conn_on_closed(struct flow *flow)
{
	struct bevhost_conn *conn = (struct bevhost_conn *)flow;

	if (conn->state == CONN_CLOSING) {
		conn_set_state(conn, CONN_CLOSED);
		conn_say_closed(conn);
	}
	if (conn->holds > 0)
		return;
	/* Whatever close does to its bev, this is the last turn of the flow. */
	flow->listed = 1;
	if (conn->opened)
		handler_close(
		    &conn->handler, (enum bevhost_reason)conn->reason);
	conn_free(conn);
}

void
conn_refuse(struct bevhost_conn *conn, enum bevhost_reason reason)
{
	conn_set_state(conn, CONN_CLOSING);
	conn->reason = (unsigned char)reason;
	conn_say_closed(conn);
	close(conn->fd);
	conn_free(conn);
}

void
conn_close(struct bevhost_conn *conn, enum bevhost_close how,
    enum bevhost_reason reason)
{
	if (conn->state == CONN_CLOSED)
		return;
	if (conn->state == CONN_NEW) {
		conn_approach_stop(conn);
		conn_refuse(conn, reason);
		return;
	}
	if (conn->state != CONN_CLOSING) {
		conn_set_state(conn, CONN_CLOSING);
		conn->reason = (unsigned char)reason;
		conn_stop_timers(conn);
		outbound_list_close(&conn->outbounds);
		if (conn->flow.bev != NULL)
			handler_closing(&conn->handler);
		flow_guard_closing(&conn->flow);
	}
	flow_close(&conn->flow, how);
}

static void
conn_on_read(struct bufferevent *bev, void *arg)
{
	struct bevhost_conn *conn = arg;

	if (conn->state == CONN_OPEN)
		handler_read(&conn->handler, bev);
	else
		flow_closing_read(&conn->flow);
}

static void
conn_on_write(struct bufferevent *bev, void *arg)
{
	struct bevhost_conn *conn = arg;

	if (conn->state == CONN_OPEN)
		handler_write(&conn->handler, bev);
	else
		flow_closing_write(&conn->flow);
}

/* The log says more of some errors than the reason does. */
static void
conn_say_why(const struct bevhost_conn *conn)
{
	const char *why = flow_why(&conn->flow);

	if (why != NULL)
		conn_say(conn, BEVHOST_LOG_INFO,
		    conn->flow.lacks_file ? "" : "TLS: ", why);
}

static void
conn_fail(struct bevhost_conn *conn, int error)
{
	conn_say_why(conn);
	conn_close(
	    conn, BEVHOST_CLOSE_NOW, flow_error_reason(&conn->flow, error));
}

/* What an event means when the handler does not close: see plugin.h. */
static void
conn_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct bevhost_conn *conn = arg;
	int error, heard;

	if (conn->state != CONN_OPEN) {
		flow_closing_event(&conn->flow, what);
		if (conn->flow.lacks_file)
			conn_say_why(conn);
		return;
	}
	what = flow_event(&conn->flow, what);
	if (what == 0)
		return;
	if (record_is_on && (what & BEV_EVENT_EOF))
		record_eof(conn->id);
	error = EVUTIL_SOCKET_ERROR();
	heard = handler_event(&conn->handler, bev, what);
	if (conn->state != CONN_OPEN)
		return;
	flow_handler_ran(&conn->flow);
	if (what & BEV_EVENT_ERROR)
		conn_fail(conn, error);
	else if ((what & BEV_EVENT_EOF) && !heard)
		conn_close(conn, BEVHOST_CLOSE_FLUSH, BEVHOST_REASON_PEER);
	else if ((what & BEV_EVENT_TIMEOUT) && !heard)
		conn_close(conn, BEVHOST_CLOSE_FLUSH, BEVHOST_REASON_TIMEOUT);
}

static int
conn_make_bev(struct bevhost_conn *conn, struct transport *transport)
{
	struct bufferevent *bev =
	    bufferevent_socket_new(conn->set->loop.base, conn->fd, 0);

	if (bev == NULL)
		return -1;
	bufferevent_setcb(
	    bev, conn_on_read, conn_on_write, conn_on_event, conn);
	if (flow_init(&conn->flow, &conn->set->loop, bev, transport) == 0)
		return 0;
	bufferevent_free(bev);
	conn->flow.bev = NULL;
	return -1;
}

int
conn_admit(struct bevhost_conn *conn)
{
	handler_init(&conn->handler, conn->handler.instance, conn);
	if (handler_admit(&conn->handler, conn))
		return 0;
	conn->tells = conn->said != BEVHOST_REASON_NONE;
	conn_refuse(conn, conn->tells ? (enum bevhost_reason)conn->said
				      : BEVHOST_REASON_REFUSED);
	return -1;
}

int
conn_open(struct bevhost_conn *conn, struct transport *transport)
{
	int status;

	if (conn_make_bev(conn, transport) < 0) {
		conn_refuse(conn, BEVHOST_REASON_OVERLOAD);
		return -1;
	}
	flow_set_heard(&conn->flow, handler_hears_writes(&conn->handler));
	conn_set_state(conn, CONN_OPEN);
	conn_say(conn, BEVHOST_LOG_DEBUG, "accepted", "");
	if (record_is_on)
		record_begin(conn->id, conn->handler.instance, conn->flow.bev);
	status = flow_guard_start(&conn->flow,
		     conn->peer.sa.sa_family == AF_INET ||
			 conn->peer.sa.sa_family == AF_INET6,
		     conn->handler.instance->guard) < 0 ||
			 bufferevent_enable(conn->flow.bev, EV_READ) < 0
		     ? -ENOMEM
		     : handler_open(&conn->handler, conn, conn->flow.bev);
	if (status == 0)
		conn->opened = 1;
	else
		conn_end(conn, BEVHOST_CLOSE_NOW,
		    status == -ENOMEM ? BEVHOST_REASON_OVERLOAD
				      : BEVHOST_REASON_ERROR);
	flow_handler_ran(&conn->flow);
	return 0;
}

void
conn_accept(struct conns *set, struct bevhost_instance *instance,
    struct limit_log *limits, int fd, const struct sockaddr *peer,
    socklen_t peer_len)
{
	struct bevhost_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		conn_say_no_memory(instance);
		close(fd);
		conn_leave(instance, 0);
		return;
	}
	conn->set = set;
	conn->fd = fd;
	conn->limits = limits;
	conn->handler.instance = instance;
	conn->id = ++set->last_id;
	LIST_INIT(&conn->timers);
	if (peer_len > sizeof(conn->peer))
		peer_len = sizeof(conn->peer.sa.sa_family);
	memcpy(&conn->peer, peer, peer_len);
	TAILQ_INSERT_TAIL(&set->conns, conn, entry);
	set->count++;
	set->counters->connections++;
	set->counters->accepted++;
	conn_approach(conn);
}

void
conn_hold(struct bevhost_conn *conn)
{
	conn->holds++;
}

void
conn_release(struct bevhost_conn *conn)
{
	assert(conn->holds > 0);
	conn->holds--;
	if (conn->holds == 0 && conn->state == CONN_CLOSED)
		flow_call(&conn->flow);
}

/* The handler returned: after all that the peer had to say, or before. */
static void
conn_on_handler_end(struct bevhost_conn *conn)
{
	conn_end(conn, BEVHOST_CLOSE_FLUSH,
	    conn->flow.eof ? BEVHOST_REASON_PEER : BEVHOST_REASON_HANDLER);
}

static struct bevhost_outbound **
conn_outbounds(
    struct bevhost_conn *conn, const struct bevhost_instance **instance)
{
	*instance = conn->handler.instance;
	return conn->state == CONN_OPEN ? &conn->outbounds : NULL;
}

int
conn_loop_init(struct conns *conns, struct event_base *base)
{
	static const struct handler_host host = { .end = conn_on_handler_end };

	handler_set_host(&host);
	outbound_list_set_host(conn_outbounds);
	if (flow_loop_init(&conns->loop, base, conn_on_closed) < 0)
		return -1;
	conn_guard_init(conns);
	return 0;
}

void
conn_ask(struct bevhost_conn *conn)
{
	if (conn->state != CONN_OPEN || conn->asked ||
	    !handler_can_drain(&conn->handler))
		return;
	conn->asked = 1;
	handler_drain(&conn->handler);
	flow_handler_ran(&conn->flow);
}

/* Is there anything that the loop has not read yet? An end or an error counts,
   and is left to the read. */
static int
conn_is_readable(const struct bevhost_conn *conn)
{
	struct pollfd poll_fd = { .fd = conn_fd(conn), .events = POLLIN };

	return poll(&poll_fd, 1, 0) != 0;
}

int
conn_waits(const struct bevhost_conn *conn)
{
	return conn->state == CONN_OPEN && !conn->flow.eof &&
	       conn->outbounds == NULL && !conn->flow.lent &&
	       conn->holds == handler_holds(&conn->handler) &&
	       handler_is_idle(&conn->handler) && !conn_has_timer(conn) &&
	       (bufferevent_get_enabled(conn->flow.bev) & EV_READ);
}

int
conn_is_idle(const struct bevhost_conn *conn)
{
	struct bufferevent *bev = conn->flow.bev;

	return conn_waits(conn) &&
	       evbuffer_get_length(bufferevent_get_input(bev)) == 0 &&
	       flow_owed(&conn->flow) == 0 && !conn_is_readable(conn);
}
