/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plugins described from their declarations: as a list, as key=value lines
 * for scripts, and as a manual in short.
 */
#include "describe.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "coro.h"
#include "instance.h"
#include "log.h"
#include "param.h"
#include "param_dump.h"

struct describe_list {
	const struct plugin_dirs *dirs;
	char seen[256][64]; /* a name in a nearer folder hides this one */
	int seen_count;
	int failed; /* a file was refused, and the log said why */
};

static struct plugin *
describe_load(const struct plugin_dirs *dirs, const char *word)
{
	struct plugin *plugin = plugin_load(dirs, word);

	if (plugin != NULL && instance_check_plugin(plugin) < 0)
		return NULL;
	return plugin;
}

static void
describe_on_name(const char *name, const char *path, void *arg)
{
	struct describe_list *list = arg;
	struct plugin *plugin;
	int i;

	for (i = 0; i < list->seen_count; i++)
		if (strcmp(list->seen[i], name) == 0)
			return;
	if (list->seen_count < 256)
		snprintf(list->seen[list->seen_count++], 64, "%s", name);
	plugin = describe_load(list->dirs, path);
	if (plugin == NULL) {
		list->failed = 1;
		return;
	}
	printf(
	    "%-20s %s\n", name, plugin->def.summary ? plugin->def.summary : "");
	printf("%-20s %s\n", "", plugin->path);
}

int
describe_list(const struct plugin_dirs *dirs)
{
	struct describe_list list = { .dirs = dirs };
	int i;

	plugin_each(dirs, describe_on_name, &list);
	if (list.seen_count > 0)
		return list.failed ? -1 : 0;
	for (i = 0; i < dirs->count; i++)
		log_write(BEVHOST_LOG_WARNING, NULL, "no plugin in %s",
		    dirs->dirs[i]);
	return 0;
}

static void
describe_dump_callbacks(const struct bevhost_plugin *def)
{
	const struct {
		const char *name;
		int is_set;
	} callbacks[] = {
		{ "create", def->create != NULL },
		{ "config", def->config != NULL },
		{ "ready", def->ready != NULL },
		{ "start", def->start != NULL },
		{ "self_test", def->self_test != NULL },
		{ "stop", def->stop != NULL },
		{ "destroy", def->destroy != NULL },
		{ "admit", def->admit != NULL },
		{ "open", def->open != NULL },
		{ "read", def->read != NULL },
		{ "write", def->write != NULL },
		{ "event", def->event != NULL },
		{ "generate", def->generate != NULL },
		{ "run", def->run != NULL },
		{ "drain", def->drain != NULL },
		{ "close", def->close != NULL },
	};
	size_t i;

	for (i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++)
		printf("has_%s=%s\n", callbacks[i].name,
		    callbacks[i].is_set ? "yes" : "no");
}

int
describe_dump(const struct plugin_dirs *dirs, const char *word)
{
	const struct plugin *plugin = describe_load(dirs, word);
	const struct bevhost_plugin *def;
	const struct bevhost_param *param;

	if (plugin == NULL)
		return -1;
	def = &plugin->def;
	printf("path=%s\n", plugin->path);
	printf("name=%s\n", def->name);
	printf("version=%s\n", def->version ? def->version : "");
	printf("summary=%s\n", def->summary ? def->summary : "");
	printf("api_version=%u\n", def->api_version);
	printf("libevent_version=%u.%u.%u\n", def->libevent_version >> 24,
	    def->libevent_version >> 16 & 255,
	    def->libevent_version >> 8 & 255);
	printf("struct_size=%u\n", plugin->struct_size);
	printf("model=%s\n", def->run	     ? "async"
			     : def->generate ? "generator"
					     : "callbacks");
	if (def->generate != NULL)
		printf("frame_size=%zu\n", def->frame_size);
	if (def->run != NULL)
		printf("stack_size=%zu\n",
		    def->stack_size ? def->stack_size : CORO_STACK_DEFAULT);
	describe_dump_callbacks(def);
	if (def->bare_param != NULL)
		printf("bare_param=%s\n", def->bare_param);
	for (param = def->params; param != NULL && param->name != NULL; param++)
		param_dump("param", param);
	return 0;
}

static void
describe_help_usage(const struct bevhost_plugin *def)
{
	const struct bevhost_param *param;

	printf("Usage: bevhost [OPTION]... %s", def->name);
	if (def->bare_param != NULL)
		printf(" [%s]", def->bare_param);
	for (param = def->params; param != NULL && param->name != NULL; param++)
		printf(param->flags & BEVHOST_PARAM_REQUIRED ? " %s=%s"
							     : " [%s=%s]",
		    param->name, param_type_name(param));
	if (def->params == NULL && def->config != NULL)
		printf(" [KEY=VALUE]...");
	printf("\n");
	if (def->summary != NULL && def->summary[0] != '\0')
		printf("%c%s.\n", toupper((unsigned char)def->summary[0]),
		    def->summary + 1);
}

static void
describe_help_param(const struct bevhost_param *param)
{
	char range[PARAM_TEXT_SIZE], head[96];

	snprintf(
	    head, sizeof(head), "%s=%s", param->name, param_type_name(param));
	printf("  %-24s %s\n", head, param->help ? param->help : "");
	param_range_text(param, range, sizeof(range));
	if (range[0] != '\0')
		printf("  %-24s %s\n", "", range);
	if (param->flags & BEVHOST_PARAM_REPEAT)
		printf("  %-24s may be repeated\n", "");
	if (param->flags & BEVHOST_PARAM_REQUIRED)
		printf("  %-24s required\n", "");
	else if (param->value != NULL)
		printf("  %-24s default: %s\n", "", param->value);
}

int
describe_help(const struct plugin_dirs *dirs, const char *word)
{
	const struct plugin *plugin = describe_load(dirs, word);
	const struct bevhost_param *param;

	if (plugin == NULL)
		return -1;
	param = plugin->def.params;
	describe_help_usage(&plugin->def);
	if (param != NULL && param->name != NULL)
		printf("\nParameters:\n");
	for (; param != NULL && param->name != NULL; param++)
		describe_help_param(param);
	printf("\n%s%s from %s; 'bevhost --help' lists the options.\n",
	    plugin->def.version ? "Version " : "Plugin",
	    plugin->def.version ? plugin->def.version : "", plugin->path);
	return 0;
}
