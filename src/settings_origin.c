/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where each scalar was given, so that what is wrong with it can be said of its
 * line, or in the words of the command line. Few are, so a list will do.
 */
#include "settings_origin.h"

#include <stdlib.h>
#include <string.h>

#include "param.h"
#include "settings_edit.h"
#include "settings_guard.h"

static struct settings_origin *
settings_origin_find(const struct settings_guard *guard, const char *name)
{
	int i;

	for (i = 0; i < guard->origin_count; i++)
		if (strcmp(guard->origins[i].name, name) == 0)
			return &guard->origins[i];
	return NULL;
}

/* As the table has it, which outlives all settings. */
static const char *
settings_name(const char *name)
{
	const struct bevhost_param *param = param_find(settings_params, name);

	if (param == NULL)
		param = param_find(settings_listener_params, name);
	if (param != NULL)
		return param->name;
	return strcmp(name, SETTINGS_TLS_SECTION) == 0 ? SETTINGS_TLS_SECTION
						       : NULL;
}

static struct settings_origin *
settings_append_origin(struct settings_guard *guard, const char *name)
{
	struct settings_origin *origin,
	    *list = reallocarray(
		guard->origins, (size_t)guard->origin_count + 1, sizeof(*list));

	if (list == NULL)
		return NULL;
	guard->origins = list;
	origin = &list[guard->origin_count++];
	memset(origin, 0, sizeof(*origin));
	origin->name = name;
	return origin;
}

int
settings_give(struct settings_guard *guard, const char *name, const char *where)
{
	struct settings_origin *origin = settings_origin_find(guard, name);

	name = settings_name(name);
	if (origin == NULL && name != NULL)
		origin = settings_append_origin(guard, name);
	if (origin == NULL)
		return -1;
	origin->inherited = 0;
	return settings_replace_text(&origin->where, where);
}

void
settings_clear_origins(struct settings_guard *guard)
{
	while (guard->origin_count > 0)
		free(guard->origins[--guard->origin_count].where);
	free(guard->origins);
	guard->origins = NULL;
}

static void
settings_drop_inherited_origins(struct settings_guard *guard)
{
	int i, kept = 0;

	for (i = 0; i < guard->origin_count; i++)
		if (guard->origins[i].inherited)
			free(guard->origins[i].where);
		else
			guard->origins[kept++] = guard->origins[i];
	guard->origin_count = kept;
}

int
settings_inherit_origins(
    struct settings_guard *guard, const struct settings_guard *all)
{
	struct settings_origin *origin;
	int i;

	settings_drop_inherited_origins(guard);
	for (i = 0; i < all->origin_count; i++) {
		/* max-connections is another thing in a listener. */
		if (settings_guard_find(all->origins[i].name) == NULL ||
		    param_find(settings_listener_params,
			all->origins[i].name) != NULL ||
		    settings_origin_find(guard, all->origins[i].name) != NULL)
			continue;
		origin = settings_append_origin(guard, all->origins[i].name);
		if (origin == NULL || settings_replace_text(&origin->where,
					  all->origins[i].where) < 0)
			return -1;
		origin->inherited = 1;
	}
	return 0;
}

const char *
settings_where(const struct settings_guard *guard, const char *name)
{
	const struct settings_origin *origin =
	    settings_origin_find(guard, name);

	return origin != NULL ? origin->where : NULL;
}

int
settings_is_given(const struct settings_guard *guard, const char *name)
{
	return settings_origin_find(guard, name) != NULL;
}

int
settings_is_own(const struct settings_guard *guard, const char *name)
{
	const struct settings_origin *origin =
	    settings_origin_find(guard, name);

	return origin != NULL && (!origin->inherited || origin->where == NULL);
}

struct settings_item
settings_scalar(const struct settings_guard *guard, const char *name, char *buf,
    size_t size)
{
	const struct bevhost_param *param = settings_guard_find(name);
	struct settings_item item = { .name = name, .value = buf };
	const struct settings_origin *origin =
	    settings_origin_find(guard, name);

	settings_number_text(
	    param, *settings_guard_field(guard, param), buf, size);
	if (origin != NULL) {
		item.where = origin->where;
		item.inherited = origin->inherited;
	}
	return item;
}
