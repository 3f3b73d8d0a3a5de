/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * greeting-generator: the greeting as a generator. It yields what it waits
 * for and goes on from there; nothing of its own lives across a yield, so its
 * frame is the head alone.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/generator.h>

#include <event2/buffer.h>

#include "../greeting/greeting.h"

static int
greeting_answer(struct bevhost_generator *g)
{
	const struct greeting *greeting = g->self;
	struct evbuffer *input = bufferevent_get_input(g->bev);

	greeting_log_sent(g->conn, input);
	evbuffer_drain(input, evbuffer_get_length(input));
	return bufferevent_write(g->bev, greeting->text, greeting->text_len);
}

/* No yield for the answer: the host stops reading while too much is owed. */
static enum bevhost_op
greeting_generate(struct bevhost_generator *g)
{
	BEVHOST_GENERATOR_BEGIN(g);
	greeting_log_connected(g->conn);
	for (;;) {
		BEVHOST_YIELD_READ(g, 1, -1);
		if (g->why != BEVHOST_WHY_READY || greeting_answer(g) < 0)
			break;
	}
	BEVHOST_GENERATOR_END(g);
}

static struct bevhost_plugin greeting_generator_plugin = {
	.name = "greeting-generator",
	.version = PACKAGE_VERSION,
	.summary = "answers each chunk that arrives with a text",
	.params = greeting_params,
	.bare_param = "text",
	.self_size = sizeof(struct greeting),
	.ready = greeting_ready,
	.generate = greeting_generate,
	.frame_size = sizeof(struct bevhost_generator),
};
BEVHOST_PLUGIN(greeting_generator_plugin)
