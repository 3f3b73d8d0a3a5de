/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks now and then whether the targets are there: each is connected to, and
 * left again. What a check finds out counts until the next one.
 */
#include "proxy.h"

#include <errno.h>

#include <event2/event.h>

static void
proxy_check_on_connected(
    struct bevhost_outbound *outbound, int status, void *arg)
{
	struct proxy_target *target = arg;

	target->check = NULL;
	if (status == 0) {
		proxy_target_is_up(target);
		bevhost_outbound_close(outbound, BEVHOST_CLOSE_FLUSH);
	} else if (status != -ECANCELED) {
		proxy_target_is_down(
		    target, status, bevhost_outbound_why(outbound));
	}
}

/* It is closed when it is connected: nothing comes. */
static void
proxy_check_on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	(void)arg;
}

static void
proxy_check_target(struct proxy_target *target)
{
	static const struct bevhost_outbound_calls calls = {
		.struct_size = sizeof(calls),
		.connected = proxy_check_on_connected,
		.event = proxy_check_on_event,
	};
	struct proxy *proxy = target->proxy;
	unsigned char header[PROXY_HEADER_MAX];
	struct bevhost_target where;

	/* One that takes longer than the interval goes on. */
	if (target->check != NULL)
		return;
	proxy_target_fill(target, &where);
	where.preface = header;
	where.preface_size = proxy_header(proxy, NULL, header);
	target->check =
	    bevhost_instance_connect(proxy->instance, &where, &calls, target);
	if (target->check == NULL)
		proxy_target_is_down(target, -errno, NULL);
}

static void
proxy_check_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct proxy *proxy = arg;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < proxy->count; i++)
		proxy_check_target(&proxy->targets[i]);
}

void
proxy_checks_stop(struct proxy *proxy)
{
	if (proxy->check_timer != NULL)
		event_free(proxy->check_timer);
	proxy->check_timer = NULL;
}

int
proxy_checks_start(struct proxy *proxy, struct event_base *base)
{
	struct timeval interval = {
		.tv_sec = (time_t)(proxy->check_ms / 1000),
		.tv_usec = (suseconds_t)(proxy->check_ms % 1000 * 1000),
	};

	if (proxy->check_ms == 0)
		return 0;
	proxy->check_timer =
	    event_new(base, -1, EV_PERSIST, proxy_check_on_timer, proxy);
	if (proxy->check_timer == NULL ||
	    event_add(proxy->check_timer, &interval) < 0) {
		bevhost_error("no memory for checks");
		proxy_checks_stop(proxy);
		return -1;
	}
	/* The first ones are now. */
	event_active(proxy->check_timer, EV_TIMEOUT, 1);
	return 0;
}
