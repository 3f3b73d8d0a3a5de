/* SPDX-License-Identifier: BSD-2-Clause */
/* Options in messages. Nothing else puts an option's dashes before its name. */
#include "settings_say.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "settings_guard.h"

#define SETTINGS_WHY_SIZE 768

int
settings_status(const char *where)
{
	return where != NULL ? -EX_CONFIG : -EX_USAGE;
}

int
settings_blame(int status, const char *where)
{
	if (status == -EX_USAGE || status == -EX_CONFIG)
		return settings_status(where);
	if (status == EX_USAGE || status == EX_CONFIG)
		return -settings_status(where);
	return status;
}

static void
settings_log(enum bevhost_level level, const char *name, const char *value,
    const char *where, const char *why)
{
	int goes_on = strncmp(why, "is ", 3) == 0;
	/* Its own line, and not that of the listener which it is for. */
	const char *before = log_set_where(where);

	if (where != NULL)
		log_write(level, NULL, "%s = '%s': %s%s", name, value,
		    goes_on ? "it " : "", why);
	else
		log_write(level, NULL, "--%s=%s%s%s", name, value,
		    goes_on ? " " : ": ", why);
	log_set_where(before);
}

int
settings_vsay(enum bevhost_level level, const struct settings_item *item,
    const char *format, va_list args)
{
	char why[SETTINGS_WHY_SIZE];

	vsnprintf(why, sizeof(why), format, args);
	settings_log(level, item->name, item->value, item->where, why);
	return settings_status(item->where);
}

int
settings_say(enum bevhost_level level, const struct settings_item *item,
    const char *format, ...)
{
	va_list args;
	int status;

	va_start(args, format);
	status = settings_vsay(level, item, format, args);
	va_end(args);
	return status;
}

int
settings_say_error(
    const char *name, const char *value, const char *where, const char *why)
{
	settings_log(BEVHOST_LOG_ERROR, name, value, where, why);
	return settings_status(where);
}
