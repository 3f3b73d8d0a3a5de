/* SPDX-License-Identifier: BSD-2-Clause */
/* skeleton: greets each name that a client sends, one in a line. */
#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>

#include <event2/buffer.h>
#include <stdlib.h>

/* An instance, with its parameters: bevhost skeleton greeting=Hi */
struct skeleton_instance {
	const char *greeting;
};

static const struct bevhost_param skeleton_params[] = {
	{ .name = "greeting",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "Hello",
	    .max = 50,
	    .help = "what comes before each name",
	    .field = BEVHOST_FIELD(struct skeleton_instance, greeting) },
	{ .name = NULL },
};

/* Somebody has connected, and is closed after a minute of silence. */
static int
skeleton_open(void *instance, struct bevhost_conn *conn,
    struct bufferevent *bev, void **state)
{
	static const struct timeval minute = { .tv_sec = 60 };

	(void)instance, (void)conn, (void)state;
	return bufferevent_set_timeouts(bev, &minute, NULL);
}

/* Bytes have come: half a line, or three lines. */
static void
skeleton_read(struct bufferevent *bev, void *state)
{
	const struct skeleton_instance *self =
	    bevhost_conn_self(bevhost_conn_of(bev));
	struct evbuffer *input = bufferevent_get_input(bev);
	int *greeted = state, answered = 1;
	char *line;

	while (answered > 0 &&
	       (line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF))) {
		answered = evbuffer_add_printf(bufferevent_get_output(bev),
		    "%s, %s! You are number %d.\n", self->greeting, line,
		    ++*greeted);
		free(line);
	}
	/* There is no memory, or nobody is called that. */
	if (answered < 0 || evbuffer_get_length(input) >= 200)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_FLUSH);
}

static struct bevhost_plugin skeleton_plugin = {
	.name = "skeleton",
	.summary = "greets each name that a client sends",
	.params = skeleton_params,
	.self_size = sizeof(struct skeleton_instance),
	.state_size = sizeof(int), /* what a connection remembers: greeted */
	.open = skeleton_open,
	.read = skeleton_read,
};
BEVHOST_PLUGIN(skeleton_plugin)
