/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * discard: takes every byte and answers nothing (RFC 863).
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>

#include <event2/buffer.h>

static void
discard_read(struct bufferevent *bev, void *state)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	(void)state;
	evbuffer_drain(input, evbuffer_get_length(input));
}

static struct bevhost_plugin discard_plugin = {
	.name = "discard",
	.version = PACKAGE_VERSION,
	.summary = "takes every byte and answers nothing (RFC 863)",
	.read = discard_read,
};
BEVHOST_PLUGIN(discard_plugin)
