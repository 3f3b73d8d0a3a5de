/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the greetings of the three models have in common: their parameter and
 * their log. How they wait and answer is in each of them.
 */
#ifndef GREETING_H
#define GREETING_H

#include <string.h>

#include <event2/buffer.h>

#include <bevhost/plugin.h>

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

static inline int
greeting_ready(void *self)
{
	struct greeting *greeting = self;

	greeting->text_len = strlen(greeting->text);
	return 0;
}

static inline void
greeting_log_connected(const struct bevhost_conn *conn)
{
	if (bevhost_log_enabled(BEVHOST_LOG_INFO))
		bevhost_conn_log(conn, BEVHOST_LOG_INFO, "connected");
}

/* A NUL would end the text; all else that is not printable the log escapes. */
static inline void
greeting_escape_nul(char *text, size_t size, const char *bytes, size_t len)
{
	size_t i, used = 0;

	for (i = 0; i < len && used + 5 < size; i++) {
		if (bytes[i] != '\0') {
			text[used++] = bytes[i];
			continue;
		}
		memcpy(text + used, "\\x00", 4);
		used += 4;
	}
	text[used] = '\0';
}

/* What arrived, at most the beginning. */
static inline void
greeting_log_sent(const struct bevhost_conn *conn, struct evbuffer *input)
{
	char bytes[128], text[4 * sizeof(bytes) + 8];
	ev_ssize_t len;
	size_t rest;

	if (!bevhost_log_enabled(BEVHOST_LOG_INFO))
		return;
	len = evbuffer_copyout(input, bytes, sizeof(bytes));
	greeting_escape_nul(text, sizeof(text), bytes, (size_t)len);
	rest = evbuffer_get_length(input) - (size_t)len;
	bevhost_conn_log(conn, BEVHOST_LOG_INFO,
	    rest ? "sent '%s' and %zu bytes more" : "sent '%s'", text, rest);
}

#endif
