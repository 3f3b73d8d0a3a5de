/* SPDX-License-Identifier: BSD-2-Clause */
/* What plugins may call of the log. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <bevhost/plugin.h>

#include "call.h"
#include "conn.h"
#include "instance.h"
#include "log.h"

/* The name of the plugin that calls, or NULL outside of a call into one. */
static const char *
api_caller(void)
{
	const struct bevhost_instance *instance = call_running.instance;

	return instance != NULL ? instance_name(instance) : NULL;
}

void
bevhost_log(enum bevhost_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(level, api_caller(), format, args);
	va_end(args);
}

void
bevhost_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(BEVHOST_LOG_ERROR, api_caller(), format, args);
	va_end(args);
}

void
bevhost_conn_log(const struct bevhost_conn *conn, enum bevhost_level level,
    const char *format, ...)
{
	char address[BEVHOST_ADDRESS_SIZE], prefix[BEVHOST_ADDRESS_SIZE + 80];
	int saved_errno = errno;
	va_list args;

	if (!log_enabled(level))
		return;
	snprintf(prefix, sizeof(prefix), "%s: %s",
	    instance_name(conn->handler.instance),
	    bevhost_conn_client_text(conn, address, sizeof(address)));
	errno = saved_errno;
	va_start(args, format);
	log_vwrite(level, prefix, format, args);
	va_end(args);
}

void
bevhost_instance_log(const struct bevhost_instance *instance,
    enum bevhost_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(level, instance_name(instance), format, args);
	va_end(args);
}

int
bevhost_log_enabled(enum bevhost_level level)
{
	return log_enabled(level);
}
