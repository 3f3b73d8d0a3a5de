/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lua: a handler that is a script. Its function serve(conn) runs for each
 * connection, as a straight line of calls that wait. This file is what the host
 * sees: parameters, and the life of an instance.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/manifest.h>
#include <bevhost/task.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "script.h"

static const char *const lua_allow[] = { "files", "processes", "modules",
	NULL };

static const struct bevhost_param lua_params[] = {
	{
	    .name = "script",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REQUIRED,
	    .min = 1,
	    .max = 4095,
	    .help = "the file with the function serve(conn)",
	    .field = BEVHOST_FIELD(struct script, path),
	},
	{
	    .name = "param",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REPEAT,
	    .min = 1,
	    .max = 65535,
	    .help = "NAME=VALUE: what the script finds in bevhost.params",
	},
	{
	    .name = "memory",
	    .type = BEVHOST_PARAM_SIZE,
	    .value = "8M",
	    .min = 64 * 1024,
	    .max = (int64_t)1024 * 1024 * 1024 * 1024,
	    .help = "how much memory a connection may hold",
	    .field = BEVHOST_FIELD(struct script, memory_bytes),
	},
	{
	    .name = "instructions",
	    .type = BEVHOST_PARAM_INT,
	    .value = "10000000",
	    .max = 1000000000000,
	    .help = "how many it may run between two waits (0: any number)",
	    .field = BEVHOST_FIELD(struct script, instructions),
	},
	{
	    .name = "cpu-time",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1s",
	    .max = 60 * 60 * 1000,
	    .help = "how long it may compute between two waits (0s: for ever)",
	    .field = BEVHOST_FIELD(struct script, cpu_time_ms),
	},
	{
	    .name = "allow",
	    .type = BEVHOST_PARAM_ENUM,
	    .flags = BEVHOST_PARAM_REPEAT,
	    .choices = lua_allow,
	    .help = "what the script may use beside what is harmless",
	},
	{
	    .name = "read",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REPEAT,
	    .min = 1,
	    .max = 4095,
	    .help = "a file or folder that the sandbox lets it read",
	},
	{
	    .name = "write",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REPEAT,
	    .min = 1,
	    .max = 4095,
	    .help = "a file or folder that the sandbox lets it write",
	},
	{ .name = NULL },
};

static const char *const lua_reads[] = { "$read", NULL };
static const char *const lua_writes[] = { "$write", NULL };

/* Running programs is no part of it: that would be for every script. */
static const struct bevhost_manifest lua_manifest = {
	.struct_size = sizeof(lua_manifest),
	.flags = BEVHOST_MANIFEST_CONNECT | BEVHOST_MANIFEST_NAMES,
	.reads = lua_reads,
	.writes = lua_writes,
};

static int
lua_add_param(struct script *script, const char *value)
{
	const char *equals = strchr(value, '=');
	struct script_param *param, **link;
	size_t len = equals != NULL ? (size_t)(equals - value) : 0;

	if (len == 0) {
		bevhost_error("param=%s: it is NAME=VALUE", value);
		return -1;
	}
	param = malloc(sizeof(*param) + strlen(value) + 1);
	if (param == NULL) {
		bevhost_error("%m");
		return -1;
	}
	memcpy(param->name, value, strlen(value) + 1);
	param->name[len] = '\0';
	param->value = param->name + len + 1;
	param->next = NULL;
	/* In their order: the last of a name counts. */
	for (link = &script->params; *link != NULL; link = &(*link)->next)
		;
	*link = param;
	return 0;
}

static int
lua_config(void *self, const char *key, const char *value)
{
	struct script *script = self;
	int i;

	if (strcmp(key, "param") == 0)
		return lua_add_param(script, value);
	if (strcmp(key, "allow") != 0)
		return 0;
	for (i = 0; lua_allow[i] != NULL; i++)
		if (strcmp(value, lua_allow[i]) == 0)
			script->allowed |= 1u << i;
	return 0;
}

static int
lua_ready(void *self)
{
	return script_read(self);
}

static int
lua_start(void *self, struct event_base *base)
{
	(void)base;
	return script_start(self);
}

static void
lua_destroy(void *self)
{
	struct script *script = self;
	struct script_param *param;

	if (script->L != NULL)
		lua_close(script->L);
	if (script->knows_filters)
		close(script->status_fd);
	while ((param = script->params) != NULL) {
		script->params = param->next;
		free(param);
	}
}

static struct bevhost_plugin lua_plugin = {
	.name = "lua",
	.version = PACKAGE_VERSION,
	.summary = "runs a script for each connection (Lua 5.4)",
	.params = lua_params,
	.bare_param = "script",
	.self_size = sizeof(struct script),
	.config = lua_config,
	.ready = lua_ready,
	.start = lua_start,
	.destroy = lua_destroy,
	.run = script_run,
	.stack_size = SCRIPT_STACK_BYTES,
	.manifest = &lua_manifest,
};
BEVHOST_PLUGIN(lua_plugin)
