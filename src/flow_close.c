/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way to close: flush (reading goes on, so that the peer can get rid
 * of its own), then linger (our end is shut; unread input would turn the
 * close into a reset that destroys what was sent), then the close. All of it
 * happens in the turn event, which also writes what callbacks have written.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include "flow.h"

/* A peer that takes this much before the flush deadline earns another. */
#define FLOW_FLUSH_STEP (64u * 1024)

static void
flow_die(struct flow *flow)
{
	flow->dead = 1;
	flow_list(flow);
}

static void
flow_finish(struct flow *flow)
{
	struct evbuffer *output = flow->bev->output;
	struct evbuffer *input = flow->bev->input;

	flow->finished = 1;
	if (flow->deadline != NULL)
		event_free(flow->deadline);
	flow->deadline = NULL;
	bufferevent_disable(flow->bev, EV_READ | EV_WRITE);
	/* References into the owner's memory end before the owner does. */
	evbuffer_unfreeze(output, 1);
	evbuffer_drain(output, evbuffer_get_length(output));
	evbuffer_drain(input, evbuffer_get_length(input));
	/* Who still holds the bev cannot reach a descriptor's next owner. */
	bufferevent_setfd(flow->bev, -1);
	close(flow->fd);
	flow->fd = -1;
	flow->listed = 0;
	flow->loop->on_closed(flow);
}

static void
flow_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;
	size_t owed = flow_owed(flow);

	(void)fd;
	(void)what;
	if (!flow->lingering && owed + FLOW_FLUSH_STEP <= flow->owed) {
		flow->owed = owed;
		event_add(flow->deadline, flow->loop->flush_timeout);
		return;
	}
	flow_die(flow);
}

/* Without a timer there is no bound: then the close is at once. */
static void
flow_set_deadline(struct flow *flow, const struct timeval *timeout)
{
	if (flow->deadline == NULL)
		flow->deadline =
		    evtimer_new(flow->loop->base, flow_on_deadline, flow);
	if (flow->deadline == NULL || event_add(flow->deadline, timeout) < 0)
		flow_die(flow);
}

/* Whatever the handler had disabled, what is owed is sent now. */
static void
flow_close_flush(struct flow *flow)
{
	if (!(flow->bev->enabled & EV_WRITE) &&
	    bufferevent_enable(flow->bev, EV_WRITE) < 0)
		flow_die(flow);
	flow_flush(flow);
	if (flow_owed(flow) > 0 && flow->deadline == NULL && !flow->dead) {
		flow->owed = flow_owed(flow);
		flow_set_deadline(flow, flow->loop->flush_timeout);
	}
}

static void
flow_linger(struct flow *flow)
{
	flow->lingering = 1;
	if (shutdown(flow->fd, SHUT_WR) < 0)
		flow_die(flow);
	else
		flow_set_deadline(flow, flow->loop->linger_timeout);
}

/*
 * One look at a closing flow: what is the next thing to wait for? It stays
 * marked as listed meanwhile, since what it causes is seen here at once, and
 * a flow that is freed must not be on the list.
 */
static void
flow_close_step(struct flow *flow)
{
	if (!flow->dead)
		flow_close_flush(flow);
	if (!flow->dead && flow_owed(flow) == 0 && !flow->eof &&
	    !flow->lingering)
		flow_linger(flow);
	if (flow->dead || (flow->eof && flow_owed(flow) == 0))
		flow_finish(flow);
	else
		flow->listed = 0;
}

void
flow_close(struct flow *flow, enum bevhost_close how)
{
	if (flow->finished)
		return;
	if (!flow->closing) {
		flow->closing = 1;
		flow_set_heard(flow, 1);
		bufferevent_setwatermark(flow->bev, EV_READ | EV_WRITE, 0, 0);
		flow_end_timeouts(flow);
		evbuffer_freeze(flow->bev->output, 0);
		flow->paused = 0;
		if (!flow->eof && bufferevent_enable(flow->bev, EV_READ) < 0)
			flow->dead = 1;
	}
	if (how == BEVHOST_CLOSE_NOW)
		flow->dead = 1;
	flow_list(flow);
}

void
flow_closing_read(struct flow *flow)
{
	struct evbuffer *input = flow->bev->input;

	evbuffer_drain(input, evbuffer_get_length(input));
}

void
flow_closing_write(struct flow *flow)
{
	flow_list(flow);
}

void
flow_closing_event(struct flow *flow, short what)
{
	what = flow_event(flow, what);
	if (what == 0)
		return;
	if (!(what & BEV_EVENT_EOF))
		flow->dead = 1;
	flow_list(flow);
}

void
flow_call(struct flow *flow)
{
	assert(flow->finished);
	flow_list(flow);
}

/* The loop */

static void
flow_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct flow_loop *loop = arg;
	struct flow *flow = loop->first;

	(void)fd;
	(void)what;
	loop->first = NULL;
	while (flow != NULL) {
		struct flow *next = flow->next;

		if (flow->closing && !flow->finished) {
			flow_close_step(flow);
		} else {
			flow->listed = 0;
			if (flow->finished)
				loop->on_closed(flow);
			else
				flow_flush(flow);
		}
		flow = next;
	}
}

static const struct timeval *
flow_common_timeout(struct event_base *base, int timeout_ms)
{
	struct timeval timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};

	return event_base_init_common_timeout(base, &timeout);
}

int
flow_loop_init(struct flow_loop *loop, struct event_base *base,
    void (*on_closed)(struct flow *flow))
{
	loop->base = base;
	loop->first = NULL;
	loop->on_closed = on_closed;
	loop->flush_timeout = flow_common_timeout(base, FLOW_FLUSH_MS);
	loop->linger_timeout = flow_common_timeout(base, FLOW_LINGER_MS);
	loop->turn = event_new(base, -1, EV_PERSIST, flow_on_turn, loop);
	loop->buffer = malloc(FLOW_READ_MAX);
	if (loop->turn != NULL && loop->buffer != NULL &&
	    loop->flush_timeout != NULL && loop->linger_timeout != NULL)
		return 0;
	flow_loop_clear(loop);
	return -1;
}

void
flow_loop_clear(struct flow_loop *loop)
{
	assert(loop->first == NULL);
	if (loop->turn != NULL)
		event_free(loop->turn);
	loop->turn = NULL;
	free(loop->buffer);
	loop->buffer = NULL;
}

void
flow_loop_drain(struct flow_loop *loop)
{
	const struct timeval *timeout =
	    flow_common_timeout(loop->base, FLOW_DRAIN_LINGER_MS);

	if (timeout != NULL)
		loop->linger_timeout = timeout;
}
