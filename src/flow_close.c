/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way to close: flush (reading goes on, so that the peer can get rid
 * of its own), then linger (our end is shut; unread input would turn the
 * close into a reset that destroys what was sent), then the close. All of it
 * happens in the turn event, which also writes what callbacks have written.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include "flow.h"
#include "flow_guard.h"
#include "flow_host.h"
#include "flow_lend.h"
#include "flow_own.h"

/* So often one looks whether the peer's kernel has all. */
#define FLOW_RESET_LOOK_MS 10

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

	if (flow->resetting)
		flow_abort(flow);
	flow->finished = 1;
	if (flow->deadline != NULL)
		event_free(flow->deadline);
	flow->deadline = NULL;
	/* Cut short by an owner that has no more to say: so the peer is told.
	 */
	if (flow->transport != NULL && !flow->lingering && flow_owed(flow) == 0)
		flow->transport->ops->shutdown(flow->transport);
	bufferevent_disable(flow->bev, EV_READ | EV_WRITE);
	/* References into the owner's memory end before the owner does. */
	evbuffer_unfreeze(output, 1);
	evbuffer_drain(output, evbuffer_get_length(output));
	evbuffer_drain(input, evbuffer_get_length(input));
	flow_count_input(flow);
	flow_rate_clear(flow);
	flow_guard_stop(flow);
	/* Who still holds the bev cannot reach a descriptor's next owner. */
	bufferevent_setfd(flow->bev, -1);
	/* For whoever still has it, too. */
	if (flow->lent)
		shutdown(flow->fd, SHUT_RDWR);
	close(flow->fd);
	flow->fd = -1;
	flow->listed = 0;
	flow->loop->on_closed(flow);
}

static void flow_set_deadline(struct flow *flow);

static void
flow_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	/* The peer takes what the kernel has, and whoever owns the flow sees
	   that it goes on doing so. */
	if ((flow->loop->linger_max_ms > 0 && !flow->resetting) ||
	    flow_queued(flow) == 0)
		flow_die(flow);
	else
		flow_set_deadline(flow);
}

/* Without a timer there is no bound: then the close is at once. */
static void
flow_set_deadline(struct flow *flow)
{
	int64_t max_ms = flow->loop->linger_max_ms;
	int64_t ms = flow->resetting ? FLOW_RESET_LOOK_MS
		     : max_ms > 0 && max_ms < flow->linger_ms ? max_ms
							      : flow->linger_ms;
	struct timeval timeout = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	if (flow->deadline == NULL)
		flow->deadline =
		    evtimer_new(flow->loop->base, flow_on_deadline, flow);
	if (flow->deadline == NULL || event_add(flow->deadline, &timeout) < 0)
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
}

int
flow_shut(struct flow *flow)
{
	int status = flow->transport == NULL
			 ? 0
			 : flow->transport->ops->shutdown(flow->transport);

	if (status == 0 && shutdown(flow->fd, SHUT_WR) < 0)
		status = -errno;
	flow->shutting = status == -EAGAIN;
	if (status == -EAGAIN)
		flow_watch(flow);
	return status;
}

int
flow_shut_write(struct flow *flow)
{
	int status;

	if (flow->finished || flow->closing)
		return -ESHUTDOWN;
	if (flow_owed(flow) > 0) {
		flow->shutting = 1;
		flow_list(flow);
		return 0;
	}
	status = flow_shut(flow);
	return status == -EAGAIN ? 0 : status;
}

static void
flow_linger(struct flow *flow)
{
	int status = flow->resetting ? 0 : flow_shut(flow);

	if (status == -EAGAIN)
		return;
	flow->lingering = 1;
	/* The end of what the peer had to say was not that of the socket. */
	if (status < 0 || (flow->resetting && flow_queued(flow) == 0) ||
	    bufferevent_enable(flow->bev, EV_READ) < 0)
		flow_die(flow);
	else
		flow_set_deadline(flow);
}

/* Is there an end of the socket after that of the input? */
static int
flow_is_ended(const struct flow *flow)
{
	return flow->eof && (flow->ended || flow->transport == NULL);
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
	if (!flow->dead && flow_owed(flow) == 0 &&
	    (!flow_is_ended(flow) || flow->resetting) && !flow->lingering)
		flow_linger(flow);
	if (flow->dead ||
	    (flow_is_ended(flow) && flow_owed(flow) == 0 && !flow->resetting))
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
		flow_set_heard(flow, 1);
		flow_lend_end(flow);
		flow->closing = 1;
		bufferevent_setwatermark(flow->bev, EV_READ | EV_WRITE, 0, 0);
		flow_end_timeouts(flow);
		evbuffer_freeze(flow->bev->output, 0);
		flow->paused = 0;
		if (!flow->eof && bufferevent_enable(flow->bev, EV_READ) < 0)
			flow->dead = 1;
	}
	if (how == BEVHOST_CLOSE_NOW)
		flow->dead = 1;
	else if (how == BEVHOST_CLOSE_RESET)
		flow->resetting = 1;
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
	if (flow->transport != NULL && (what & BEV_EVENT_READING) &&
	    (what & BEV_EVENT_ERROR) &&
	    EVUTIL_SOCKET_ERROR() == TRANSPORT_TRUNCATED)
		/* What is owed may still be wanted. */
		flow->eof = flow->ended = 1;
	else if (!(what & BEV_EVENT_EOF))
		flow->dead = 1;
	flow_list(flow);
}

void
flow_call(struct flow *flow)
{
	assert(flow->finished);
	flow_list(flow);
}

void
flow_abort(struct flow *flow)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (!flow->finished)
		setsockopt(
		    flow->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
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

int
flow_loop_init(struct flow_loop *loop, struct event_base *base,
    void (*on_closed)(struct flow *flow))
{
	*loop = (struct flow_loop){
		.base = base,
		.on_closed = on_closed,
		.held_max = SIZE_MAX,
		.counter = loop,
	};
	loop->turn = event_new(base, -1, EV_PERSIST, flow_on_turn, loop);
	loop->buffer = malloc(FLOW_READ_MAX);
	if (loop->turn != NULL && loop->buffer != NULL)
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
	flow_file_clear(loop);
}

void
flow_loop_drain(struct flow_loop *loop)
{
	loop->linger_max_ms = FLOW_DRAIN_LINGER_MS;
}
