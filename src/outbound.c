/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of connections that were opened from here, and their loop. */
#include "outbound.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "flow_guard.h"
#include "flow_host.h"
#include "flow_own.h"

static struct {
	struct flow_loop flows;
	LIST_HEAD(, outbound) all;
	size_t count;
	void (*on_gone)(void *arg);
	void *arg;
} outbound_loop;

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

static void
outbound_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct outbound *outbound = arg;

	(void)bev;
	if (outbound->flow.closing) {
		flow_closing_event(&outbound->flow, what);
		return;
	}
	what = flow_event(&outbound->flow, what);
	if (what != 0)
		outbound->ops->event(outbound, what);
}

int
outbound_open(struct outbound *outbound, const struct outbound_ops *ops, int fd,
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
	outbound->ops = ops;
	LIST_INSERT_HEAD(&outbound_loop.all, outbound, entry);
	outbound_loop.count++;
	return 0;
}

/*
 * Nobody guards an outbound connection that its owner looks after, and what it
 * owes in the end is not to be owed for ever.
 */
void
outbound_close(struct outbound *outbound, enum bevhost_close how,
    const struct settings_guard *settings)
{
	struct flow *flow = &outbound->flow;

	if (!flow->closing && how != BEVHOST_CLOSE_NOW && flow->guard == NULL) {
		if (flow_guard_start(flow, 1, settings) < 0)
			how = BEVHOST_CLOSE_NOW;
		flow_rate_clear(flow);
		flow_guard_closing(flow);
	}
	flow_close(flow, how);
}

void
outbound_free(struct outbound *outbound)
{
	LIST_REMOVE(outbound, entry);
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
	(void)flow;
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
	LIST_INIT(&outbound_loop.all);
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

	LIST_FOREACH (outbound, &outbound_loop.all, entry)
		if (outbound->flow.closing)
			flow_close(&outbound->flow, BEVHOST_CLOSE_NOW);
}

void
outbound_loop_drain(void)
{
	flow_loop_drain(&outbound_loop.flows);
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
