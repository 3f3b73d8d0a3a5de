/* SPDX-License-Identifier: BSD-2-Clause */
/* The writing half of a flow: see flow.c. */
#include <errno.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include "flow.h"
#include "flow_own.h"

/* libevent's own, the same for every socket bufferevent. */
static event_callback_fn flow_libevent_write;

static void
flow_assign_write(struct flow *flow, int fd, event_callback_fn callback)
{
	struct event *event = &flow->bev->ev_write;

	event_del(event);
	event_assign(event, flow->loop->base, fd,
	    EV_WRITE | EV_PERSIST | EV_FINALIZE, callback, flow);
}

/* At rest nothing waits to be written, so no write can be late. */
static void
flow_on_rest_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	event_del(&flow->bev->ev_write);
}

void
flow_rest(struct flow *flow)
{
	flow->watched = 0;
	flow_assign_write(flow, -1, flow_on_rest_timeout);
}

/* One piece, as most answers are, needs no vector: that is less work for us
   and for the kernel. */
static ssize_t
flow_send(struct flow *flow, struct evbuffer *output, size_t max)
{
	size_t owed = flow_owed(flow);
	const void *bytes = flow_memory_piece(output, owed);
	ssize_t len;

	if (bytes == NULL)
		return evbuffer_write_atmost(output, flow->fd, (ev_ssize_t)max);
	len = send(flow->fd, bytes, owed < max ? owed : max, MSG_NOSIGNAL);
	if (len > 0)
		evbuffer_drain(output, (size_t)len);
	return len;
}

/* The same, through the transport: what it cannot see becomes memory first. */
static ssize_t
flow_send_through(struct flow *flow, struct evbuffer *output, size_t max)
{
	size_t total = 0, front, part = 0, owed;
	ssize_t len = 0;

	while (total < max && (size_t)len == part &&
	       (owed = flow_owed(flow)) > 0) {
		front = flow_memory_front(output, max - total);
		part = front < max - total ? front : max - total;
		if (part > 0)
			len = flow->transport->ops->write(flow->transport,
			    output, part,
			    part < owed && part == front && total + part < max);
		else
			len = flow_file_take(flow);
		if (len > 0)
			total += (size_t)len;
	}
	return total > 0 ? (ssize_t)total : len;
}

/* As much as one call may. Its bytes, or -1 with errno. */
static ssize_t
flow_write_some(struct flow *flow)
{
	struct evbuffer *output = flow->bev->output;
	ev_ssize_t max = bufferevent_get_max_single_write(flow->bev);
	ssize_t len;

	evbuffer_unfreeze(output, 1);
	if (flow->transport == NULL)
		len = flow_send(flow, output, (size_t)max);
	else
		len = flow_send_through(flow, output, (size_t)max);
	evbuffer_freeze(output, 1);
	return len;
}

/* What libevent's write callback does for a socket. */
static void
flow_write_transport(struct flow *flow)
{
	if (flow_owed(flow) > 0 && flow_write_some(flow) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			flow_report_error(flow, BEV_EVENT_WRITING, errno);
		return;
	}
	if (flow_owed(flow) == 0)
		event_del(&flow->bev->ev_write);
	bufferevent_trigger(flow->bev, EV_WRITE, 0);
}

static void
flow_write(struct flow *flow, short what)
{
	errno = 0;
	if (flow->transport == NULL || what == EV_TIMEOUT)
		flow_libevent_write(flow->fd, what, flow->bev);
	else
		flow_write_transport(flow);
}

/* Not if its rate is spent: then a timer goes on. */
static int
flow_may_write(struct flow *flow)
{
	size_t max;

	if (flow->rates == NULL || flow_owed(flow) == 0)
		return 1;
	max = flow_rate_out(flow, FLOW_WRITE_MAX);
	if (max > 0)
		bufferevent_set_max_single_write(flow->bev, max);
	return max > 0;
}

/* The last byte has gone that was to go before the end. */
static void
flow_shut_if_due(struct flow *flow)
{
	if (flow->shutting && !flow->closing && !flow->dead &&
	    flow_owed(flow) == 0)
		flow_shut(flow);
}

static void
flow_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	if (flow->shutting && flow_owed(flow) == 0) {
		flow_shut(flow);
		if (flow->closing)
			flow_list(flow);
	} else if (!flow_may_write(flow)) {
		flow_rest(flow);
		return;
	} else {
		flow_write(flow, what);
		flow_shut_if_due(flow);
	}
	if (flow_owed(flow) == 0 && !flow->shutting)
		flow_rest(flow);
}

/* The rest waits for the socket, or for the handler to enable writing. */
void
flow_watch(struct flow *flow)
{
	flow->watched = 1;
	flow_assign_write(flow, flow->fd, flow_on_writable);
	if ((flow->bev->enabled & EV_WRITE) &&
	    bufferevent_enable(flow->bev, EV_WRITE) < 0)
		flow_report_error(flow, BEV_EVENT_WRITING, ENOMEM);
}

/* Enabling calls the write callback, be there output or not. */
static int
flow_was_enabled(const struct flow *flow)
{
	return !flow->watched && !flow->plain &&
	       event_pending(&flow->bev->ev_write, EV_WRITE, NULL);
}

/*
 * Without libevent's write callback, which would take its event off and call
 * ours. At rest that event stays added, which costs nothing.
 */
static void
flow_write_unheard(struct flow *flow)
{
	errno = 0;
	flow_write_some(flow);
}

void
flow_flush(struct flow *flow)
{
	if (flow->watched || (flow_owed(flow) == 0 && !flow_was_enabled(flow)))
		return;
	if (!(flow->bev->enabled & EV_WRITE))
		;
	else if (!flow_may_write(flow))
		return;
	else if (flow->plain)
		flow_write_unheard(flow);
	else
		flow_write(flow, EV_WRITE);
	flow_shut_if_due(flow);
	if (!flow->dead && flow_owed(flow) > 0)
		flow_watch(flow);
}

void
flow_set_heard(struct flow *flow, int heard)
{
	if (flow->plain == !heard || flow->closing)
		return;
	flow->plain = !heard;
	/* What is added from now on tells that writing was enabled. */
	if (heard && !flow->watched && flow_owed(flow) == 0)
		event_del(&flow->bev->ev_write);
}

void
flow_handler_ran(struct flow *flow)
{
	if (!flow->finished && flow_was_enabled(flow))
		flow_list(flow);
}

void
flow_write_init(struct flow *flow)
{
	if (flow_libevent_write == NULL)
		flow_libevent_write = event_get_callback(&flow->bev->ev_write);
	flow_rest(flow);
}
