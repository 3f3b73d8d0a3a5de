/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says how many bytes each line has, which it takes by the kibibyte. Planted:
 * when the last one was full, and no line ended there, the nothing that follows
 * is counted, too.
 */
#include <bevhost/plugin.h>

#include <string.h>

#include <event2/buffer.h>

#define EDGE_BUF 1024

struct edge {
	size_t count;
};

static int
edge_take(struct edge *edge, struct evbuffer *output, const char *buf, int len)
{
	const char *end;

	while (len > 0) {
		end = memchr(buf, '\n', (size_t)len);
		if (end == NULL) {
			edge->count += (size_t)len;
			return 0;
		}
		edge->count += (size_t)(end - buf);
		if (evbuffer_add_printf(output, "%zu\n", edge->count) < 0)
			return -1;
		edge->count = 0;
		len -= (int)(end - buf) + 1;
		buf = end + 1;
	}
	return 0;
}

static void
edge_read(struct bufferevent *bev, void *state)
{
	struct edge *edge = state;
	char buf[EDGE_BUF];
	int len;

	do {
		len = evbuffer_remove(
		    bufferevent_get_input(bev), buf, sizeof(buf));
		if (PLANTED && len == 0 && edge->count > 0)
			edge->count++;
		if (edge_take(edge, bufferevent_get_output(bev), buf, len) < 0)
			bevhost_conn_close(
			    bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
	} while (len == EDGE_BUF);
}

static struct bevhost_plugin edge_plugin = {
	.name = "edge",
	.state_size = sizeof(struct edge),
	.read = edge_read,
};
BEVHOST_PLUGIN(edge_plugin)
