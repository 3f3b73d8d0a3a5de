/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * greeting: answers each chunk that arrives with a text, until the peer has
 * sent its last. The default handler, and the first one to read: in the model
 * of callbacks, beside greeting-generator and greeting-async.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>

#include <event2/buffer.h>

#include "greeting.h"

static int
greeting_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	(void)bev;
	*state = self;
	greeting_log_connected(conn);
	return 0;
}

static void
greeting_read(struct bufferevent *bev, void *state)
{
	const struct greeting *greeting = state;
	struct evbuffer *input = bufferevent_get_input(bev);
	struct bevhost_conn *conn = bevhost_conn_of(bev);

	greeting_log_sent(conn, input);
	evbuffer_drain(input, evbuffer_get_length(input));
	/* Without memory for it: else the peer waits for what never comes. */
	if (bufferevent_write(bev, greeting->text, greeting->text_len) < 0)
		bevhost_conn_close(conn, BEVHOST_CLOSE_NOW);
}

static struct bevhost_plugin greeting_plugin = {
	.name = "greeting",
	.version = PACKAGE_VERSION,
	.summary = "answers each chunk that arrives with a text",
	.params = greeting_params,
	.bare_param = "text",
	.self_size = sizeof(struct greeting),
	.ready = greeting_ready,
	.open = greeting_open,
	.read = greeting_read,
};
BEVHOST_PLUGIN(greeting_plugin)
