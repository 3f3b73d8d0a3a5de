/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says each line again, a moment later. Planted: the callback itself waits for
 * that moment, and so does every other connection.
 */
#include <bevhost/plugin.h>

#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>

#define BLOCKS_MS 150

struct blocks {
	struct bevhost_timer *timer;
	struct bufferevent *bev;
};

static int
blocks_has_line(struct bufferevent *bev)
{
	return evbuffer_search_eol(
		   bufferevent_get_input(bev), NULL, NULL, EVBUFFER_EOL_LF)
		   .pos >= 0;
}

static void
blocks_say(struct bufferevent *bev)
{
	char *line;
	int added = 0;

	while (added >= 0 && (line = evbuffer_readln(bufferevent_get_input(bev),
				  NULL, EVBUFFER_EOL_LF)) != NULL) {
		added = evbuffer_add_printf(
		    bufferevent_get_output(bev), "%s\n", line);
		free(line);
	}
	if (added < 0)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
}

static void
blocks_on_timer(struct bevhost_conn *conn, void *state)
{
	struct blocks *blocks = state;

	(void)conn;
	blocks_say(blocks->bev);
}

static int
blocks_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct blocks *blocks = *state;

	(void)self;
	blocks->bev = bev;
	blocks->timer = bevhost_timer_new(conn, blocks_on_timer);
	return blocks->timer != NULL ? 0 : -1;
}

static void
blocks_read(struct bufferevent *bev, void *state)
{
	struct blocks *blocks = state;

	if (!blocks_has_line(bev))
		return;
	if (PLANTED) {
		usleep(BLOCKS_MS * 1000);
		blocks_say(bev);
	} else if (bevhost_timer_start(blocks->timer, BLOCKS_MS) < 0) {
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
	}
}

static struct bevhost_plugin blocks_plugin = {
	.name = "blocks",
	.state_size = sizeof(struct blocks),
	.open = blocks_open,
	.read = blocks_read,
};
BEVHOST_PLUGIN(blocks_plugin)
