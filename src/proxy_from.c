/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may say who the client is. A header is an address that somebody claims:
 * a listener that would take it from everybody has no clients that can be told
 * apart, and does not start.
 */
#include "proxy_from.h"

#include <errno.h>
#include <sysexits.h>

#include "log.h"
#include "netset.h"
#include "settings_guard.h"
#include "settings_origin.h"
#include "settings_say.h"

static int
proxy_from_no_memory(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "no memory for proxy-from");
	return -EX_OSERR;
}

static int
proxy_from_add(struct netset *set, const struct settings_item *item)
{
	char why[160];
	int error = netset_add(set, item->value, why, sizeof(why));

	if (error == -EINVAL)
		return settings_say_error(
		    item->name, item->value, item->where, why);
	return error < 0 ? proxy_from_no_memory() : 0;
}

static int
proxy_from_add_all(struct netset *set, const struct settings_guard *guard)
{
	int at, status;

	for (at = settings_item_next(guard, "proxy-from", 0); at >= 0;
	     at = settings_item_next(guard, "proxy-from", at + 1)) {
		status = proxy_from_add(set, &guard->items[at]);
		if (status < 0)
			return status;
	}
	return 0;
}

static int
proxy_from_nobody(const struct settings_guard *guard)
{
	char word[32];
	const struct settings_item proxy =
	    settings_scalar(guard, "proxy", word, sizeof(word));

	return settings_say(BEVHOST_LOG_ERROR, &proxy,
	    "nobody may send a PROXY header: name the networks of the proxies "
	    "with %s",
	    proxy.where != NULL ? "proxy-from, such as proxy-from = 10.0.0.0/8"
				: "--proxy-from, such as "
				  "--proxy-from=10.0.0.0/8");
}

int
proxy_from_new(const struct settings_guard *guard, struct netset **set)
{
	int status;

	*set = NULL;
	if (guard->proxy == SETTINGS_PROXY_OFF)
		return 0;
	if (settings_item_next(guard, "proxy-from", 0) < 0)
		return proxy_from_nobody(guard);
	*set = netset_new();
	if (*set == NULL)
		return proxy_from_no_memory();
	status = proxy_from_add_all(*set, guard);
	if (status == 0)
		return 0;
	netset_free(*set);
	*set = NULL;
	return status;
}
