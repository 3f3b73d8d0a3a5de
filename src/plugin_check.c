/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a loaded plugin fit this host? What does not is said with the
 * difference.
 */
#include "plugin_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bevhost/generator.h>
#include <bevhost/manifest.h>

#include "coro.h"
#include "param.h"

/* The fields of API 1 that a shorter struct must at least have. */
#define PLUGIN_STRUCT_MIN offsetof(struct bevhost_plugin, version)
#define PLUGIN_STRUCT_MAX 65536u
#define PLUGIN_FRAME_MAX  (16u << 20)
#define PLUGIN_MANIFEST_FLAGS                                 \
	(BEVHOST_MANIFEST_CONNECT | BEVHOST_MANIFEST_NAMES |  \
	    BEVHOST_MANIFEST_LISTEN | BEVHOST_MANIFEST_EXEC | \
	    BEVHOST_MANIFEST_CODE | BEVHOST_MANIFEST_ONE_WORKER)

/* Is everything from the known size to theirs zero? */
static int
plugin_tail_is_zero(const void *theirs, size_t known, size_t size)
{
	const char *bytes = theirs;

	for (; known < size; known++)
		if (bytes[known] != 0)
			return 0;
	return 1;
}

/* The numbers that BEVHOST_PLUGIN filled in. */
int
plugin_check_abi(const struct bevhost_plugin *theirs, char *why, size_t size)
{
	uint32_t libevent = theirs->libevent_version;
	uint32_t ours = event_get_version_number();

	if (theirs->api_version != BEVHOST_API_VERSION)
		snprintf(why, size,
		    "is written for API %u, and this host has "
		    "API %u",
		    theirs->api_version, BEVHOST_API_VERSION);
	else if (libevent >> 16 != ours >> 16)
		snprintf(why, size,
		    "is compiled for libevent %u.%u, and this "
		    "host runs libevent %s",
		    libevent >> 24, libevent >> 16 & 255, event_get_version());
	else if (theirs->struct_size < PLUGIN_STRUCT_MIN ||
		 theirs->struct_size > PLUGIN_STRUCT_MAX)
		snprintf(why, size,
		    "has a struct bevhost_plugin of %u bytes, "
		    "which makes no sense",
		    theirs->struct_size);
	else if (!plugin_tail_is_zero(
		     theirs, sizeof(*theirs), theirs->struct_size))
		snprintf(why, size,
		    "uses fields of struct bevhost_plugin that "
		    "this host does not know (%u bytes, known "
		    "are %zu): it needs a later bevhost",
		    theirs->struct_size, sizeof(*theirs));
	else
		return 0;
	return -1;
}

static int
plugin_check_name(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	return len > 0 && len < 64 && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Exactly one model, with what belongs to it. */
static int
plugin_check_model(const struct bevhost_plugin *def, char *why, size_t size)
{
	int callbacks =
	    def->read != NULL || def->write != NULL || def->event != NULL;
	int models = callbacks + (def->generate != NULL) + (def->run != NULL);

	if (models == 0)
		snprintf(why, size,
		    "has no handler: one of .read, .write and .event, or "
		    ".generate, or .run must be set");
	else if (models > 1)
		snprintf(why, size,
		    "has more than one model: .read, .write and .event, or "
		    ".generate, or .run may be set");
	else if (!callbacks && (def->open != NULL || def->state_size != 0))
		snprintf(why, size,
		    "sets .open or .state_size, which belong to callbacks");
	else if (def->generate != NULL &&
		 (def->frame_size < sizeof(struct bevhost_generator) ||
		     def->frame_size > PLUGIN_FRAME_MAX))
		snprintf(why, size,
		    "has a .frame_size of %zu: a frame begins with a struct "
		    "bevhost_generator of %zu bytes",
		    def->frame_size, sizeof(struct bevhost_generator));
	else if (def->stack_size != 0 && (def->stack_size < CORO_STACK_MIN ||
					     def->stack_size > CORO_STACK_MAX))
		snprintf(why, size,
		    "has a .stack_size of %zu: it may be 16k to 64M",
		    def->stack_size);
	else
		return 0;
	return -1;
}

int
plugin_check_def(const struct bevhost_plugin *def, char *why, size_t size)
{
	size_t i;

	for (i = 0; i < sizeof(def->reserved) / sizeof(def->reserved[0]); i++)
		if (def->reserved[i] != NULL) {
			snprintf(why, size,
			    "sets reserved[%zu], which this host does not "
			    "know: it needs a later bevhost",
			    i);
			return -1;
		}
	if (!plugin_check_name(def->name)) {
		snprintf(why, size,
		    "has no proper name: .name is lower case, digits and '-', "
		    "at most 63");
		return -1;
	}
	return plugin_check_model(def, why, size);
}

/* Copies the parameters, whatever the size of theirs, to an array of ours. */
int
plugin_take_params(struct plugin *plugin, const struct bevhost_plugin *theirs,
    char *why, size_t size)
{
	const char *entry = (const void *)plugin->def.params;
	size_t count = 0, i, stride = theirs->param_size;
	size_t known = sizeof(struct bevhost_param);

	if (entry == NULL)
		return 0;
	if (stride < sizeof(char *) || stride > PLUGIN_STRUCT_MAX ||
	    stride % sizeof(char *) != 0) {
		snprintf(why, size,
		    "has a struct bevhost_param of %zu bytes, "
		    "which makes no sense",
		    stride);
		return -1;
	}
	while (((const struct bevhost_param *)(const void *)(entry +
							     count * stride))
		   ->name != NULL)
		count++;
	plugin->params = calloc(count + 1, known);
	if (plugin->params == NULL) {
		snprintf(why, size, "cannot be loaded: out of memory");
		return -1;
	}
	for (i = 0; i < count; i++, entry += stride) {
		memcpy(
		    &plugin->params[i], entry, stride < known ? stride : known);
		if (!plugin_tail_is_zero(entry, known, stride)) {
			snprintf(why, size,
			    "uses fields of struct "
			    "bevhost_param that this host does "
			    "not know: it needs a later "
			    "bevhost");
			return -1;
		}
	}
	plugin->def.params = plugin->params;
	return 0;
}

/* An absolute path, or "$" and the name of a parameter. */
static int
plugin_check_path(const struct plugin *plugin, const char *list,
    const char *path, char *why, size_t size)
{
	if (path[0] == '/')
		return 0;
	if (path[0] != '$')
		snprintf(why, size,
		    "has '%s' in the %s of its manifest, which is no whole "
		    "path and no $PARAMETER",
		    path, list);
	else if (param_find(plugin->params, path + 1) == NULL)
		snprintf(why, size,
		    "has '%s' in the %s of its manifest, but no parameter "
		    "'%s'",
		    path, list, path + 1);
	else
		return 0;
	return -1;
}

static int
plugin_check_paths(const struct plugin *plugin, const char *list,
    const char *const *paths, char *why, size_t size)
{
	for (; paths != NULL && *paths != NULL; paths++)
		if (plugin_check_path(plugin, list, *paths, why, size) < 0)
			return -1;
	return 0;
}

static int
plugin_check_manifest(
    const struct bevhost_manifest *theirs, char *why, size_t size)
{
	if (theirs->struct_size < offsetof(struct bevhost_manifest, reads) ||
	    theirs->struct_size > PLUGIN_STRUCT_MAX)
		snprintf(why, size,
		    "has a manifest with the struct_size %u: it is "
		    "sizeof(struct bevhost_manifest)",
		    theirs->struct_size);
	else if (!plugin_tail_is_zero(
		     theirs, sizeof(*theirs), theirs->struct_size) ||
		 (theirs->flags & ~PLUGIN_MANIFEST_FLAGS) != 0)
		snprintf(why, size,
		    "declares in its manifest what this host does not know "
		    "(flags 0x%x, %u bytes): it needs a later bevhost",
		    theirs->flags, theirs->struct_size);
	else
		return 0;
	return -1;
}

int
plugin_take_manifest(struct plugin *plugin,
    const struct bevhost_manifest *theirs, char *why, size_t size)
{
	struct bevhost_manifest *ours;

	if (theirs == NULL)
		return 0;
	if (plugin_check_manifest(theirs, why, size) < 0)
		return -1;
	ours = calloc(1, sizeof(*ours));
	plugin->def.manifest = ours;
	if (ours == NULL) {
		snprintf(why, size, "cannot be loaded: out of memory");
		return -1;
	}
	memcpy(ours, theirs,
	    theirs->struct_size < sizeof(*ours) ? theirs->struct_size
						: sizeof(*ours));
	if (plugin_check_paths(plugin, "reads", ours->reads, why, size) < 0)
		return -1;
	return plugin_check_paths(plugin, "writes", ours->writes, why, size);
}
