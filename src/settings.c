/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in force. Scalars are in one table, most of them with a field that
 * param.c fills; the few with a form of their own have a function here. Every
 * text is the settings' own copy.
 */
#include "settings_edit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "param.h"

#define SETTINGS_HOUR	       (60 * 60 * INT64_C(1000))
#define SETTINGS_DAY	       (24 * SETTINGS_HOUR)
#define SETTINGS_FIELD(member) BEVHOST_FIELD(struct settings, member)

static const char *const settings_pins[] = { "auto", "on", "off", NULL };

static const char *const settings_levels[] = { "error", "warning", "notice",
	"info", "debug", NULL };

const struct bevhost_param settings_params[] = {
	{
	    .name = "workers",
	    .type = BEVHOST_PARAM_INT,
	    .value = "1",
	    .min = 1,
	    .max = 256,
	    .help = "processes that serve, or auto: one per CPU",
	    .field = SETTINGS_FIELD(workers),
	},
	{
	    .name = "pin",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "auto",
	    .choices = settings_pins,
	    .help = "each worker to a CPU of its own; auto: if workers is auto",
	    .field = SETTINGS_FIELD(pin),
	},
	{
	    .name = "user",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "user that workers run as",
	    .field = SETTINGS_FIELD(user),
	},
	{
	    .name = "group",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "group that workers run as",
	    .field = SETTINGS_FIELD(group),
	},
	{
	    .name = "pidfile",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "file for the process id, locked while it runs",
	    .field = SETTINGS_FIELD(pidfile),
	},
	{
	    .name = "log-file",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "file for the log instead of standard error",
	    .field = SETTINGS_FIELD(log_file),
	},
	{
	    .name = "log-level",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "notice",
	    .choices = settings_levels,
	    .help = "how much is said",
	    .field = SETTINGS_FIELD(level),
	},
	{
	    .name = "drain-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "30s",
	    .max = SETTINGS_DAY,
	    .help = "how long a stop waits for open connections",
	    .field = SETTINGS_FIELD(drain_timeout),
	},
	{
	    .name = "drain-spread",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "0s",
	    .max = SETTINGS_HOUR,
	    .help = "time over which idle connections are closed then",
	    .field = SETTINGS_FIELD(drain_spread),
	},
	{
	    .name = "reload-drain-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "10m",
	    .max = 30 * SETTINGS_DAY,
	    .help = "how long a reload lets old connections go on",
	    .field = SETTINGS_FIELD(reload_drain_timeout),
	},
	{
	    .name = "reload-drain-max",
	    .type = BEVHOST_PARAM_INT,
	    .value = "8",
	    .min = 1,
	    .max = 64,
	    .help = "old generations that may drain at once",
	    .field = SETTINGS_FIELD(reload_drain_max),
	},
	{
	    .name = "start-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "30s",
	    .min = 100,
	    .max = SETTINGS_HOUR,
	    .help = "how long workers may take until they are ready",
	    .field = SETTINGS_FIELD(start_timeout),
	},
	{
	    .name = "reload-canary",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "off",
	    .help = "share and time in which a reload is tried, or off",
	},
	{
	    .name = "stall-warn",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1s",
	    .max = SETTINGS_HOUR,
	    .help = "name a worker whose loop stands still this long; 0s: off",
	    .field = SETTINGS_FIELD(stall_warn),
	},
	{
	    .name = "stall-kill",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "0s",
	    .max = SETTINGS_HOUR,
	    .help = "replace a worker after this long; 0s: off",
	    .field = SETTINGS_FIELD(stall_kill),
	},
	{
	    .name = "plugin-dir",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "folder in which plugins are looked for first",
	    .field = SETTINGS_FIELD(plugin_dir),
	},
	{
	    .name = "event-method",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "epoll, poll or select",
	    .field = SETTINGS_FIELD(event_method),
	},
	{
	    .name = "stack-size",
	    .type = BEVHOST_PARAM_SIZE,
	    .min = 16 * 1024,
	    .max = 64 * 1024 * 1024,
	    .help = "of tasks that their plugin gives none, 64k unless given",
	    .field = SETTINGS_FIELD(stack_size),
	},
	{
	    .name = "job-threads",
	    .type = BEVHOST_PARAM_INT,
	    .value = "4",
	    .min = 1,
	    .max = 256,
	    .help = "threads of a worker for blocking work",
	    .field = SETTINGS_FIELD(job_threads),
	},
	{ .name = NULL },
};

int
settings_parse_workers(
    const char *text, int64_t *workers, char *why, size_t size)
{
	char reason[PARAM_TEXT_SIZE];
	int64_t number;

	if (strcmp(text, "auto") == 0) {
		*workers = 0;
		return 0;
	}
	if (param_parse(&settings_params[0], text, &number, reason,
		sizeof(reason)) < 0) {
		snprintf(why, size, "it is a number from 1 to 256, or auto");
		return -1;
	}
	*workers = number;
	return 0;
}

/* One part of "10%, 30s, 5%", and what follows its comma. */
static const char *
settings_next_part(const char *text, char *part, size_t size)
{
	size_t len;

	text += strspn(text, " \t");
	len = strcspn(text, ",");
	snprintf(part, size, "%.*s", (int)(len < size ? len : size - 1), text);
	text += len;
	for (len = strlen(part); len > 0 && strchr(" \t", part[len - 1]);)
		part[--len] = '\0';
	return *text == ',' ? text + 1 : NULL;
}

static int
settings_parse_percent(char *text, int64_t max, int64_t *number)
{
	const struct bevhost_param percent = {
		.type = BEVHOST_PARAM_INT,
		.min = 1,
		.max = max,
	};
	char why[PARAM_TEXT_SIZE];
	size_t len = strlen(text);

	if (len == 0 || text[len - 1] != '%')
		return -1;
	text[len - 1] = '\0';
	return param_parse(&percent, text, number, why, sizeof(why));
}

static const struct bevhost_param settings_canary_time = {
	.type = BEVHOST_PARAM_DURATION,
	.min = 1000,
	.max = SETTINGS_DAY,
};

static int
settings_set_canary(
    struct settings *settings, const char *text, char *why, size_t size)
{
	char percent[16], duration[32], errors[16] = "10%";
	char reason[PARAM_TEXT_SIZE];
	int64_t share, span, bound;

	if (strcmp(text, "off") == 0) {
		settings->canary_percent = 0;
		settings->canary_time = 0;
		settings->canary_errors = 0;
		return 0;
	}
	text = settings_next_part(text, percent, sizeof(percent));
	if (text != NULL)
		text = settings_next_part(text, duration, sizeof(duration));
	else
		duration[0] = '\0';
	if (text != NULL)
		text = settings_next_part(text, errors, sizeof(errors));
	if (text != NULL || settings_parse_percent(percent, 99, &share) < 0 ||
	    param_parse(&settings_canary_time, duration, &span, reason,
		sizeof(reason)) < 0 ||
	    settings_parse_percent(errors, 100, &bound) < 0) {
		snprintf(why, size,
		    "it is off, or the share of new connections (1%% to 99%%), "
		    "a time (1s to 1d) and, if wanted, a bound of errors: "
		    "10%%, 30s, 5%%");
		return -1;
	}
	settings->canary_percent = share;
	settings->canary_time = span;
	settings->canary_errors = bound;
	return 0;
}

static int
settings_check_event_method(const char *text, char *why, size_t size)
{
	if (strcmp(text, "epoll") == 0 || strcmp(text, "poll") == 0 ||
	    strcmp(text, "select") == 0)
		return 0;
	snprintf(why, size, "it is epoll, poll or select");
	return -1;
}

const char *
settings_string(
    const struct settings *settings, const struct bevhost_param *param)
{
	const char *text;

	if (param->type != BEVHOST_PARAM_STRING || param->field.size == 0)
		return NULL;
	memcpy(
	    &text, (const char *)settings + param->field.offset, sizeof(text));
	return text;
}

static int
settings_set_string(struct settings *settings,
    const struct bevhost_param *param, const char *text, char *why, size_t size)
{
	char **field = (void *)((char *)settings + param->field.offset);

	if (settings_replace_text(field, text[0] != '\0' ? text : NULL) == 0)
		return 0;
	snprintf(why, size, "%s", strerror(errno));
	return -1;
}

static int
settings_set_number(struct settings *settings,
    const struct bevhost_param *param, const char *text, char *why, size_t size)
{
	int64_t number;

	if (param_parse(param, text, &number, why, size) < 0)
		return -1;
	param_store(param, settings, text, number);
	return 0;
}

int
settings_set(struct settings *settings, const char *name, const char *text,
    char *why, size_t size)
{
	const struct bevhost_param *param = param_find(settings_params, name);

	if (param == NULL) {
		snprintf(why, size, "there is no option of this name");
		return -1;
	}
	if (strcmp(name, "workers") == 0)
		return settings_parse_workers(
		    text, &settings->workers, why, size);
	if (strcmp(name, "reload-canary") == 0)
		return settings_set_canary(settings, text, why, size);
	if (strcmp(name, "event-method") == 0 &&
	    settings_check_event_method(text, why, size) < 0)
		return -1;
	if (param->type == BEVHOST_PARAM_STRING)
		return settings_set_string(settings, param, text, why, size);
	return settings_set_number(settings, param, text, why, size);
}

int
settings_has(const char *name)
{
	return param_find(settings_params, name) != NULL;
}

static void
settings_canary_text(const struct settings *settings, char *buf, size_t size)
{
	char span[32];

	if (settings->canary_percent == 0)
		snprintf(buf, size, "off");
	else
		snprintf(buf, size, "%jd%%, %s, %jd%%",
		    (intmax_t)settings->canary_percent,
		    param_text(&settings_canary_time, settings->canary_time,
			span, sizeof(span)),
		    (intmax_t)settings->canary_errors);
}

char *
settings_text(
    const struct settings *settings, const char *name, char *buf, size_t size)
{
	const struct bevhost_param *param = param_find(settings_params, name);
	const char *text;
	int64_t number;

	buf[0] = '\0';
	if (param == NULL)
		return buf;
	if (strcmp(name, "reload-canary") == 0) {
		settings_canary_text(settings, buf, size);
		return buf;
	}
	if (param->type == BEVHOST_PARAM_STRING) {
		text = settings_string(settings, param);
		snprintf(buf, size, "%s", text ? text : "");
		return buf;
	}
	memcpy(&number, (const char *)settings + param->field.offset,
	    sizeof(number));
	if (strcmp(name, "workers") == 0 && number == 0)
		snprintf(buf, size, "auto");
	else if (param->value != NULL || number != 0)
		param_text(param, number, buf, size);
	return buf;
}

void
settings_init(struct settings *settings)
{
	const struct bevhost_param *param;
	char why[PARAM_TEXT_SIZE];

	memset(settings, 0, sizeof(*settings));
	for (param = settings_params; param->name != NULL; param++)
		if (param->value != NULL &&
		    settings_set(settings, param->name, param->value, why,
			sizeof(why)) < 0)
			abort(); /* the table itself is wrong */
}
