/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one listener does not use another may: what holds for all is only named
 * when nobody has a use for it. What it takes files to find out is a worker's.
 */
#include "settings_check.h"

#include <string.h>

#include "log.h"
#include "settings_guard.h"
#include "settings_origin.h"
#include "settings_say.h"

static int
settings_has_tls(const struct settings_guard *guard)
{
	return settings_item_next(guard, "tls-cert", 0) >= 0;
}

static int
settings_any_tls(const struct settings *settings)
{
	int i;

	for (i = 0; i < settings->handler_count; i++)
		if (settings_has_tls(&settings->handlers[i].guard))
			return 1;
	return 0;
}

/* Who writes a section tls is sure to have TLS. */
static int
settings_no_certificate(const struct settings_guard *guard)
{
	const char *where = settings_where(guard, SETTINGS_TLS_SECTION);

	log_set_where(where);
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "tls { } has no certificate, so there is no TLS: name one with "
	    "cert = FILE, or do without this section");
	log_set_where(NULL);
	return settings_status(where);
}

int
settings_check(const struct settings *settings)
{
	int i;

	for (i = 0; i < settings->handler_count; i++) {
		const struct settings_guard *guard =
		    &settings->handlers[i].guard;

		if (settings_is_given(guard, SETTINGS_TLS_SECTION) &&
		    !settings_has_tls(guard))
			return settings_no_certificate(guard);
	}
	if (settings_is_given(&settings->guard, SETTINGS_TLS_SECTION) &&
	    !settings_any_tls(settings))
		return settings_no_certificate(&settings->guard);
	return 0;
}

/* Settings that only count beside another. */
struct settings_pair {
	const char *name;
	int (*is_used)(const struct settings_guard *guard);
	void (*say)(const struct settings_item *item);
};

static int
settings_uses_proxy_from(const struct settings_guard *guard)
{
	return guard->proxy != SETTINGS_PROXY_OFF;
}

static void
settings_say_proxy_from(const struct settings_item *item)
{
	settings_say(BEVHOST_LOG_WARNING, item,
	    "%s is off, so no PROXY header is read: make it optional or "
	    "required, or do without this",
	    SETTINGS_SPELL(item->where, "proxy"));
}

/* A listener without TLS says so itself. */
static int
settings_uses_ciphers(const struct settings_guard *guard)
{
	return guard->tls_min_version != SETTINGS_TLS_1_3 ||
	       !settings_has_tls(guard);
}

static void
settings_say_ciphers(const struct settings_item *item)
{
	settings_say(BEVHOST_LOG_WARNING, item,
	    "these are for TLS 1.2, which is not spoken, as %s is 1.3: do "
	    "without this, or give %s",
	    SETTINGS_SPELL(item->where, "tls-min-version"),
	    SETTINGS_SPELL(item->where, "tls-ciphersuites"));
}

static const struct settings_pair settings_pairs[] = {
	{ "proxy-from", settings_uses_proxy_from, settings_say_proxy_from },
	{ "tls-ciphers", settings_uses_ciphers, settings_say_ciphers },
};

/* Of what holds for all: does a listener that has it use it? */
static int
settings_is_used(
    const struct settings *settings, const struct settings_pair *pair)
{
	int i, at;

	for (i = 0; i < settings->handler_count; i++) {
		const struct settings_guard *guard =
		    &settings->handlers[i].guard;

		at = settings_item_next(guard, pair->name, 0);
		if (at >= 0 && guard->items[at].inherited &&
		    pair->is_used(guard))
			return 1;
	}
	return 0;
}

static void
settings_warn_pair(
    const struct settings *settings, const struct settings_pair *pair)
{
	const struct settings_guard *guard = &settings->guard;
	int i, at = settings_item_next(guard, pair->name, 0);

	if (at >= 0 && settings->handler_count > 0 &&
	    !settings_is_used(settings, pair))
		pair->say(&guard->items[at]);
	for (i = 0; i < settings->handler_count; i++) {
		guard = &settings->handlers[i].guard;
		at = settings_item_next(guard, pair->name, 0);
		if (at >= 0 && !guard->items[at].inherited &&
		    !pair->is_used(guard))
			pair->say(&guard->items[at]);
	}
}

void
settings_warn(const struct settings *settings)
{
	size_t i;

	for (i = 0; i < sizeof(settings_pairs) / sizeof(settings_pairs[0]); i++)
		settings_warn_pair(settings, &settings_pairs[i]);
}
