/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a target to callbacks of a plugin, each of which is called here and
 * nowhere else: a dial, a handshake if there is to be one, then bytes. Whoever
 * is closed calls nothing any more, and is freed by the flow's turn.
 */
#include <bevhost/connect.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/util.h>

#include "call.h"
#include "instance.h"
#include "outbound.h"
#include "outbound_list.h"
#include "outbound_way.h"
#include "tls_stream.h"

struct bevhost_outbound {
	struct outbound outbound; /* first: its callbacks find us by it */
	bufferevent_data_cb read, write;
	bufferevent_event_cb event;
	void (*connected)(struct bevhost_outbound *, int status, void *arg);
	void *arg;
	const struct bevhost_instance *instance;
	struct bevhost_conn *conn; /* or NULL: it is the instance's */
	struct outbound_way *way;  /* while it connects, then NULL */
	const char *why;
	struct bevhost_outbound *next, **link; /* on its owner's list */
	unsigned gone : 1;
};

static struct bevhost_outbound *outbound_of_instances;
static int outbound_stopped;
static struct event_base *outbound_base;
static struct bevhost_outbound **(*outbound_find)(
    struct bevhost_conn *conn, const struct bevhost_instance **instance);

void
outbound_list_set_host(struct bevhost_outbound **(*find)(
    struct bevhost_conn *conn, const struct bevhost_instance **instance))
{
	outbound_find = find;
}

/* Calls into the plugin */

static struct call
outbound_enter(const struct bevhost_outbound *outbound, const char *callback)
{
	return call_enter(outbound->instance, callback, outbound->conn);
}

/* What it did with its connection was outside of that one's callbacks. */
static void
outbound_leave(const struct bevhost_outbound *outbound, struct call before)
{
	call_leave(before);
	if (outbound->conn != NULL)
		flow_handler_ran(flow_of(bevhost_conn_bev(outbound->conn)));
}

static void
outbound_on_read(struct outbound *base)
{
	struct bevhost_outbound *outbound = (struct bevhost_outbound *)base;
	struct call before;

	if (outbound->read == NULL)
		return;
	before = outbound_enter(outbound, "read");
	outbound->read(base->flow.bev, outbound->arg);
	outbound_leave(outbound, before);
}

static void
outbound_on_write(struct outbound *base)
{
	struct bevhost_outbound *outbound = (struct bevhost_outbound *)base;
	struct call before;

	if (outbound->write == NULL)
		return;
	before = outbound_enter(outbound, "write");
	outbound->write(base->flow.bev, outbound->arg);
	outbound_leave(outbound, before);
}

static void
outbound_on_event(struct outbound *base, short what)
{
	struct bevhost_outbound *outbound = (struct bevhost_outbound *)base;
	struct call before = outbound_enter(outbound, "event");

	outbound->event(base->flow.bev, what, outbound->arg);
	outbound_leave(outbound, before);
	if (what & BEV_EVENT_ERROR) {
		bevhost_outbound_close(outbound, BEVHOST_CLOSE_NOW);
		/* Even if it was to be flushed. */
		flow_close(&base->flow, BEVHOST_CLOSE_NOW);
	} else if (!outbound->gone) {
		flow_handler_ran(&base->flow);
	}
}

static void
outbound_call_connected(struct bevhost_outbound *outbound, int status)
{
	struct call before = outbound_enter(outbound, "connected");

	outbound->connected(outbound, status, outbound->arg);
	outbound_leave(outbound, before);
}

/* Connecting */

static void
outbound_join_list(
    struct bevhost_outbound *outbound, struct bevhost_outbound **list)
{
	outbound->link = list;
	outbound->next = *list;
	if (*list != NULL)
		(*list)->link = &outbound->next;
	*list = outbound;
}

static void
outbound_leave_list(struct bevhost_outbound *outbound)
{
	outbound->gone = 1;
	*outbound->link = outbound->next;
	if (outbound->next != NULL)
		outbound->next->link = outbound->link;
}

static void
outbound_fail(struct bevhost_outbound *outbound, int status, const char *why)
{
	outbound_leave_list(outbound);
	outbound->why = why;
	outbound_call_connected(outbound, status);
	free(outbound);
}

static void
outbound_on_closed(struct outbound *base)
{
	outbound_free(base);
}

static void
outbound_on_reached(
    void *arg, int status, const char *why, int fd, struct tls_stream *stream)
{
	static const struct outbound_ops ops = {
		.read = outbound_on_read,
		.write = outbound_on_write,
		.event = outbound_on_event,
		.closed = outbound_on_closed,
	};
	struct bevhost_outbound *outbound = arg;

	outbound->way = NULL;
	if (status == 0) {
		status = outbound_open(&outbound->outbound, &ops,
		    outbound->conn, outbound->instance->guard, fd,
		    stream != NULL ? tls_stream_transport(stream) : NULL);
		if (status < 0 && stream != NULL)
			tls_stream_free(stream);
		if (status < 0)
			close(fd);
	}
	if (status < 0) {
		outbound_fail(outbound, status, why);
		return;
	}
	flow_set_heard(&outbound->outbound.flow, outbound->write != NULL);
	outbound_call_connected(outbound, 0);
	flow_handler_ran(&outbound->outbound.flow);
}

static struct bevhost_outbound *
outbound_new(const struct bevhost_target *target,
    const struct bevhost_outbound_calls *calls, void *arg)
{
	struct bevhost_outbound *outbound;

	if (calls->struct_size < sizeof(*calls) || calls->connected == NULL ||
	    calls->event == NULL) {
		errno = EINVAL;
		return NULL;
	}
	outbound = calloc(1, sizeof(*outbound));
	if (outbound == NULL)
		return NULL;
	outbound->connected = calls->connected;
	outbound->read = calls->read;
	outbound->write = calls->write;
	outbound->event = calls->event;
	outbound->arg = arg;
	outbound->way = outbound_way_start(
	    outbound_base, target, outbound_on_reached, outbound);
	if (outbound->way != NULL)
		return outbound;
	free(outbound);
	return NULL;
}

struct bevhost_outbound *
bevhost_conn_connect(struct bevhost_conn *conn,
    const struct bevhost_target *target,
    const struct bevhost_outbound_calls *calls, void *arg)
{
	const struct bevhost_instance *instance;
	struct bevhost_outbound **list = outbound_find(conn, &instance);
	struct bevhost_outbound *outbound;

	if (list == NULL) {
		errno = ESHUTDOWN;
		return NULL;
	}
	outbound = outbound_new(target, calls, arg);
	if (outbound == NULL)
		return NULL;
	outbound->instance = instance;
	outbound->conn = conn;
	outbound_join_list(outbound, list);
	return outbound;
}

struct bevhost_outbound *
bevhost_instance_connect(struct bevhost_instance *instance,
    const struct bevhost_target *target,
    const struct bevhost_outbound_calls *calls, void *arg)
{
	struct bevhost_outbound *outbound;

	if (outbound_stopped) {
		errno = ESHUTDOWN;
		return NULL;
	}
	outbound = outbound_new(target, calls, arg);
	if (outbound == NULL)
		return NULL;
	outbound->instance = instance;
	outbound_join_list(outbound, &outbound_of_instances);
	return outbound;
}

/* Connected */

struct bufferevent *
bevhost_outbound_bev(const struct bevhost_outbound *outbound)
{
	return outbound->outbound.flow.bev;
}

const char *
bevhost_outbound_why(const struct bevhost_outbound *outbound)
{
	return outbound->outbound.flow.bev != NULL
		   ? flow_why(&outbound->outbound.flow)
		   : outbound->why;
}

void
bevhost_outbound_set_callbacks(struct bevhost_outbound *outbound,
    bufferevent_data_cb read, bufferevent_data_cb write,
    bufferevent_event_cb event)
{
	outbound->read = read;
	outbound->write = write;
	outbound->event = event;
	if (!outbound->gone && outbound->outbound.flow.bev != NULL)
		flow_set_heard(&outbound->outbound.flow, write != NULL);
}

void
bevhost_outbound_set_write_watermark(
    struct bevhost_outbound *outbound, size_t bytes)
{
	if (!outbound->gone && outbound->outbound.flow.bev != NULL)
		flow_set_write_watermark(&outbound->outbound.flow, bytes);
}

int
bevhost_outbound_write_eof(struct bevhost_outbound *outbound)
{
	if (outbound->gone || outbound->outbound.flow.bev == NULL)
		return -ESHUTDOWN;
	return flow_shut_write(&outbound->outbound.flow);
}

int
bevhost_conn_write_eof(struct bevhost_conn *conn)
{
	struct bufferevent *bev = bevhost_conn_bev(conn);

	return bev == NULL || bevhost_conn_is_closing(conn)
		   ? -ESHUTDOWN
		   : flow_shut_write(flow_of(bev));
}

/* Ending */

void
bevhost_outbound_close(
    struct bevhost_outbound *outbound, enum bevhost_close how)
{
	if (outbound->gone)
		return;
	outbound_leave_list(outbound);
	if (outbound->outbound.flow.bev != NULL) {
		outbound_close(&outbound->outbound, how);
		return;
	}
	outbound_way_cancel(outbound->way);
	free(outbound);
}

void
outbound_list_close(struct bevhost_outbound **list)
{
	while (*list != NULL)
		bevhost_outbound_close(*list, BEVHOST_CLOSE_FLUSH);
}

void
outbound_list_init(struct event_base *base)
{
	outbound_base = base;
	outbound_of_instances = NULL;
	outbound_stopped = 0;
}

size_t
outbound_list_count(void)
{
	const struct bevhost_outbound *outbound;
	size_t count = 0;

	/* Those that are connected are the loop's. */
	for (outbound = outbound_of_instances; outbound != NULL;
	     outbound = outbound->next)
		count += outbound->way != NULL;
	return count;
}

static void
outbound_cancel(struct bevhost_outbound *outbound)
{
	if (outbound->outbound.flow.bev == NULL) {
		outbound_way_cancel(outbound->way);
		outbound_fail(outbound, -ECANCELED, NULL);
		return;
	}
	EVUTIL_SET_SOCKET_ERROR(ECANCELED);
	outbound_on_event(
	    &outbound->outbound, BEV_EVENT_READING | BEV_EVENT_ERROR);
}

void
outbound_list_cancel(void)
{
	outbound_stopped = 1;
	while (outbound_of_instances != NULL)
		outbound_cancel(outbound_of_instances);
}
