/* SPDX-License-Identifier: BSD-2-Clause */
/* What the log says of one connection: its plugin, its client, and the rest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "conn_own.h"
#include "limit.h"
#include "log.h"
#include "seldom.h"

/* It may be so for long, and for each who comes. */
#define CONN_SAY_MS 1000

void
conn_say(const struct bevhost_conn *conn, enum bevhost_level level,
    const char *what, const char *detail)
{
	char address[ADDR_TEXT_SIZE];

	if (!log_enabled(level))
		return;
	log_write(level, instance_name(conn->handler.instance), "%s: %s%s",
	    conn_client_text(conn, address, sizeof(address)), what, detail);
}

void
conn_say_slow(const struct bevhost_conn *conn, const char *name)
{
	int limit = limit_find(name);
	char more[LIMIT_MORE_SIZE], text[64 + LIMIT_MORE_SIZE];

	if (limit < 0 ||
	    !limit_may_say(conn->limits, (enum limit)limit, more, sizeof(more)))
		return;
	snprintf(
	    text, sizeof(text), "%s would slow it (dry-run)%s", name, more);
	conn_say(conn, BEVHOST_LOG_NOTICE, text, "");
}

void
conn_say_no_memory(const struct bevhost_instance *instance)
{
	static struct seldom said;
	char more[SELDOM_MORE_SIZE];

	if (seldom_may(&said, CONN_SAY_MS, more))
		log_write(BEVHOST_LOG_WARNING, instance_name(instance),
		    "connection refused: %s%s", strerror(ENOMEM), more);
}
