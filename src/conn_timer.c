/* SPDX-License-Identifier: BSD-2-Clause */
/* The timers of a connection: none fires once it closes. */
#include "conn_timer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "conn.h"

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
void
conn_stop_timers(struct bevhost_conn *conn)
{
	struct bevhost_timer *timer;

	LIST_FOREACH (timer, &conn->timers, entry)
		event_del(timer->event);
}

void
conn_free_timers(struct bevhost_conn *conn)
{
	struct bevhost_timer *timer;

	while ((timer = LIST_FIRST(&conn->timers)) != NULL)
		conn_timer_free(timer);
}

int
conn_has_timer(const struct bevhost_conn *conn)
{
	const struct bevhost_timer *timer;

	LIST_FOREACH (timer, &conn->timers, entry)
		if (event_pending(timer->event, EV_TIMEOUT, NULL) &&
		    !handler_owns_timer(&conn->handler, timer))
			return 1;
	return 0;
}
