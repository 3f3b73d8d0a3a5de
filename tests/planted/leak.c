/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps all lines, and says them again, the last one first, when it is asked
 * for them by an empty one. Planted: a line is lost when there is no memory for
 * its entry.
 */
#include <bevhost/plugin.h>

#include <stdlib.h>

#include <event2/buffer.h>

struct leak_line {
	struct leak_line *before;
	char *text;
};

struct leak {
	struct leak_line *last;
};

static void
leak_forget(struct leak *leak)
{
	struct leak_line *line;

	while ((line = leak->last) != NULL) {
		leak->last = line->before;
		free(line->text);
		free(line);
	}
}

/* Takes text. */
static int
leak_keep(struct leak *leak, char *text)
{
	struct leak_line *line = malloc(sizeof(*line));

	if (line == NULL) {
		if (!PLANTED)
			free(text);
		return -1;
	}
	line->text = text;
	line->before = leak->last;
	leak->last = line;
	return 0;
}

static int
leak_say(const struct leak *leak, struct evbuffer *output)
{
	const struct leak_line *line;

	for (line = leak->last; line != NULL; line = line->before)
		if (evbuffer_add_printf(output, "%s\n", line->text) < 0)
			return -1;
	return 0;
}

static void
leak_read(struct bufferevent *bev, void *state)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	char *text;
	int status = 0;

	while (status == 0 &&
	       (text = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF)) != NULL) {
		if (text[0] != '\0') {
			status = leak_keep(state, text);
			continue;
		}
		free(text);
		status = leak_say(state, bufferevent_get_output(bev));
	}
	if (status < 0)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
}

static void
leak_close(void *state, enum bevhost_reason reason)
{
	(void)reason;
	leak_forget(state);
}

static struct bevhost_plugin leak_plugin = {
	.name = "leak",
	.state_size = sizeof(struct leak),
	.read = leak_read,
	.close = leak_close,
};
BEVHOST_PLUGIN(leak_plugin)
