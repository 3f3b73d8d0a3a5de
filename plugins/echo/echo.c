/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo: sends back every byte (RFC 862). The bytes move from one buffer to
 * the other without being copied; a peer that does not read is not read from.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>

#include <event2/buffer.h>

static void
echo_read(struct bufferevent *bev, void *state)
{
	(void)state;
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static struct bevhost_plugin echo_plugin = {
	.name = "echo",
	.version = PACKAGE_VERSION,
	.summary = "sends back every byte (RFC 862)",
	.read = echo_read,
};
BEVHOST_PLUGIN(echo_plugin)
