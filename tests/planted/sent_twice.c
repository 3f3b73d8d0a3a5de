/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends a page for each line, and then "done". Planted: that is sent each time
 * that little of the page is owed, which is once only when all of it is taken
 * at once.
 */
#include <bevhost/plugin.h>

#include <string.h>

#include <event2/buffer.h>

#define SENT_TWICE_PAGE	  ((size_t)16 * 1024)
#define SENT_TWICE_LITTLE ((size_t)8 * 1024)

struct sent_twice {
	int owes_done, has_ended;
};

static int
sent_twice_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	(void)self;
	(void)conn;
	(void)state;
	bufferevent_setwatermark(bev, EV_WRITE, SENT_TWICE_LITTLE, 0);
	return 0;
}

static void
sent_twice_read(struct bufferevent *bev, void *state)
{
	struct sent_twice *sent = state;
	struct evbuffer *input = bufferevent_get_input(bev);
	char page[SENT_TWICE_PAGE];
	struct evbuffer_ptr end =
	    evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_LF);

	if (end.pos < 0 || sent->owes_done)
		return;
	evbuffer_drain(input, (size_t)end.pos + 1);
	memset(page, '.', sizeof(page));
	sent->owes_done = 1;
	if (bufferevent_write(bev, page, sizeof(page)) < 0)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
}

static void
sent_twice_write(struct bufferevent *bev, void *state)
{
	struct sent_twice *sent = state;

	if (!sent->owes_done)
		return;
	sent->owes_done =
	    PLANTED && evbuffer_get_length(bufferevent_get_output(bev)) > 0;
	if (bufferevent_write(bev, "done\n", 5) < 0)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
	else
		sent_twice_read(bev, state);
	if (sent->has_ended && !sent->owes_done)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_FLUSH);
}

static void
sent_twice_event(struct bufferevent *bev, short what, void *state)
{
	struct sent_twice *sent = state;

	sent->has_ended = 1;
	if (!(what & BEV_EVENT_EOF) || !sent->owes_done)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_FLUSH);
}

static struct bevhost_plugin sent_twice_plugin = {
	.name = "sent-twice",
	.state_size = sizeof(struct sent_twice),
	.open = sent_twice_open,
	.read = sent_twice_read,
	.write = sent_twice_write,
	.event = sent_twice_event,
};
BEVHOST_PLUGIN(sent_twice_plugin)
