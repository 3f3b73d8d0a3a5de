/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in force, wherever it came from, in the form of a configuration
 * file: every setting with its help, then worker groups and listeners.
 */
#include "dump.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "param.h"
#include "settings_edit.h"
#include "settings_guard.h"

/* In double quotes, in which "${" would be a variable. */
static void
dump_text(const char *text, FILE *file)
{
	const unsigned char *at = (const void *)text;

	putc('"', file);
	for (; *at != '\0'; at++)
		if (*at == '\n')
			fputs("\\n", file);
		else if (*at < ' ' || *at == 0x7f)
			fprintf(file, "\\x%02x", *at);
		else if (*at == '"' || *at == '\\' ||
			 (at[0] == '$' && at[1] == '{'))
			fprintf(file, "\\%c", *at);
		else
			putc(*at, file);
	putc('"', file);
}

/* The file may end up anywhere, so a path in it begins at the root. */
static void
dump_path(const char *path, FILE *file)
{
	char *folder = path[0] != '/' ? getcwd(NULL, 0) : NULL, *whole = NULL;

	if (folder != NULL && asprintf(&whole, "%s/%s", folder, path) < 0)
		whole = NULL;
	dump_text(whole != NULL ? whole : path, file);
	free(whole);
	free(folder);
}

static void
dump_value(const char *name, const char *value, FILE *file)
{
	if (settings_is_path(name))
		dump_path(value, file);
	else
		dump_text(value, file);
}

static void
dump_pair(const char *indent, const char *key, const char *value, FILE *file)
{
	fprintf(file, "%s%s = ", indent, key);
	dump_text(value, file);
	putc('\n', file);
}

/* An option, as dump_pair() has words. */
static void
dump_option(const char *indent, const char *name, const char *value, FILE *file)
{
	fprintf(file, "%s%s = ", indent, name);
	dump_value(name, value, file);
	putc('\n', file);
}

static void
dump_scalar(const struct settings *settings, const struct bevhost_param *param,
    FILE *file)
{
	const char *text = settings_string(settings, param);
	char buf[PARAM_TEXT_SIZE];

	fprintf(file, "# %s\n", param->help);
	if (text == NULL)
		text = settings_text(settings, param->name, buf, sizeof(buf));
	if (text[0] == '\0')
		fprintf(file, "# %s =\n", param->name);
	else if (param->type == BEVHOST_PARAM_STRING)
		dump_option("", param->name, text, file);
	else
		fprintf(file, "%s = %s\n", param->name, text);
	putc('\n', file);
}

/* Those of the name of items[i]. The parts of one list stand together, and
   what a file may have once has no braces. */
static int
dump_list(
    const struct settings_guard *guard, int i, const char *indent, FILE *file)
{
	const char *name = guard->items[i].name;

	if (settings_list_find(name)->once) {
		dump_option(indent, name, guard->items[i].value, file);
		return i + 1;
	}
	fprintf(file, "%s%s = { ", indent, name);
	for (;;) {
		dump_value(name, guard->items[i++].value, file);
		if (i == guard->item_count || guard->items[i].inherited ||
		    strcmp(guard->items[i].name, name) != 0)
			break;
		fputs(", ", file);
	}
	fputs(" }\n", file);
	return i;
}

static void
dump_items(const struct settings_guard *guard, const char *indent, FILE *file)
{
	int i = 0;

	while (i < guard->item_count && !guard->items[i].inherited)
		i = dump_list(guard, i, indent, file);
}

/* What a listener was given of its own. */
static void
dump_guard(const struct settings_guard *guard, FILE *file)
{
	const struct bevhost_param *param = settings_guard_next(NULL);
	char text[PARAM_TEXT_SIZE];

	for (; param != NULL; param = settings_guard_next(param)) {
		settings_guard_text(guard, param, text, sizeof(text));
		if (text[0] != '\0')
			fprintf(file, "\t%s = %s\n", param->name, text);
	}
	dump_items(guard, "\t", file);
}

/* Of the lists that hold for all listeners, those without a value too. */
static void
dump_lists(const struct settings_guard *guard, FILE *file)
{
	const struct settings_list *list = settings_lists;

	for (; list->name != NULL; list++)
		if (settings_item_next(guard, list->name, 0) < 0)
			fprintf(
			    file, "# %s\n# %s =\n\n", list->help, list->name);
	dump_items(guard, "", file);
	if (guard->item_count > 0)
		putc('\n', file);
}

static void
dump_group(const struct settings_group *group, FILE *file)
{
	fputs("worker-group ", file);
	dump_text(group->name, file);
	if (group->workers < 0)
		fputs(" { }\n\n", file);
	else if (group->workers == 0)
		fputs(" { workers = auto }\n\n", file);
	else
		fprintf(
		    file, " { workers = %jd }\n\n", (intmax_t)group->workers);
}

/* A port alone is for the command line only. */
static void
dump_address(const struct settings_address *address, FILE *file)
{
	char whole[32];

	if (address->spec.kind == ADDR_INET &&
	    strchr(address->text, ':') == NULL) {
		snprintf(
		    whole, sizeof(whole), "0.0.0.0:%u", address->spec.port);
		dump_text(whole, file);
	} else {
		dump_text(address->text, file);
	}
}

static void
dump_also(const struct settings_handler *handler, FILE *file)
{
	int i;

	fputs("\talso = {", file);
	for (i = 1; i < handler->address_count; i++) {
		fputs(i > 1 ? ", " : " ", file);
		dump_address(&handler->addresses[i], file);
	}
	fputs(" }\n", file);
}

static void
dump_words(const struct settings_handler *handler, FILE *file)
{
	const struct settings_word *word = handler->words;
	const struct settings_word *end = word + handler->word_count;

	if (word < end && word->key == NULL)
		dump_pair("\t", "word", (word++)->value, file);
	if (word == end)
		return;
	fputs("\twith {\n", file);
	for (; word < end; word++)
		dump_pair("\t\t", word->key, word->value, file);
	fputs("\t}\n", file);
}

static void
dump_handler(const struct settings_handler *handler, FILE *file)
{
	fputs("listen ", file);
	dump_address(&handler->addresses[0], file);
	fputs(" {\n", file);
	fputs("\thandler = ", file);
	if (strchr(handler->plugin, '/') != NULL)
		dump_path(handler->plugin, file);
	else
		dump_text(handler->plugin, file);
	putc('\n', file);
	if (handler->worker_group[0] != '\0')
		dump_pair("\t", "group", handler->worker_group, file);
	if (handler->mode >= 0)
		fprintf(file, "\tmode = 0%03o\n", (unsigned)handler->mode);
	if (handler->address_count > 1)
		dump_also(handler, file);
	if (handler->word_count > 0)
		dump_words(handler, file);
	dump_guard(&handler->guard, file);
	fputs("}\n\n", file);
}

int
dump_settings(const struct settings *settings, FILE *file)
{
	const struct bevhost_param *param = settings_params;
	int i;

	for (; param->name != NULL; param++)
		dump_scalar(settings, param, file);
	dump_lists(&settings->guard, file);
	for (i = 0; i < settings->group_count; i++)
		dump_group(&settings->groups[i], file);
	for (i = 0; i < settings->handler_count; i++)
		dump_handler(&settings->handlers[i], file);
	return fflush(file) == 0 && !ferror(file) ? 0 : -1;
}
