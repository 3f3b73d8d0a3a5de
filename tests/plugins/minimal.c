/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NULL everywhere but for a name and one callback, which takes what comes.
 */
#include <bevhost/plugin.h>

static void
minimal_write(struct bufferevent *bev, void *state)
{
	(void)bev;
	(void)state;
}

static struct bevhost_plugin plugin = {
	.name = "minimal",
	.write = minimal_write,
};
BEVHOST_PLUGIN(plugin)
