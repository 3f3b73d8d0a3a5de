/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generator that does on command what generators can do: each line is a
 * command, read by a generator that reads lines, which it delegates to.
 */
#include <bevhost/generator.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

struct generators_line {
	struct bevhost_generator generator; /* first */
	char *line;			    /* NULL at the end of the input */
};

/* So deep that a stack would show it. */
struct generators_deep {
	struct bevhost_generator generator;
	struct generators_deep *child;
	int depth;
};

struct generators {
	struct bevhost_generator generator;
	struct generators_line next;
	struct generators_deep deep;
	int i, ends;
};

static enum bevhost_op
generators_read_line(struct bevhost_generator *g)
{
	struct generators_line *frame = (struct generators_line *)g;
	struct evbuffer *input = bufferevent_get_input(g->bev);

	BEVHOST_GENERATOR_BEGIN(g);
	while ((frame->line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF)) ==
	       NULL) {
		BEVHOST_YIELD_READ(g, evbuffer_get_length(input) + 1, -1);
		if (g->why != BEVHOST_WHY_READY)
			break;
	}
	BEVHOST_GENERATOR_END(g);
}

static enum bevhost_op
generators_go_deep(struct bevhost_generator *g)
{
	struct generators_deep *frame = (struct generators_deep *)g;

	BEVHOST_GENERATOR_BEGIN(g);
	if (frame->depth > 0) {
		frame->child = calloc(1, sizeof(*frame->child));
		if (frame->child == NULL)
			abort();
		frame->child->depth = frame->depth - 1;
		BEVHOST_YIELD_FROM(
		    g, &frame->child->generator, generators_go_deep);
		free(frame->child);
	} else {
		BEVHOST_YIELD_SLEEP(g, bevhost_after_ms(10));
	}
	BEVHOST_GENERATOR_END(g);
}

static enum bevhost_op
generators_run(struct bevhost_generator *g)
{
	struct generators *frame = (struct generators *)g;
	struct evbuffer *output = bufferevent_get_output(g->bev);

	BEVHOST_GENERATOR_BEGIN(g);
	for (;;) {
		BEVHOST_YIELD_FROM(
		    g, &frame->next.generator, generators_read_line);
		if (frame->next.line == NULL)
			break;
		if (strncmp(frame->next.line, "deep ", 5) == 0) {
			frame->deep.depth = atoi(frame->next.line + 5);
			BEVHOST_YIELD_FROM(
			    g, &frame->deep.generator, generators_go_deep);
			evbuffer_add_printf(output, "deep\n");
		} else if (strncmp(frame->next.line, "sleep ", 6) == 0) {
			BEVHOST_YIELD_SLEEP(
			    g, bevhost_after_ms(atoi(frame->next.line + 6)));
			evbuffer_add_printf(output, "slept\n");
		} else if (strcmp(frame->next.line, "late") == 0) {
			BEVHOST_YIELD_READ(g, 1, bevhost_after_ms(50));
			evbuffer_add_printf(output, "why=%d\n", g->why);
		} else if (strcmp(frame->next.line, "try") == 0) {
			BEVHOST_YIELD_READ(g, 1, 0);
			evbuffer_add_printf(output, "why=%d\n", g->why);
		} else if (strcmp(frame->next.line, "spin") == 0) {
			for (frame->i = 0; frame->i < 100000; frame->i++)
				BEVHOST_YIELD_WRITE(g, 1 << 30, -1);
			evbuffer_add_printf(output, "spun\n");
		} else if (strncmp(frame->next.line, "send ", 5) == 0) {
			for (frame->i = atoi(frame->next.line + 5);
			     frame->i > 0; frame->i--) {
				evbuffer_add_printf(output, "%063d\n", 7);
				BEVHOST_YIELD_WRITE(g, 65536, -1);
				if (g->why != BEVHOST_WHY_READY)
					break;
			}
		} else if (strcmp(frame->next.line, "ends") == 0) {
			/* The end of the input is no end of the yields. */
			for (frame->ends = 0; frame->ends < 3; frame->ends++)
				BEVHOST_YIELD_READ(g, 1, -1);
			evbuffer_add_printf(output, "why=%d\n", g->why);
		} else if (strcmp(frame->next.line, "because") == 0) {
			bevhost_conn_set_reason(
			    g->conn, BEVHOST_REASON_LIMIT, "%d of them", 7);
			break;
		} else {
			evbuffer_add_printf(output, "%s\n", frame->next.line);
		}
		free(frame->next.line);
		frame->next.line = NULL;
	}
	BEVHOST_GENERATOR_END(g);
}

/* The frame outlives the generator, for what it has left. */
static void
generators_close(void *state, enum bevhost_reason reason)
{
	struct generators *frame = state;
	struct generators_deep *deep = frame->deep.child, *next;

	(void)reason;
	if (frame->generator.why == BEVHOST_WHY_CLOSING)
		bevhost_log(BEVHOST_LOG_NOTICE, "a generator saw the end");
	free(frame->next.line);
	(void)deep;
	(void)next;
}

static struct bevhost_plugin plugin = {
	.name = "generators",
	.generate = generators_run,
	.frame_size = sizeof(struct generators),
	.close = generators_close,
};
BEVHOST_PLUGIN(plugin)
