/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a connection closes. A handler says it in advance, and so it holds in
 * all models, whose ways to close differ; it does not count when the host is
 * first, with a reason of its own.
 */
#include "conn_why.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn_own.h"
#include "log.h"
#include "reason.h"

#define CONN_WHY_SIZE 256

static char *
conn_print_why(const char *format, va_list args) BEVHOST_PRINTF(1, 0);

/* Without memory there is no text; nor is there one that nobody will see. */
static char *
conn_print_why(const char *format, va_list args)
{
	char text[CONN_WHY_SIZE] = "";

	if (format == NULL || !log_enabled(BEVHOST_LOG_INFO))
		return NULL;
	if (vsnprintf(text, sizeof(text), format, args) >= (int)sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);
	return strdup(text);
}

static int
conn_is_reason(enum bevhost_reason reason)
{
	return reason > BEVHOST_REASON_NONE &&
	       reason <= BEVHOST_REASON_LIFETIME;
}

void
conn_set_reason(struct bevhost_conn *conn, enum bevhost_reason reason,
    const char *format, va_list args)
{
	int saved_errno = errno;

	if (conn_is_closing(conn))
		return;
	if (!conn_is_reason(reason)) {
		log_write(BEVHOST_LOG_ERROR,
		    instance_name(conn->handler.instance),
		    "bevhost_conn_set_reason: %d is no reason: use one of enum "
		    "bevhost_reason",
		    (int)reason);
		reason = BEVHOST_REASON_HANDLER;
	}
	conn->said = (unsigned char)reason;
	free(conn->why);
	errno = saved_errno;
	conn->why = conn_print_why(format, args);
	errno = saved_errno;
}

void
conn_end(struct bevhost_conn *conn, enum bevhost_close how,
    enum bevhost_reason otherwise)
{
	if (conn->said == BEVHOST_REASON_NONE || conn_is_closing(conn)) {
		conn_close(conn, how, otherwise);
		return;
	}
	conn->tells = 1;
	conn_close(conn, how, (enum bevhost_reason)conn->said);
}

void
conn_say_closed(const struct bevhost_conn *conn)
{
	const char *word = reason_name((enum bevhost_reason)conn->reason);
	char text[CONN_WHY_SIZE + 32];

	if (!conn->tells || conn->why == NULL) {
		conn_say(conn, BEVHOST_LOG_INFO, "closed: ", word);
		return;
	}
	snprintf(text, sizeof(text), "%s: %s", word, conn->why);
	conn_say(conn, BEVHOST_LOG_INFO, "closed: ", text);
}
