/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * greeting-async: the greeting as one function that waits. It works on the
 * buffers themselves: a chunk is dropped without being copied, and while the
 * peer is silent its stack is one page.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/task.h>

#include <event2/buffer.h>

#include "../greeting/greeting.h"

/* No wait for the answer: the host stops reading while too much is owed. */
static int
greeting_run(struct bevhost_stream *stream, void *self)
{
	const struct greeting *greeting = self;
	struct bevhost_conn *conn = bevhost_stream_conn(stream);
	struct bufferevent *bev = bevhost_stream_bev(stream);
	struct evbuffer *input = bufferevent_get_input(bev);

	greeting_log_connected(conn);
	while (bevhost_stream_wait(stream, -1) > 0) {
		greeting_log_sent(conn, input);
		evbuffer_drain(input, evbuffer_get_length(input));
		if (bufferevent_write(bev, greeting->text, greeting->text_len) <
		    0)
			return -1;
	}
	return 0;
}

static struct bevhost_plugin greeting_async_plugin = {
	.name = "greeting-async",
	.version = PACKAGE_VERSION,
	.summary = "answers each chunk that arrives with a text",
	.params = greeting_params,
	.bare_param = "text",
	.self_size = sizeof(struct greeting),
	.ready = greeting_ready,
	.run = greeting_run,
};
BEVHOST_PLUGIN(greeting_async_plugin)
