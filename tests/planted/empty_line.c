/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts lines, which may end with CR, LF or both, and says how many there
 * were. Empty ones do not count. Planted: it waits for the line after an empty
 * one, which it has not taken, and sees it again for ever.
 */
#include <bevhost/plugin.h>

#include <event2/buffer.h>

struct empty_line {
	size_t lines;
};

/* The length of the first line, without its end, or -1: it is not whole
   yet. */
static ssize_t
empty_line_find(struct evbuffer *input, size_t *eol_len)
{
	return evbuffer_search_eol(input, NULL, eol_len, EVBUFFER_EOL_ANY).pos;
}

static void
empty_line_read(struct bufferevent *bev, void *state)
{
	struct empty_line *count = state;
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t eol_len;
	ssize_t len;

	while ((len = empty_line_find(input, &eol_len)) >= 0) {
		if (PLANTED && len == 0)
			continue;
		evbuffer_drain(input, (size_t)len + eol_len);
		if (len > 0 && evbuffer_add_printf(bufferevent_get_output(bev),
				   "%zu\n", ++count->lines) < 0)
			bevhost_conn_close(
			    bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
	}
}

static struct bevhost_plugin empty_line_plugin = {
	.name = "empty-line",
	.state_size = sizeof(struct empty_line),
	.read = empty_line_read,
};
BEVHOST_PLUGIN(empty_line_plugin)
