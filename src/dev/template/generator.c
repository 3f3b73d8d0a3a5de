/* SPDX-License-Identifier: BSD-2-Clause */
/* skeleton: greets each name that a client sends, one in a line. */
#define BEVHOST_API_VERSION 1
#include <bevhost/generator.h>

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

/* What lives across a yield. Local variables do not. */
struct skeleton_frame {
	struct bevhost_generator generator;
	int greeted;
};

/* Runs to a yield, and goes on there when what it waits for has come. */
static enum bevhost_op
skeleton_generate(struct bevhost_generator *g)
{
	const struct skeleton_instance *self = g->self;
	struct skeleton_frame *frame = (struct skeleton_frame *)g;
	struct evbuffer *input = bufferevent_get_input(g->bev);
	struct evbuffer *output = bufferevent_get_output(g->bev);
	int answered = 1;
	char *line;

	BEVHOST_GENERATOR_BEGIN(g);
	while (answered > 0) {
		line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
		if (line != NULL) {
			answered = evbuffer_add_printf(output,
			    "%s, %s! You are number %d.\n", self->greeting,
			    line, ++frame->greeted);
			free(line);
		} else if (evbuffer_get_length(input) >= 200) {
			break; /* nobody is called that */
		} else {
			/* For one byte more than there are. */
			BEVHOST_YIELD_READ(g, evbuffer_get_length(input) + 1,
			    bevhost_after_ms(60000));
			if (g->why != BEVHOST_WHY_READY)
				break;
		}
	}
	BEVHOST_GENERATOR_END(g);
}

static struct bevhost_plugin skeleton_plugin = {
	.name = "skeleton",
	.summary = "greets each name that a client sends",
	.params = skeleton_params,
	.self_size = sizeof(struct skeleton_instance),
	.generate = skeleton_generate,
	.frame_size = sizeof(struct skeleton_frame),
};
BEVHOST_PLUGIN(skeleton_plugin)
