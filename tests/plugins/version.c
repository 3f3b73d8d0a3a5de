/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers whatever comes with ANSWER: the same plugin, changed. */
#include <bevhost/plugin.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

static void
version_read(struct bufferevent *bev, void *state)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	(void)state;
	evbuffer_drain(input, evbuffer_get_length(input));
	bufferevent_write(bev, ANSWER, sizeof(ANSWER) - 1);
}

static struct bevhost_plugin plugin = {
	.name = "version",
	.version = ANSWER,
	.read = version_read,
};
BEVHOST_PLUGIN(plugin)
