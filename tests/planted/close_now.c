/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says each line again. Planted: at the end it closes at once, and what the
 * network has not taken by then is lost.
 */
#include <bevhost/plugin.h>

#include <stdlib.h>

#include <event2/buffer.h>

static void
close_now_read(struct bufferevent *bev, void *state)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	char *line;

	(void)state;
	while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF)) != NULL) {
		int added = evbuffer_add_printf(
		    bufferevent_get_output(bev), "%s\n", line);

		free(line);
		if (added < 0) {
			bevhost_conn_close(
			    bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
			return;
		}
	}
}

static void
close_now_event(struct bufferevent *bev, short what, void *state)
{
	(void)what;
	(void)state;
	bevhost_conn_close(bevhost_conn_of(bev),
	    PLANTED ? BEVHOST_CLOSE_NOW : BEVHOST_CLOSE_FLUSH);
}

static struct bevhost_plugin close_now_plugin = {
	.name = "close-now",
	.read = close_now_read,
	.event = close_now_event,
};
BEVHOST_PLUGIN(close_now_plugin)
