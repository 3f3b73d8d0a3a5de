/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers what it gets one second later. Planted: the timer is an event of its
 * own, which nobody stops when the connection ends, and which then uses a state
 * that is freed.
 */
#include <bevhost/plugin.h>

#include <event2/buffer.h>

struct late_timer {
	struct bufferevent *bev;
	struct bevhost_timer *timer;
};

static struct event_base *late_timer_base;

static int
late_timer_start(void *self, struct event_base *base)
{
	(void)self;
	late_timer_base = base;
	return 0;
}

static void
late_timer_answer(const struct late_timer *late)
{
	if (bufferevent_write(late->bev, "late\n", 5) < 0)
		bevhost_conn_close(
		    bevhost_conn_of(late->bev), BEVHOST_CLOSE_NOW);
}

static void
late_timer_on_event(evutil_socket_t fd, short what, void *state)
{
	(void)fd;
	(void)what;
	late_timer_answer(state);
}

static void
late_timer_on_timer(struct bevhost_conn *conn, void *state)
{
	(void)conn;
	late_timer_answer(state);
}

static int
late_timer_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct late_timer *late = *state;

	(void)self;
	late->bev = bev;
	late->timer = bevhost_timer_new(conn, late_timer_on_timer);
	return late->timer != NULL ? 0 : -1;
}

static void
late_timer_read(struct bufferevent *bev, void *state)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct late_timer *late = state;
	struct evbuffer *input = bufferevent_get_input(bev);

	evbuffer_drain(input, evbuffer_get_length(input));
	if ((PLANTED ? event_base_once(late_timer_base, -1, EV_TIMEOUT,
			   late_timer_on_event, state, &second)
		     : bevhost_timer_start(late->timer, 1000)) < 0)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
}

static struct bevhost_plugin late_timer_plugin = {
	.name = "late-timer",
	.state_size = sizeof(struct late_timer),
	.start = late_timer_start,
	.open = late_timer_open,
	.read = late_timer_read,
};
BEVHOST_PLUGIN(late_timer_plugin)
