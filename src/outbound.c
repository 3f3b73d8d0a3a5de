/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of connections that were opened from here, and their loop. */
#include "outbound.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent_struct.h>
#include <event2/util.h>

#include "flow_guard.h"
#include "flow_host.h"
#include "flow_own.h"
#include "outbound_host.h"
#include "settings_guard.h"

static struct {
	struct flow_loop flows;
	struct outbound *first; /* of those that are nobody's */
	size_t count;
	void (*on_gone)(void *arg);
	void *arg;
} outbound_loop;

static const struct outbound_host *outbound_host;

static void
outbound_on_closed(struct flow *flow)
{
	struct outbound *outbound = (struct outbound *)flow;

	/* Whatever is still done with its bev, it is not listed again. */
	flow->listed = 1;
	outbound->ops->closed(outbound);
}

static void
outbound_on_read(struct bufferevent *bev, void *arg)
{
	struct outbound *outbound = arg;

	(void)bev;
	if (outbound->flow.closing)
		flow_closing_read(&outbound->flow);
	else
		outbound->ops->read(outbound);
}

static void
outbound_on_write(struct bufferevent *bev, void *arg)
{
	struct outbound *outbound = arg;

	(void)bev;
	if (outbound->flow.closing)
		flow_closing_write(&outbound->flow);
	else
		outbound->ops->write(outbound);
}

/* What waits in it is nobody's any more. */
static void
outbound_forget(struct outbound *outbound)
{
	struct bufferevent *bev = outbound->flow.bev;
	int error = EVUTIL_SOCKET_ERROR();

	evbuffer_unfreeze(bev->output, 1);
	evbuffer_drain(bev->output, evbuffer_get_length(bev->output));
	evbuffer_freeze(bev->output, 1);
	evbuffer_drain(bev->input, evbuffer_get_length(bev->input));
	flow_count_input(&outbound->flow);
	EVUTIL_SET_SOCKET_ERROR(error);
}

static void
outbound_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct outbound *outbound = arg;

	(void)bev;
	if (outbound->flow.closing) {
		flow_closing_event(&outbound->flow, what);
		return;
	}
	if (outbound->dropped)
		outbound_forget(outbound);
	what = flow_event(&outbound->flow, what);
	if (what != 0)
		outbound->ops->event(outbound, what);
}

void
outbound_set_host(const struct outbound_host *host)
{
	outbound_host = host;
}

/* On the list of conn, or of the loop. */
static void
outbound_join(struct outbound *outbound, struct bevhost_conn *conn)
{
	struct outbound **list = NULL;

	if (conn != NULL && outbound_host != NULL)
		list = outbound_host->list_of(conn);
	outbound->conn = list != NULL ? conn : NULL;
	if (list == NULL)
		list = &outbound_loop.first;
	outbound->link = list;
	outbound->next = *list;
	if (*list != NULL)
		(*list)->link = &outbound->next;
	*list = outbound;
}

static void
outbound_leave(struct outbound *outbound)
{
	*outbound->link = outbound->next;
	if (outbound->next != NULL)
		outbound->next->link = outbound->link;
}

static void
outbound_leave_conn(struct outbound *outbound)
{
	if (outbound->conn == NULL)
		return;
	outbound_leave(outbound);
	outbound_join(outbound, NULL);
}

int
outbound_open(struct outbound *outbound, const struct outbound_ops *ops,
    struct bevhost_conn *conn, const struct settings_guard *settings, int fd,
    struct transport *transport)
{
	struct bufferevent *bev =
	    bufferevent_socket_new(outbound_loop.flows.base, fd, 0);

	if (bev == NULL)
		return -ENOMEM;
	bufferevent_setcb(bev, outbound_on_read, outbound_on_write,
	    outbound_on_event, outbound);
	if (flow_init(&outbound->flow, &outbound_loop.flows, bev, transport) <
		0 ||
	    bufferevent_enable(bev, EV_READ) < 0) {
		bufferevent_free(bev);
		outbound->flow.bev = NULL;
		return -ENOMEM;
	}
	if (settings != NULL)
		flow_set_limits(&outbound->flow, (size_t)settings->max_buffer,
		    settings->linger_timeout);
	outbound->ops = ops;
	outbound->settings = settings;
	outbound->dropped = 0;
	outbound_join(outbound, conn);
	outbound_loop.count++;
	return 0;
}

/*
 * Nobody guards an outbound connection that its owner looks after, and what it
 * owes in the end is not to be owed for ever.
 */
void
outbound_close(struct outbound *outbound, enum bevhost_close how)
{
	struct flow *flow = &outbound->flow;

	outbound_leave_conn(outbound);
	if (outbound->dropped)
		how = BEVHOST_CLOSE_NOW;
	if (!flow->closing && how != BEVHOST_CLOSE_NOW && flow->guard == NULL) {
		if (flow_guard_start(flow, 1, outbound->settings) < 0)
			how = BEVHOST_CLOSE_NOW;
		flow_rate_clear(flow);
		flow_guard_closing(flow);
	}
	flow_close(flow, how);
}

int
outbound_drop(struct outbound *outbound)
{
	struct flow *flow = &outbound->flow;

	if (outbound->dropped || flow->dead || flow->finished)
		return -1;
	outbound->dropped = 1;
	flow_abort(flow);
	if (flow->closing) {
		flow_close(flow, BEVHOST_CLOSE_NOW);
		return 0;
	}
	bufferevent_disable(flow->bev, EV_READ | EV_WRITE);
	EVUTIL_SET_SOCKET_ERROR(ENOMEM);
	bufferevent_trigger_event(flow->bev,
	    BEV_EVENT_READING | BEV_EVENT_ERROR, BEV_TRIG_DEFER_CALLBACKS);
	return 0;
}

size_t
outbound_memory(struct outbound *outbound)
{
	return flow_memory(&outbound->flow);
}

void
outbound_set_scarce(struct outbound *outbound, int scarce)
{
	flow_set_scarce(&outbound->flow, scarce);
}

struct outbound *
outbound_next(const struct outbound *outbound)
{
	return outbound->next;
}

void
outbound_free(struct outbound *outbound)
{
	outbound_leave(outbound);
	outbound_loop.count--;
	flow_clear(&outbound->flow);
	free(outbound);
	outbound_loop.on_gone(outbound_loop.arg);
}

static void
outbound_on_strike(struct flow *flow, enum bevhost_reason reason)
{
	(void)reason;
	if (flow->closing)
		flow_close(flow, BEVHOST_CLOSE_NOW);
}

static int
outbound_waits(struct flow *flow)
{
	(void)flow;
	return 0;
}

static void
outbound_on_overflow(struct flow *flow)
{
	struct outbound *outbound = (struct outbound *)flow;

	if (outbound->conn != NULL)
		outbound_host->overflow(outbound->conn);
	else
		outbound_drop(outbound);
}

int
outbound_loop_init(
    struct event_base *base, void (*on_gone)(void *arg), void *arg)
{
	static const struct flow_host host = {
		.strike = outbound_on_strike,
		.waits = outbound_waits,
		.overflow = outbound_on_overflow,
	};

	outbound_loop.on_gone = on_gone;
	outbound_loop.arg = arg;
	outbound_loop.first = NULL;
	outbound_loop.count = 0;
	if (flow_loop_init(&outbound_loop.flows, base, outbound_on_closed) < 0)
		return -1;
	outbound_loop.flows.host = &host;
	return 0;
}

void
outbound_loop_cut(void)
{
	struct outbound *outbound;

	for (outbound = outbound_loop.first; outbound != NULL;
	     outbound = outbound->next)
		if (outbound->flow.closing)
			flow_close(&outbound->flow, BEVHOST_CLOSE_NOW);
}

void
outbound_loop_drain(void)
{
	flow_loop_drain(&outbound_loop.flows);
}

void
outbound_loop_count_in(struct flow_loop *loop)
{
	outbound_loop.flows.counter = loop;
}

struct outbound *
outbound_loop_first(void)
{
	return outbound_loop.first;
}

size_t
outbound_loop_count(void)
{
	return outbound_loop.count;
}

void
outbound_loop_clear(void)
{
	assert(outbound_loop.count == 0);
	flow_loop_clear(&outbound_loop.flows);
}
