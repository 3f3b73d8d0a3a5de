/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a listener asks of its connections: scalars, which stand in the table
 * with a field of what holds for all, and values in lists.
 */
#include "settings_guard.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "netset.h"
#include "param.h"
#include "settings_edit.h"

#define GUARD_AT offsetof(struct settings, guard)

static const char *
settings_limit_word(int number)
{
	return number < LIMIT_COUNT ? limit_name((enum limit)number) : NULL;
}

/* Each set in the order of the dump. */
const struct settings_list settings_lists[] = {
	{ "allow", "access", 0, "clients of this network may connect",
	    netset_check, NULL },
	{ "deny", "access", 0, "clients of this network may not", netset_check,
	    NULL },
	{ "proxy-from", "proxy-from", 0,
	    "peers of this network may send a PROXY header", netset_check,
	    NULL },
	{ "dry-run", "dry-run", 0, "this limit is counted, and nobody refused",
	    limit_check, settings_limit_word },
	{ "tls-cert", "tls", 0, "file of a certificate with its chain", NULL,
	    NULL },
	{ "tls-key", "tls", 0, "file of the key of the certificate before it",
	    NULL, NULL },
	{ "tls-ocsp", "tls", 0,
	    "file of the OCSP response for the certificate before it", NULL,
	    NULL },
	{ "tls-client-ca", "tls-client-ca", 1,
	    "file of those who may sign certificates of clients", NULL, NULL },
	{ "tls-alpn", "tls-alpn", 0,
	    "a protocol that is offered, the best first", NULL, NULL },
	{ "tls-ciphers", "tls-ciphers", 1, "of TLS 1.2, as OpenSSL writes them",
	    NULL, NULL },
	{ "tls-ciphersuites", "tls-ciphersuites", 1,
	    "of TLS 1.3, as OpenSSL writes them", NULL, NULL },
	{ "tls-groups", "tls-groups", 1,
	    "of the key exchange, as OpenSSL writes them", NULL, NULL },
	{ .name = NULL },
};

const struct settings_list *
settings_list_find(const char *name)
{
	const struct settings_list *list = settings_lists;

	while (list->name != NULL && strcmp(list->name, name) != 0)
		list++;
	return list->name != NULL ? list : NULL;
}

static int
settings_is_guard(const struct bevhost_param *param)
{
	return param->field.size != 0 && param->field.offset >= GUARD_AT &&
	       param->field.offset < GUARD_AT + sizeof(struct settings_guard);
}

const struct bevhost_param *
settings_guard_next(const struct bevhost_param *param)
{
	param = param == NULL ? settings_listener_params : param + 1;
	if (param == &settings_listener_params[1])
		param = settings_params;
	while (param->name != NULL && !settings_is_guard(param))
		param++;
	return param->name != NULL ? param : NULL;
}

const struct bevhost_param *
settings_guard_find(const char *name)
{
	const struct bevhost_param *param = NULL;

	do
		param = settings_guard_next(param);
	while (param != NULL && strcmp(param->name, name) != 0);
	return param;
}

/* Its place among the fields is its bit: all of them have one size. */
static uint64_t
settings_guard_bit(const struct bevhost_param *param)
{
	size_t number = (param->field.offset - GUARD_AT) / sizeof(int64_t);

	assert(number < 64);
	return UINT64_C(1) << number;
}

int64_t *
settings_guard_field(
    const struct settings_guard *guard, const struct bevhost_param *param)
{
	return (
	    void *)((char *)(uintptr_t)guard + param->field.offset - GUARD_AT);
}

int
settings_guard_set(struct settings_guard *guard, const char *name,
    const char *text, char *why, size_t size)
{
	const struct bevhost_param *param = settings_guard_find(name);

	if (param == NULL) {
		snprintf(why, size, "listeners have no option of this name");
		return -1;
	}
	if (settings_parse_number(
		param, text, settings_guard_field(guard, param), why, size) < 0)
		return -1;
	guard->given |= settings_guard_bit(param);
	return 0;
}

char *
settings_guard_text(const struct settings_guard *guard,
    const struct bevhost_param *param, char *buf, size_t size)
{
	buf[0] = '\0';
	if (guard->given & settings_guard_bit(param))
		settings_number_text(
		    param, *settings_guard_field(guard, param), buf, size);
	return buf;
}

static uint32_t
settings_kind(const char *name)
{
	const struct settings_list *list = settings_list_find(name);

	return list != NULL ? UINT32_C(1) << (list - settings_lists) : 0;
}

int
settings_item_next(const struct settings_guard *guard, const char *name, int at)
{
	/* Connections ask, and thousands of networks may be in between. */
	if (!(guard->kinds & settings_kind(name)))
		return -1;
	for (; at < guard->item_count; at++)
		if (strcmp(guard->items[at].name, name) == 0)
			return at;
	return -1;
}

const char *
settings_item_value(const struct settings_guard *guard, const char *name)
{
	int at = settings_item_next(guard, name, 0);

	return at >= 0 ? guard->items[at].value : NULL;
}

static void
settings_clear_item(struct settings_item *item)
{
	free(item->value);
	free(item->where);
}

void
settings_clear_guard(struct settings_guard *guard)
{
	settings_clear_origins(guard);
	while (guard->item_count > 0)
		settings_clear_item(&guard->items[--guard->item_count]);
	free(guard->items);
	guard->items = NULL;
	guard->kinds = 0;
}

/* Returns the new one, or NULL with errno. */
static struct settings_item *
settings_append_item(struct settings_guard *guard, const char *name,
    const char *value, const char *where)
{
	struct settings_item *item,
	    *list = reallocarray(
		guard->items, (size_t)guard->item_count + 1, sizeof(*list));

	if (list == NULL)
		return NULL;
	guard->items = list;
	item = &list[guard->item_count];
	memset(item, 0, sizeof(*item));
	item->name = name;
	if (settings_replace_text(&item->value, value) < 0 ||
	    settings_replace_text(&item->where, where) < 0) {
		free(item->value);
		return NULL;
	}
	guard->item_count++;
	guard->kinds |= settings_kind(name);
	return item;
}

int
settings_add_item(struct settings_guard *guard,
    const struct settings_list *list, const char *value, const char *where,
    char *why, size_t size)
{
	if (list->check != NULL && list->check(value, why, size) < 0)
		return -1;
	if (value[0] == '\0')
		snprintf(why, size, "is empty");
	else if (list->once && settings_item_value(guard, list->name) != NULL)
		snprintf(why, size, "is given twice");
	else if (settings_append_item(guard, list->name, value, where) == NULL)
		snprintf(why, size, "%s", strerror(ENOMEM));
	else
		return 0;
	return -1;
}

static int
settings_is_of_set(const struct settings_item *item, const char *set)
{
	return strcmp(settings_list_find(item->name)->set, set) == 0;
}

void
settings_drop_items(
    struct settings_guard *guard, const struct settings_list *list)
{
	int i, kept = 0;

	for (i = 0; i < guard->item_count; i++)
		if (guard->items[i].where != NULL &&
		    settings_is_of_set(&guard->items[i], list->set))
			settings_clear_item(&guard->items[i]);
		else
			guard->items[kept++] = guard->items[i];
	guard->item_count = kept;
}

/* Has it any of the set, of the first `count` items? */
static int
settings_has_set(const struct settings_guard *guard, const char *set, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (settings_is_of_set(&guard->items[i], set))
			return 1;
	return 0;
}

static int
settings_inherit_items(
    struct settings_guard *guard, const struct settings_guard *all)
{
	const int own = guard->item_count;
	struct settings_item *item;
	int i;

	for (i = 0; i < all->item_count; i++) {
		item = &all->items[i];
		if (settings_has_set(
			guard, settings_list_find(item->name)->set, own))
			continue;
		item = settings_append_item(
		    guard, item->name, item->value, item->where);
		if (item == NULL)
			return -1;
		item->inherited = 1;
	}
	return 0;
}

static void
settings_drop_inherited(struct settings_guard *guard)
{
	while (guard->item_count > 0 &&
	       guard->items[guard->item_count - 1].inherited)
		settings_clear_item(&guard->items[--guard->item_count]);
}

int
settings_finish(struct settings *settings)
{
	const struct bevhost_param *param;
	struct settings_guard *guard;
	int i;

	for (i = 0; i < settings->handler_count; i++) {
		guard = &settings->handlers[i].guard;
		for (param = settings_guard_next(NULL); param != NULL;
		     param = settings_guard_next(param))
			if (!(guard->given & settings_guard_bit(param)))
				*settings_guard_field(guard, param) =
				    *settings_guard_field(
					&settings->guard, param);
		settings_drop_inherited(guard);
		if (settings_inherit_items(guard, &settings->guard) < 0 ||
		    settings_inherit_origins(guard, &settings->guard) < 0)
			return -1;
	}
	return 0;
}
