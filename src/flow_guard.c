/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guard is to see of a flow, and one timer for it. While nothing moves
 * the timer is that of the next deadline; with the first byte it is told, once,
 * and comes often for a while.
 */
#include "flow_guard.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <event2/buffer.h>
#include <event2/event_struct.h>

#include "clock.h"
#include "flow.h"
#include "flow_host.h"
#include "flow_lend.h"
#include "flow_own.h"
#include "guard.h"
#include "settings_guard.h"

struct flow_guard {
	struct guard guard;
	struct event timer;
};

size_t
flow_queued(const struct flow *flow)
{
	int bytes = 0;

	/* A unix socket counts memory, not bytes. */
	if (!flow->tcp || ioctl(flow->fd, SIOCOUTQ, &bytes) < 0 || bytes < 0)
		return 0;
	return (size_t)bytes;
}

int
flow_is_full(const struct flow *flow)
{
	return (flow->paused & FLOW_PAUSED_INPUT) && flow_owed(flow) == 0 &&
	       flow_queued(flow) == 0;
}

/*
 * Those that are awake come again and again after the same time, so libevent
 * can keep them in a queue: in its heap each would pass a dozen others. When it
 * has no queue for one more time, it would say so each time it is asked.
 */
static int
flow_guard_set_timer(struct flow *flow, int64_t ms)
{
	struct flow_loop *loop = flow->loop;
	const struct timeval timeout = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};
	const struct timeval *queued = NULL;

	if (!loop->unqueued && ms == guard_wake(&flow->guard->guard)) {
		queued = event_base_init_common_timeout(loop->base, &timeout);
		loop->unqueued = queued == NULL;
	}
	return event_add(
	    &flow->guard->timer, queued != NULL ? queued : &timeout);
}

void
flow_guard_wake(struct flow *flow)
{
	flow->asleep = 0;
	/* Half a step, since from the look on things are dated. */
	flow_guard_set_timer(flow, guard_wake(&flow->guard->guard) / 2);
}

/* Somebody else moves the bytes: nobody tells of the next one. */
static void
flow_guard_see_lent(struct flow *flow, struct guard_look *look)
{
	uint64_t taken;

	flow_lent_moved(flow, &look->received, &taken);
	look->arrived = look->received;
	look->sent = taken + look->queued;
}

static void
flow_guard_see(struct flow *flow, struct guard_look *look)
{
	int partial = 0;

	*look = (struct guard_look){
		.received = flow->received,
		.arrived = flow->received,
		.sent = flow->sent,
		.unread = evbuffer_get_length(bufferevent_get_input(flow->bev)),
		.queued = flow_queued(flow),
		.slow_in = flow_is_slow_in(flow) != 0,
		.slow_out = flow_is_slow_out(flow) != 0,
		.closing = flow->closing,
	};
	/* A peer cannot send what we do not read. */
	look->waits =
	    flow->loop->host->waits(flow) &&
	    !(flow->paused & (FLOW_PAUSED_OUTPUT | FLOW_PAUSED_MEMORY));
	if (flow->transport != NULL && flow->transport->ops->arrived != NULL) {
		look->arrived =
		    flow->transport->ops->arrived(flow->transport, &partial);
		look->partial = partial != 0;
	}
	if (flow->lent)
		flow_guard_see_lent(flow, look);
	/* Nor take what the handler holds back. */
	if (!look->slow_out && (bufferevent_get_enabled(flow->bev) & EV_WRITE))
		look->unsent = flow_owed(flow) + flow->shutting;
}

static void
flow_guard_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;
	enum bevhost_reason reason;
	struct guard_look look;
	int64_t next_ms;
	int asleep = 0;

	(void)fd;
	(void)what;
	flow_guard_see(flow, &look);
	next_ms = guard_check(
	    &flow->guard->guard, &look, clock_ms(), &reason, &asleep);
	if (next_ms < 0) {
		flow->loop->host->strike(flow, reason);
		/* One that closes flushing has deadlines still. */
		next_ms = guard_wake(&flow->guard->guard);
	}
	if (flow->lent && next_ms > guard_wake(&flow->guard->guard))
		next_ms = guard_wake(&flow->guard->guard);
	flow->asleep = asleep != 0 && !flow->lent;
	if (flow_guard_set_timer(flow, next_ms) < 0)
		flow->loop->host->strike(flow, BEVHOST_REASON_OVERLOAD);
}

int
flow_guard_counts_idle(const struct flow *flow)
{
	return flow->guard != NULL &&
	       flow->guard->guard.settings->idle_timeout > 0;
}

void
flow_guard_closing(struct flow *flow)
{
	if (flow->asleep)
		flow_guard_wake(flow);
}

static int
flow_guard_is_dry(const struct settings_guard *settings, const char *name)
{
	int at = -1;

	while ((at = settings_item_next(settings, "dry-run", at + 1)) >= 0)
		if (strcmp(settings->items[at].value, name) == 0)
			return 1;
	return 0;
}

static int
flow_guard_set_rates(struct flow *flow, const struct settings_guard *settings)
{
	struct flow_rate_limits limits = {
		.in = settings->bytes_in_rate,
		.out = settings->bytes_out_rate,
	};

	if (limits.in <= 0 && limits.out <= 0)
		return 0;
	limits.dry_in = flow_guard_is_dry(settings, "bytes-in-rate");
	limits.dry_out = flow_guard_is_dry(settings, "bytes-out-rate");
	return flow_set_rates(flow, &limits);
}

int
flow_guard_start(
    struct flow *flow, int is_tcp, const struct settings_guard *settings)
{
	static const struct settings_guard none;

	flow->tcp = is_tcp != 0;
	if (settings == NULL)
		settings = &none;
	else
		flow_set_limits(flow, (size_t)settings->max_buffer,
		    settings->linger_timeout);
	/* What may wait is not to be overrun by what is still read. */
	if (settings->max_buffer > 0 &&
	    settings->max_buffer < (int64_t)FLOW_WRITE_WATERMARK)
		flow_set_write_watermark(flow, (size_t)settings->max_buffer);
	if (flow_guard_set_rates(flow, settings) < 0)
		return -1;
	flow->guard = calloc(1, sizeof(*flow->guard));
	if (flow->guard == NULL)
		return -1;
	guard_init(&flow->guard->guard, settings, clock_ms());
	event_assign(&flow->guard->timer, flow->loop->base, -1, 0,
	    flow_guard_on_timer, flow);
	return flow_guard_set_timer(flow, guard_wake(&flow->guard->guard));
}

void
flow_guard_stop(struct flow *flow)
{
	if (flow->guard == NULL)
		return;
	event_del(&flow->guard->timer);
	free(flow->guard);
	flow->guard = NULL;
	flow->asleep = 0;
}
