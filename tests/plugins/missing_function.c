/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls a function that no host has.
 */
#include <bevhost/plugin.h>

void bevhost_from_the_future(void);

static void
missing_function_read(struct bufferevent *bev, void *state)
{
	(void)bev;
	(void)state;
	bevhost_from_the_future();
}

static struct bevhost_plugin plugin = {
	.name = "missing-function",
	.read = missing_function_read,
};
BEVHOST_PLUGIN(plugin)
