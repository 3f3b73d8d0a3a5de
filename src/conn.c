/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way of a connection: accepted, admitted, opened, served, closed for one
 * reason. This file alone knows the order.
 *
 *	NEW --admit, open--> OPEN --conn_close--> CLOSING --flow--> CLOSED
 *	 |                                                            |
 *	 +--refused, no memory--> gone          close(state, reason) <+
 */
#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "addr.h"
#include "log.h"
#include "reason.h"

static void
conn_set_state(struct bevhost_conn *conn, enum conn_state state)
{
	/* Each state follows the one before it, but a conn may fail at once. */
	assert(state == conn->state + 1u ||
	       (conn->state == CONN_NEW && state == CONN_CLOSING));
	conn->state = (unsigned char)state;
}

const struct sockaddr *
conn_peer(const struct bevhost_conn *conn, socklen_t *len)
{
	if (len != NULL) {
		switch (conn->peer.sa.sa_family) {
		case AF_INET:
			*len = sizeof(conn->peer.in);
			break;
		case AF_INET6:
			*len = sizeof(conn->peer.in6);
			break;
		default:
			*len = sizeof(conn->peer.sa.sa_family);
		}
	}
	return &conn->peer.sa;
}

int
conn_fd(const struct bevhost_conn *conn)
{
	return conn->flow.bev != NULL ? bufferevent_getfd(conn->flow.bev)
				      : conn->fd;
}

char *
conn_peer_text(const struct bevhost_conn *conn, char *buf, size_t size)
{
	socklen_t len;
	const struct sockaddr *peer = conn_peer(conn, &len);

	return addr_text(peer, len, buf, size);
}

static void
conn_say(const struct bevhost_conn *conn, enum bevhost_level level,
    const char *what, const char *detail)
{
	char address[ADDR_TEXT_SIZE];

	if (!log_enabled(level))
		return;
	log_write(level, instance_name(conn->handler.instance), "%s: %s%s",
	    conn_peer_text(conn, address, sizeof(address)), what, detail);
}

static void
conn_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct bevhost_timer *timer = arg;
	struct bevhost_conn *conn = timer->conn;

	(void)fd;
	(void)what;
	assert(conn->state == CONN_OPEN);
	handler_timer(&conn->handler, conn, timer->cb);
	/* The turn frees, so conn is still there. */
	flow_handler_ran(&conn->flow);
}

struct bevhost_timer *
conn_timer_new(struct bevhost_conn *conn, bevhost_timer_cb cb)
{
	struct bevhost_timer *timer;

	if (conn_is_closing(conn)) {
		errno = ESHUTDOWN;
		return NULL;
	}
	timer = calloc(1, sizeof(*timer));
	if (timer == NULL)
		return NULL;
	timer->conn = conn;
	timer->cb = cb;
	timer->event = evtimer_new(conn->set->loop.base, conn_on_timer, timer);
	if (timer->event == NULL) {
		free(timer);
		errno = ENOMEM;
		return NULL;
	}
	LIST_INSERT_HEAD(&conn->timers, timer, entry);
	return timer;
}

int
conn_timer_start(struct bevhost_timer *timer, int64_t timeout_ms)
{
	struct timeval timeout = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
	};

	if (conn_is_closing(timer->conn))
		return -ESHUTDOWN;
	if (timeout_ms < 0)
		return -EINVAL;
	/* From now, not from when this turn of the loop began. */
	event_base_update_cache_time(timer->conn->set->loop.base);
	return event_add(timer->event, &timeout) < 0 ? -ENOMEM : 0;
}

void
conn_timer_stop(struct bevhost_timer *timer)
{
	event_del(timer->event);
}

void
conn_timer_free(struct bevhost_timer *timer)
{
	LIST_REMOVE(timer, entry);
	event_free(timer->event);
	free(timer);
}

/* Stopped at once, freed with the connection: the handler may keep them. */
static void
conn_stop_timers(struct bevhost_conn *conn)
{
	struct bevhost_timer *timer;

	LIST_FOREACH (timer, &conn->timers, entry)
		event_del(timer->event);
}

/* The handler hears it last; then nothing refers to the conn. */
static void
conn_free(struct bevhost_conn *conn)
{
	struct conns *set = conn->set;
	struct bevhost_timer *timer;

	while ((timer = LIST_FIRST(&conn->timers)) != NULL)
		conn_timer_free(timer);
	if (conn->flow.bev != NULL)
		bufferevent_free(conn->flow.bev);
	TAILQ_REMOVE(&set->conns, conn, entry);
	set->count--;
	set->counters->connections--;
	set->counters->closed[conn->reason]++;
	free(conn);
	set->on_gone(set->arg);
}

static void
conn_on_closed(struct flow *flow)
{
	struct bevhost_conn *conn = (struct bevhost_conn *)flow;

	if (conn->state == CONN_CLOSING) {
		conn_set_state(conn, CONN_CLOSED);
		conn_say(conn, BEVHOST_LOG_INFO,
		    "closed: ", reason_name((enum bevhost_reason)conn->reason));
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
conn_close(struct bevhost_conn *conn, enum bevhost_close how,
    enum bevhost_reason reason)
{
	if (conn->state == CONN_CLOSED)
		return;
	if (conn->state != CONN_CLOSING) {
		conn_set_state(conn, CONN_CLOSING);
		conn->reason = (unsigned char)reason;
		conn_stop_timers(conn);
		if (conn->flow.bev != NULL)
			handler_closing(&conn->handler);
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

static enum bevhost_reason
conn_error_reason(int error)
{
	return error == ECONNRESET || error == EPIPE ? BEVHOST_REASON_RESET
						     : BEVHOST_REASON_ERROR;
}

/* What an event means when the handler does not close: see plugin.h. */
static void
conn_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct bevhost_conn *conn = arg;
	int error, heard;

	if (conn->state != CONN_OPEN) {
		flow_closing_event(&conn->flow, what);
		return;
	}
	what = flow_event(&conn->flow, what);
	if (what == 0)
		return;
	error = EVUTIL_SOCKET_ERROR();
	heard = handler_event(&conn->handler, bev, what);
	if (conn->state != CONN_OPEN)
		return;
	flow_handler_ran(&conn->flow);
	if (what & BEV_EVENT_ERROR)
		conn_close(conn, BEVHOST_CLOSE_NOW, conn_error_reason(error));
	else if ((what & BEV_EVENT_EOF) && !heard)
		conn_close(conn, BEVHOST_CLOSE_FLUSH, BEVHOST_REASON_PEER);
	else if ((what & BEV_EVENT_TIMEOUT) && !heard)
		conn_close(conn, BEVHOST_CLOSE_FLUSH, BEVHOST_REASON_TIMEOUT);
}

/* A connection that had no handler leaves without a word to it. */
static void
conn_refuse(struct bevhost_conn *conn, enum bevhost_reason reason)
{
	conn_set_state(conn, CONN_CLOSING);
	conn->reason = (unsigned char)reason;
	conn_say(conn, BEVHOST_LOG_INFO, "closed: ", reason_name(reason));
	close(conn->fd);
	conn_free(conn);
}

static int
conn_make_bev(struct bevhost_conn *conn)
{
	struct bufferevent *bev =
	    bufferevent_socket_new(conn->set->loop.base, conn->fd, 0);

	if (bev == NULL)
		return -1;
	bufferevent_setcb(
	    bev, conn_on_read, conn_on_write, conn_on_event, conn);
	if (flow_init(&conn->flow, &conn->set->loop, bev) == 0)
		return 0;
	bufferevent_free(bev);
	conn->flow.bev = NULL;
	return -1;
}

/* From a descriptor to a handler that talks, or to a reason why not. */
static void
conn_open(struct bevhost_conn *conn)
{
	int status;

	handler_init(&conn->handler, conn->handler.instance, conn);
	if (!handler_admit(&conn->handler, conn)) {
		conn_refuse(conn, BEVHOST_REASON_REFUSED);
		return;
	}
	if (conn_make_bev(conn) < 0) {
		conn_refuse(conn, BEVHOST_REASON_OVERLOAD);
		return;
	}
	flow_set_heard(&conn->flow, handler_hears_writes(&conn->handler));
	conn_set_state(conn, CONN_OPEN);
	conn_say(conn, BEVHOST_LOG_DEBUG, "accepted", "");
	status = bufferevent_enable(conn->flow.bev, EV_READ) < 0
		     ? -ENOMEM
		     : handler_open(&conn->handler, conn, conn->flow.bev);
	if (status == 0)
		conn->opened = 1;
	else
		conn_close(conn, BEVHOST_CLOSE_NOW,
		    status == -ENOMEM ? BEVHOST_REASON_OVERLOAD
				      : BEVHOST_REASON_ERROR);
	flow_handler_ran(&conn->flow);
}

void
conn_accept(struct conns *set, struct bevhost_instance *instance, int fd,
    const struct sockaddr *peer, socklen_t peer_len)
{
	struct bevhost_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		log_write(BEVHOST_LOG_WARNING, instance_name(instance),
		    "connection refused: %m");
		close(fd);
		return;
	}
	conn->set = set;
	conn->fd = fd;
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
	conn_open(conn);
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
	conn_close(conn, BEVHOST_CLOSE_FLUSH,
	    conn->flow.eof ? BEVHOST_REASON_PEER : BEVHOST_REASON_HANDLER);
}

int
conn_loop_init(struct conns *conns, struct event_base *base)
{
	static const struct handler_host host = { .end = conn_on_handler_end };

	handler_set_host(&host);
	return flow_loop_init(&conns->loop, base, conn_on_closed);
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

static int
conn_has_timer(const struct bevhost_conn *conn)
{
	const struct bevhost_timer *timer;

	LIST_FOREACH (timer, &conn->timers, entry)
		if (event_pending(timer->event, EV_TIMEOUT, NULL) &&
		    !handler_owns_timer(&conn->handler, timer))
			return 1;
	return 0;
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
conn_is_idle(const struct bevhost_conn *conn)
{
	struct bufferevent *bev = conn->flow.bev;

	return conn->state == CONN_OPEN && !conn->flow.eof &&
	       conn->holds == handler_holds(&conn->handler) &&
	       handler_is_idle(&conn->handler) && !conn_has_timer(conn) &&
	       evbuffer_get_length(bufferevent_get_input(bev)) == 0 &&
	       flow_owed(&conn->flow) == 0 &&
	       (bufferevent_get_enabled(bev) & EV_READ) &&
	       !conn_is_readable(conn);
}
