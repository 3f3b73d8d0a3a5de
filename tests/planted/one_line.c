/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says how long each line is. Planted: one line is taken each time that
 * something comes, so that the second of two that come at once waits for a
 * third.
 */
#include <bevhost/plugin.h>

#include <stdlib.h>

#include <event2/buffer.h>

static void
one_line_read(struct bufferevent *bev, void *state)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	char *line;
	size_t len;

	(void)state;
	while ((line = evbuffer_readln(input, &len, EVBUFFER_EOL_LF)) != NULL) {
		free(line);
		if (evbuffer_add_printf(
			bufferevent_get_output(bev), "%zu\n", len) < 0) {
			bevhost_conn_close(
			    bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
			return;
		}
		if (PLANTED)
			return;
	}
}

static struct bevhost_plugin one_line_plugin = {
	.name = "one-line",
	.read = one_line_read,
};
BEVHOST_PLUGIN(one_line_plugin)
