/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * greeting: answers each chunk that arrives with a text, until the peer has
 * sent its last. The default handler, and the first one to read.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>

#include <string.h>

#include <event2/buffer.h>

struct greeting {
	const char *text;
	size_t text_len;
};

static const struct bevhost_param greeting_params[] = {
	{
	    .name = "text",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "Hello World!",
	    .help = "what each chunk is answered with",
	    .field = BEVHOST_FIELD(struct greeting, text),
	},
	{ .name = NULL },
};

static int
greeting_ready(void *self)
{
	struct greeting *greeting = self;

	greeting->text_len = strlen(greeting->text);
	return 0;
}

static int
greeting_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	(void)bev;
	*state = self;
	bevhost_conn_log(conn, BEVHOST_LOG_INFO, "connected");
	return 0;
}

/* What arrived, at most the beginning: the log escapes it. */
static void
greeting_log(struct bufferevent *bev, struct evbuffer *input)
{
	char text[512];
	ev_ssize_t len = evbuffer_copyout(input, text, sizeof(text));
	size_t rest = evbuffer_get_length(input) - (size_t)len;

	bevhost_conn_log(bevhost_conn_of(bev), BEVHOST_LOG_INFO,
	    rest ? "sent '%.*s' and %zu bytes more" : "sent '%.*s'", (int)len,
	    text, rest);
}

static void
greeting_read(struct bufferevent *bev, void *state)
{
	const struct greeting *greeting = state;
	struct evbuffer *input = bufferevent_get_input(bev);

	if (bevhost_log_enabled(BEVHOST_LOG_INFO))
		greeting_log(bev, input);
	evbuffer_drain(input, evbuffer_get_length(input));
	bufferevent_write(bev, greeting->text, greeting->text_len);
}

static struct bevhost_plugin greeting_plugin = {
	.name = "greeting",
	.version = PACKAGE_VERSION,
	.summary = "answers each chunk that arrives with a text",
	.params = greeting_params,
	.bare_param = "text",
	.self_size = sizeof(struct greeting),
	.ready = greeting_ready,
	.open = greeting_open,
	.read = greeting_read,
};
BEVHOST_PLUGIN(greeting_plugin)
