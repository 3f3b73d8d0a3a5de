/* SPDX-License-Identifier: BSD-2-Clause */
/* Says which version of it answers: two files of one plugin. */
#include <bevhost/plugin.h>

#include <event2/buffer.h>

static void
answer_read(struct bufferevent *bev, void *state)
{
	(void)state;
	bufferevent_write(bev, ANSWER ": ", sizeof(ANSWER ": ") - 1);
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static struct bevhost_plugin plugin = {
	.name = "answer",
	.version = ANSWER,
	.read = answer_read,
};
BEVHOST_PLUGIN(plugin)
