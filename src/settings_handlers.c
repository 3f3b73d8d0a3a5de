/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lists in the settings: handlers with their addresses and words, and
 * worker groups. They grow by one at a time, and what they hold is their own.
 */
#include "settings_edit.h"

#include <stdlib.h>
#include <string.h>

#include "param.h"

static void
settings_clear_handler(struct settings_handler *handler)
{
	int i;

	for (i = 0; i < handler->address_count; i++)
		free(handler->addresses[i].text);
	for (i = 0; i < handler->word_count; i++) {
		free(handler->words[i].key);
		free(handler->words[i].value);
		free(handler->words[i].where);
	}
	free(handler->addresses);
	free(handler->words);
	free(handler->plugin);
	free(handler->worker_group);
	free(handler->where);
	settings_clear_guard(&handler->guard);
	memset(handler, 0, sizeof(*handler));
}

void
settings_clear(struct settings *settings)
{
	const struct bevhost_param *param;
	int i;

	for (param = settings_params; param->name != NULL; param++)
		free((void *)(uintptr_t)settings_string(settings, param));
	for (i = 0; i < settings->handler_count; i++)
		settings_clear_handler(&settings->handlers[i]);
	for (i = 0; i < settings->group_count; i++)
		free(settings->groups[i].name);
	free(settings->handlers);
	free(settings->groups);
	settings_clear_guard(&settings->guard);
	memset(settings, 0, sizeof(*settings));
}

/* Room for one more element, all zero, after count of them. */
static void *
settings_grow(void *list, int count, size_t size)
{
	char *grown = reallocarray(list, (size_t)count + 1, size);

	if (grown != NULL)
		memset(grown + (size_t)count * size, 0, size);
	return grown;
}

int
settings_replace_text(char **field, const char *text)
{
	char *copy = text != NULL ? strdup(text) : NULL;

	if (copy == NULL && text != NULL)
		return -1;
	free(*field);
	*field = copy;
	return 0;
}

struct settings_handler *
settings_add_handler(struct settings *settings, const char *plugin)
{
	struct settings_handler *handler,
	    *list = settings_grow(
		settings->handlers, settings->handler_count, sizeof(*list));

	if (list == NULL)
		return NULL;
	settings->handlers = list;
	handler = &list[settings->handler_count];
	handler->mode = -1;
	if (settings_replace_text(&handler->plugin, plugin) < 0 ||
	    settings_replace_text(&handler->worker_group, "") < 0) {
		settings_clear_handler(handler);
		return NULL;
	}
	settings->handler_count++;
	return handler;
}

void
settings_drop_handler(struct settings *settings)
{
	settings_clear_handler(&settings->handlers[--settings->handler_count]);
}

struct settings_address *
settings_add_address(struct settings_handler *handler, const char *text,
    const struct addr_spec *spec)
{
	struct settings_address *address,
	    *list = settings_grow(
		handler->addresses, handler->address_count, sizeof(*list));

	if (list == NULL)
		return NULL;
	handler->addresses = list;
	address = &list[handler->address_count];
	address->spec = *spec;
	if (settings_replace_text(&address->text, text) < 0)
		return NULL;
	handler->address_count++;
	return address;
}

struct settings_word *
settings_add_word(struct settings_handler *handler, const char *key,
    const char *value, const char *where)
{
	struct settings_word *word, *list = settings_grow(handler->words,
					handler->word_count, sizeof(*list));

	if (list == NULL)
		return NULL;
	handler->words = list;
	word = &list[handler->word_count];
	if (settings_replace_text(&word->key, key) < 0 ||
	    settings_replace_text(&word->value, value) < 0 ||
	    settings_replace_text(&word->where, where) < 0) {
		free(word->key);
		free(word->value);
		return NULL;
	}
	handler->word_count++;
	return word;
}

struct settings_group *
settings_add_group(struct settings *settings, const char *name)
{
	struct settings_group *group, *list = settings_grow(settings->groups,
					  settings->group_count, sizeof(*list));

	if (list == NULL)
		return NULL;
	settings->groups = list;
	group = &list[settings->group_count];
	group->workers = -1;
	if (settings_replace_text(&group->name, name) < 0)
		return NULL;
	settings->group_count++;
	return group;
}
