/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generator as version 1 of the interface has it: each operation, each reason
 * to go on, and a generator in a generator. Its frame and its macros are part
 * of the plugin, and the host is another. It is compiled with the headers in
 * this folder and no others.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/generator.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

struct v1 {
	const char *text;
};

/* Reads a line, or waits for one in vain. */
struct v1_line {
	struct bevhost_generator generator;
	int64_t deadline;
	char *text; /* NULL: there was none */
};

struct v1_frame {
	struct bevhost_generator generator;
	struct v1_line line;
	int number;
	enum bevhost_why last;
};

static const struct bevhost_param v1_params[] = {
	{
	    .name = "text",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "line",
	    .field = BEVHOST_FIELD(struct v1, text),
	},
	{ .name = NULL },
};

static const char *const v1_why[] = { "ready", "timeout", "eof", "closing" };

static enum bevhost_op
v1_line(struct bevhost_generator *g)
{
	struct v1_line *line = (struct v1_line *)g;
	struct evbuffer *input = bufferevent_get_input(g->bev);

	BEVHOST_GENERATOR_BEGIN(g);
	line->text = NULL;
	for (;;) {
		line->text = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);
		if (line->text != NULL)
			break;
		BEVHOST_YIELD_READ(
		    g, evbuffer_get_length(input) + 1, line->deadline);
		if (g->why != BEVHOST_WHY_READY)
			break;
	}
	BEVHOST_GENERATOR_END(g);
}

static enum bevhost_op
v1_generate(struct bevhost_generator *g)
{
	struct v1_frame *frame = (struct v1_frame *)g;
	const struct v1 *v1 = g->self;
	struct evbuffer *output = bufferevent_get_output(g->bev);

	BEVHOST_GENERATOR_BEGIN(g);
	for (frame->number = 1;; frame->number++) {
		frame->line.deadline = -1;
		BEVHOST_YIELD_FROM(g, &frame->line.generator, v1_line);
		if (frame->line.text == NULL)
			break;
		evbuffer_add_printf(output, "%s %d: %s\n", v1->text,
		    frame->number, frame->line.text);
		free(frame->line.text);
		BEVHOST_YIELD_WRITE(g, 0, -1);
		if (g->why != BEVHOST_WHY_READY)
			break;
		BEVHOST_YIELD_SLEEP(g, bevhost_after_ms(1));
		frame->last = (enum bevhost_why)g->why;
		if (frame->last != BEVHOST_WHY_TIMEOUT)
			break;
		frame->line.deadline = 0;
		BEVHOST_YIELD_READ(g, 1 << 20, 0);
		evbuffer_add_printf(output, "slept: %s, asked: %s\n",
		    v1_why[frame->last], v1_why[g->why]);
	}
	evbuffer_add_printf(output, "ended: %s\n", v1_why[g->why]);
	bevhost_conn_log(
	    g->conn, BEVHOST_LOG_NOTICE, "v1 has ended: %s", v1_why[g->why]);
	BEVHOST_GENERATOR_END(g);
}

static void
v1_drain(void *frame)
{
	struct v1_frame *v1_frame = frame;

	bevhost_conn_close(v1_frame->generator.conn, BEVHOST_CLOSE_FLUSH);
}

static void
v1_close(void *frame, enum bevhost_reason reason)
{
	struct v1_frame *v1_frame = frame;

	bevhost_conn_log(v1_frame->generator.conn, BEVHOST_LOG_NOTICE,
	    "v1 has closed after %d: %s", v1_frame->number,
	    bevhost_reason_name(reason));
}

static struct bevhost_plugin v1_plugin = {
	.name = "abi-v1-generator",
	.params = v1_params,
	.bare_param = "text",
	.self_size = sizeof(struct v1),
	.generate = v1_generate,
	.frame_size = sizeof(struct v1_frame),
	.drain = v1_drain,
	.close = v1_close,
};
BEVHOST_PLUGIN(v1_plugin)
