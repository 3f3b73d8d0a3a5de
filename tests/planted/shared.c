/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says each line again, when it is whole. Planted: the line is not each
 * connection's own, so that one begins with what another one has left.
 */
#include <bevhost/plugin.h>

#include <event2/buffer.h>

struct shared {
	size_t len;
	char line[64];
};

static struct shared shared_all;

static void
shared_read(struct bufferevent *bev, void *state)
{
	struct shared *shared = PLANTED ? &shared_all : state;
	struct evbuffer *input = bufferevent_get_input(bev);
	char byte;

	while (evbuffer_remove(input, &byte, 1) == 1) {
		if (shared->len < sizeof(shared->line))
			shared->line[shared->len++] = byte;
		if (byte != '\n')
			continue;
		if (bufferevent_write(bev, shared->line, shared->len) < 0)
			bevhost_conn_close(
			    bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
		shared->len = 0;
	}
}

static struct bevhost_plugin shared_plugin = {
	.name = "shared",
	.state_size = sizeof(struct shared),
	.read = shared_read,
};
BEVHOST_PLUGIN(shared_plugin)
