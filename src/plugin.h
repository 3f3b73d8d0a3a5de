/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a plugin file that is loaded. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <bevhost/declare.h>

struct plugin {
	struct bevhost_plugin def;    /* theirs, zero-filled to our size;
				   its manifest is a copy */
	char *path;		      /* where it was found */
	char *copy;		      /* what is loaded */
	uint32_t struct_size;	      /* theirs */
	struct bevhost_param *params; /* def.params, in our size */
	size_t deepest_stack; /* in bytes, of its tasks that were painted */
	struct plugin *next;
};

#endif
