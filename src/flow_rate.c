/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that move no faster than they may. What may not be read yet stays in
 * the kernel, with the read event off; what may not be written yet stays in
 * the output, with the write event at rest. A timer then goes on: until then a
 * flow costs nothing.
 */
#include <stdlib.h>

#include <event2/event_struct.h>

#include "byte_rate.h"
#include "clock.h"
#include "flow.h"
#include "flow_host.h"
#include "flow_own.h"

/* One direction. */
struct flow_rate {
	struct byte_rate bucket;
	struct event timer;
	unsigned on : 1, dry : 1;
	unsigned waits : 1; /* for the timer */
};

struct flow_rates {
	struct flow_rate in, out;
};

static void
flow_rate_on_in(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	flow->rates->in.waits = 0;
	flow_resume(flow, FLOW_PAUSED_RATE);
}

static void
flow_rate_on_out(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	flow->rates->out.waits = 0;
	flow_list(flow);
}

static void
flow_rate_set(struct flow *flow, struct flow_rate *rate, int64_t per_second,
    int dry, event_callback_fn on_timer)
{
	event_assign(&rate->timer, flow->loop->base, -1, 0, on_timer, flow);
	rate->on = per_second > 0;
	rate->dry = dry != 0;
	if (rate->on)
		byte_rate_init(&rate->bucket, per_second, clock_ms());
}

int
flow_set_rates(struct flow *flow, const struct flow_rate_limits *limits)
{
	if (limits->in <= 0 && limits->out <= 0)
		return 0;
	flow->rates = calloc(1, sizeof(*flow->rates));
	if (flow->rates == NULL)
		return -1;
	flow_rate_set(flow, &flow->rates->in, limits->in, limits->dry_in,
	    flow_rate_on_in);
	flow_rate_set(flow, &flow->rates->out, limits->out, limits->dry_out,
	    flow_rate_on_out);
	return 0;
}

/* Nobody may wait for ever: without a timer there is no limit. */
static int
flow_rate_wait(struct flow_rate *rate, size_t bytes)
{
	int64_t wait_ms = byte_rate_wait(&rate->bucket, bytes);
	struct timeval timeout = {
		.tv_sec = (time_t)(wait_ms / 1000),
		.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000),
	};

	if (rate->waits)
		return 1;
	rate->waits = event_add(&rate->timer, &timeout) == 0;
	return rate->waits;
}

static size_t
flow_rate_room(
    struct flow *flow, struct flow_rate *rate, size_t want, const char *name)
{
	size_t room;

	if (!rate->on)
		return want;
	room = byte_rate_room(&rate->bucket, clock_ms());
	if (room == 0 && rate->dry) {
		if (flow->loop->host != NULL)
			flow->loop->host->dry_run(flow, name);
		/* To be told of again, but not of what is past. */
		rate->bucket.room = rate->bucket.per_second * 100;
		return want;
	}
	if (room == 0)
		return flow_rate_wait(rate, want) ? 0 : want;
	return room < want && !rate->dry ? room : want;
}

size_t
flow_rate_in(struct flow *flow, size_t want)
{
	want = flow_rate_room(flow, &flow->rates->in, want, "bytes-in-rate");
	if (want == 0)
		flow_pause(flow, FLOW_PAUSED_RATE);
	return want;
}

size_t
flow_rate_out(struct flow *flow, size_t want)
{
	return flow_rate_room(flow, &flow->rates->out, want, "bytes-out-rate");
}

void
flow_rate_moved(struct flow *flow, size_t in, size_t out)
{
	if (flow->rates->in.on)
		byte_rate_take(&flow->rates->in.bucket, in);
	if (flow->rates->out.on)
		byte_rate_take(&flow->rates->out.bucket, out);
}

int
flow_is_slow_in(const struct flow *flow)
{
	return flow->rates != NULL && flow->rates->in.waits;
}

int
flow_is_slow_out(const struct flow *flow)
{
	return flow->rates != NULL && flow->rates->out.waits;
}

void
flow_rate_clear(struct flow *flow)
{
	if (flow->rates == NULL)
		return;
	event_del(&flow->rates->in.timer);
	event_del(&flow->rates->out.timer);
	free(flow->rates);
	flow->rates = NULL;
}
