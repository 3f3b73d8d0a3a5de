/* SPDX-License-Identifier: BSD-2-Clause */
/* The words for limits, and how often the log may have them. */
#include "limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "limit_log.h"
#include "near.h"

_Static_assert(LIMIT_MORE_SIZE >= ADDR_TEXT_SIZE + 64, "an address fits");
_Static_assert(sizeof(((struct limit_log *)0)->said) >=
		   sizeof(struct seldom) * LIMIT_COUNT,
    "each limit is said");

#define LIMIT_SAY_MS	  1000
#define LIMIT_SAY_FULL_MS 60000 /* a host may be full for days */

static const char *const limit_names[LIMIT_COUNT] = {
	[LIMIT_ACCESS] = "access",
	[LIMIT_CONNECTIONS] = "max-connections",
	[LIMIT_CONNECTIONS_PER_CLIENT] = "max-connections-per-client",
	[LIMIT_RATE] = "connection-rate",
	[LIMIT_RATE_PER_CLIENT] = "connection-rate-per-client",
	[LIMIT_BYTES_IN] = "bytes-in-rate",
	[LIMIT_BYTES_OUT] = "bytes-out-rate",
};

const char *
limit_name(enum limit limit)
{
	return limit_names[limit];
}

int
limit_find(const char *name)
{
	int i;

	for (i = 0; i < LIMIT_COUNT; i++)
		if (strcmp(limit_names[i], name) == 0)
			return i;
	return -1;
}

int
limit_check(const char *name, char *why, size_t size)
{
	struct near near = { .word = name };
	char hint[96];
	int i;

	if (limit_find(name) >= 0)
		return 0;
	for (i = 0; i < LIMIT_COUNT; i++)
		near_offer(&near, limit_names[i]);
	near_text(&near, hint, sizeof(hint));
	snprintf(why, size, "it is no limit%s%s", hint,
	    hint[0] != '\0'
		? ""
		: ": access, max-connections, max-connections-per-client, "
		  "connection-rate, connection-rate-per-client, bytes-in-rate "
		  "or bytes-out-rate");
	return -EINVAL;
}

int
limit_may_say(struct limit_log *log, enum limit limit, char *more, size_t size)
{
	static struct limit_log nowhere;
	char address[ADDR_TEXT_SIZE] = "", count[SELDOM_MORE_SIZE];

	if (log == NULL)
		log = &nowhere;
	if (!seldom_may(&log->said[limit],
		limit == LIMIT_CONNECTIONS ? LIMIT_SAY_FULL_MS : LIMIT_SAY_MS,
		count))
		return 0;
	if (log->bound != NULL)
		addr_text(&log->bound->u.sa, log->bound->len, address,
		    sizeof(address));
	snprintf(more, size, "%s%s%s", address[0] != '\0' ? " on " : "",
	    address, count);
	return 1;
}
