/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers each line with how long it is. Planted: what is no whole line yet is
 * thrown away, as if nothing ever came in pieces.
 */
#include <bevhost/plugin.h>

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

static void
partial_read(struct bufferevent *bev, void *state)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	char *line;
	int added;

	(void)state;
	while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF)) != NULL) {
		added = evbuffer_add_printf(
		    bufferevent_get_output(bev), "%zu\n", strlen(line));
		free(line);
		if (added < 0) {
			bevhost_conn_close(
			    bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
			return;
		}
	}
	if (PLANTED)
		evbuffer_drain(input, evbuffer_get_length(input));
}

static struct bevhost_plugin partial_plugin = {
	.name = "partial",
	.read = partial_read,
};
BEVHOST_PLUGIN(partial_plugin)
