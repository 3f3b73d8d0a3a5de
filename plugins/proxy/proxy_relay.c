/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes both ways between two bevs. They are moved from the input of one to
 * the output of the other, and not copied. While one end takes less than the
 * other sends, the other is not read from. The end of one way is passed on, and
 * the other way goes on; when both have ended, so does the relay.
 */
#include "proxy.h"

#include <errno.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

/*
 * With more of one way waiting here no more of it is read, until half has gone.
 * Less than what would make the host pause the other way too.
 */
#define PROXY_WAITING_MAX ((size_t)256 * 1024)

static void
proxy_forward(
    struct proxy_relay *relay, struct bufferevent *from, struct bufferevent *to)
{
	relay->quiet = 0;
	bufferevent_write_buffer(to, bufferevent_get_input(from));
}

static int
proxy_is_full(struct bufferevent *to)
{
	return evbuffer_get_length(bufferevent_get_output(to)) >
	       PROXY_WAITING_MAX;
}

/* Both ends have said their last, and heard that of the other. */
static void
proxy_relay_end(struct proxy_relay *relay)
{
	if (!relay->client_ended || !relay->target_ended)
		return;
	bevhost_outbound_close(relay->outbound, BEVHOST_CLOSE_FLUSH);
	relay->outbound = NULL;
	bevhost_conn_set_reason(
	    relay->conn, BEVHOST_REASON_PEER, "%s", relay->target->text);
	bevhost_conn_close(relay->conn, BEVHOST_CLOSE_FLUSH);
}

/* From the client to the target */

static void
proxy_relay_on_target_written(struct bufferevent *target, void *arg)
{
	struct proxy_relay *relay = arg;

	(void)target;
	bevhost_outbound_set_callbacks(
	    relay->outbound, proxy_calls.read, NULL, proxy_calls.event);
	bufferevent_enable(bevhost_conn_bev(relay->conn), EV_READ);
}

void
proxy_relay_on_read(struct bufferevent *client, void *state)
{
	struct proxy_relay *relay = state;
	struct bufferevent *target = bevhost_outbound_bev(relay->outbound);

	proxy_forward(relay, client, target);
	if (!proxy_is_full(target))
		return;
	bufferevent_disable(client, EV_READ);
	bufferevent_setwatermark(target, EV_WRITE, PROXY_WAITING_MAX / 2, 0);
	bevhost_outbound_set_callbacks(relay->outbound, proxy_calls.read,
	    proxy_relay_on_target_written, proxy_calls.event);
}

/* The client has failed: what it sent is sent still, and no end is made up. */
static void
proxy_relay_lose_client(struct proxy_relay *relay, struct bufferevent *client)
{
	proxy_forward(relay, client, bevhost_outbound_bev(relay->outbound));
	bevhost_outbound_close(relay->outbound, BEVHOST_CLOSE_RESET);
	relay->outbound = NULL;
}

void
proxy_relay_on_event(struct bufferevent *client, short what, void *state)
{
	struct proxy_relay *relay = state;

	if (!(what & BEV_EVENT_EOF)) {
		proxy_relay_lose_client(relay, client);
		return;
	}
	proxy_forward(relay, client, bevhost_outbound_bev(relay->outbound));
	relay->client_ended = 1;
	bevhost_outbound_write_eof(relay->outbound);
	proxy_relay_end(relay);
}

/* From the target to the client */

static void
proxy_relay_on_client_written(struct bufferevent *client, void *state)
{
	struct proxy_relay *relay = state;

	(void)client;
	bevhost_conn_set_callbacks(
	    relay->conn, proxy_relay_on_read, NULL, proxy_relay_on_event);
	bufferevent_enable(bevhost_outbound_bev(relay->outbound), EV_READ);
}

static void
proxy_relay_on_target_read(struct bufferevent *target, void *arg)
{
	struct proxy_relay *relay = arg;
	struct bufferevent *client = bevhost_conn_bev(relay->conn);

	proxy_forward(relay, target, client);
	if (!proxy_is_full(client))
		return;
	bufferevent_disable(target, EV_READ);
	bufferevent_setwatermark(client, EV_WRITE, PROXY_WAITING_MAX / 2, 0);
	bevhost_conn_set_callbacks(relay->conn, proxy_relay_on_read,
	    proxy_relay_on_client_written, proxy_relay_on_event);
}

static void
proxy_relay_on_target_event(struct bufferevent *target, short what, void *arg)
{
	struct proxy_relay *relay = arg;
	int error = what & BEV_EVENT_TIMEOUT ? ETIMEDOUT : errno;

	proxy_forward(relay, target, bevhost_conn_bev(relay->conn));
	if (!(what & BEV_EVENT_EOF)) {
		bevhost_conn_set_reason(relay->conn, BEVHOST_REASON_HANDLER,
		    "%s: %s", relay->target->text,
		    proxy_what(relay->target, -error,
			bevhost_outbound_why(relay->outbound)));
		bevhost_conn_close(relay->conn, BEVHOST_CLOSE_RESET);
		return;
	}
	relay->target_ended = 1;
	bevhost_conn_write_eof(relay->conn);
	proxy_relay_end(relay);
}

void
proxy_relay_finish(struct proxy_relay *relay)
{
	bevhost_conn_set_reason(
	    relay->conn, BEVHOST_REASON_DRAIN, "%s", relay->target->text);
	bevhost_conn_close(relay->conn, BEVHOST_CLOSE_FLUSH);
}

void
proxy_relay_start(struct proxy_relay *relay)
{
	struct bufferevent *client = bevhost_conn_bev(relay->conn);

	bevhost_conn_set_callbacks(
	    relay->conn, proxy_relay_on_read, NULL, proxy_relay_on_event);
	proxy_relay_on_read(client, relay);
	if (relay->client_ended)
		bevhost_outbound_write_eof(relay->outbound);
	else if (!proxy_is_full(bevhost_outbound_bev(relay->outbound)))
		bufferevent_enable(client, EV_READ);
}

static void
proxy_on_connected(struct bevhost_outbound *outbound, int status, void *arg)
{
	proxy_connected(arg, outbound, status);
}

const struct bevhost_outbound_calls proxy_calls = {
	.struct_size = sizeof(proxy_calls),
	.connected = proxy_on_connected,
	.read = proxy_relay_on_target_read,
	.event = proxy_relay_on_target_event,
};
