/* SPDX-License-Identifier: BSD-2-Clause */
/* skeleton: greets each name that a client sends, one in a line. */
#define BEVHOST_API_VERSION 1
#include <bevhost/task.h>

#include <stdio.h>
#include <string.h>

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

/* It has a stack of its own: while it waits, others are served. */
static int
skeleton_run(struct bevhost_stream *stream, void *instance)
{
	const struct skeleton_instance *self = instance;
	char line[200], text[300];
	int greeted = 0;

	/* Below 0 are the end of the input, a longer line, and a minute. */
	while (bevhost_stream_read_line(
		   stream, line, sizeof(line), bevhost_after_ms(60000)) >= 0) {
		snprintf(text, sizeof(text), "%s, %s! You are number %d.\n",
		    self->greeting, line, ++greeted);
		if (bevhost_stream_write(stream, text, strlen(text), -1) < 0)
			break;
	}
	return 0;
}

static struct bevhost_plugin skeleton_plugin = {
	.name = "skeleton",
	.summary = "greets each name that a client sends",
	.params = skeleton_params,
	.self_size = sizeof(struct skeleton_instance),
	.run = skeleton_run,
};
BEVHOST_PLUGIN(skeleton_plugin)
