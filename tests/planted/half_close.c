/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says each line again, in capital letters, when it has thought for a moment.
 * Planted: once the client has ended its side there seems to be nobody to
 * answer, so what came last gets no answer.
 */
#include <bevhost/plugin.h>

#include <ctype.h>
#include <stdlib.h>

#include <event2/buffer.h>

struct half_close {
	struct bufferevent *bev;
	struct bevhost_timer *timer;
	int is_thinking, has_ended;
};

static void
half_close_think(struct half_close *half)
{
	struct evbuffer *input = bufferevent_get_input(half->bev);

	half->is_thinking =
	    evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_LF).pos >= 0;
	if (half->is_thinking && bevhost_timer_start(half->timer, 10) == 0)
		return;
	if (half->has_ended)
		bevhost_conn_close(
		    bevhost_conn_of(half->bev), BEVHOST_CLOSE_FLUSH);
}

static void
half_close_on_timer(struct bevhost_conn *conn, void *state)
{
	struct half_close *half = state;
	size_t len, i;
	int added = -1;
	char *line = evbuffer_readln(
	    bufferevent_get_input(half->bev), &len, EVBUFFER_EOL_LF);

	for (i = 0; line != NULL && i < len; i++)
		line[i] = (char)toupper((unsigned char)line[i]);
	if (line != NULL)
		added = evbuffer_add_printf(
		    bufferevent_get_output(half->bev), "%s\n", line);
	free(line);
	if (added < 0)
		bevhost_conn_close(conn, BEVHOST_CLOSE_NOW);
	else
		half_close_think(half);
}

static int
half_close_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct half_close *half = *state;

	(void)self;
	half->bev = bev;
	half->timer = bevhost_timer_new(conn, half_close_on_timer);
	return half->timer != NULL ? 0 : -1;
}

static void
half_close_read(struct bufferevent *bev, void *state)
{
	struct half_close *half = state;

	(void)bev;
	if (!half->is_thinking)
		half_close_think(half);
}

static void
half_close_event(struct bufferevent *bev, short what, void *state)
{
	struct half_close *half = state;

	half->has_ended = 1;
	if (PLANTED || !(what & BEV_EVENT_EOF) || !half->is_thinking)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_FLUSH);
}

static struct bevhost_plugin half_close_plugin = {
	.name = "half-close",
	.state_size = sizeof(struct half_close),
	.open = half_close_open,
	.read = half_close_read,
	.event = half_close_event,
};
BEVHOST_PLUGIN(half_close_plugin)
