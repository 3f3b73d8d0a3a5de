/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings that are written in a form of their own. */
#include "settings_form.h"

#include <stdio.h>
#include <string.h>

#include "param.h"
#include "settings_edit.h"

#define SETTINGS_RATE_MAX (1000000 * INT64_C(3600))

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

/* "100/s", "30/m" or "5/h"; stored for an hour. */
static const struct settings_unit {
	char name;
	int64_t factor;
} settings_units[] = { { 's', 3600 }, { 'm', 60 }, { 'h', 1 }, { '\0', 1 } };

static const struct settings_unit *
settings_find_unit(const char *text)
{
	const struct settings_unit *unit = settings_units;

	while (unit->name != '\0' && (unit->name != text[0] || text[1] != '\0'))
		unit++;
	return unit->name != '\0' ? unit : NULL;
}

static int
settings_parse_rate(const char *text, int64_t *rate, char *why, size_t size)
{
	const struct settings_unit *unit;
	struct bevhost_param count = { .type = BEVHOST_PARAM_INT, .min = 1 };
	char number[32], reason[PARAM_TEXT_SIZE];
	size_t len = strcspn(text, "/");

	if (len > 0 && text[len] == '\0' && strspn(text, "0123456789") == len) {
		snprintf(why, size,
		    "is without its time: write %s/s, %s/m or %s/h", text, text,
		    text);
		return -1;
	}
	snprintf(number, sizeof(number), "%.*s",
	    (int)(len < sizeof(number) ? len : sizeof(number) - 1), text);
	unit = text[len] == '/' ? settings_find_unit(text + len + 1) : NULL;
	count.max = unit != NULL ? SETTINGS_RATE_MAX / unit->factor : 0;
	if (unit == NULL ||
	    param_parse(&count, number, rate, reason, sizeof(reason)) < 0) {
		snprintf(why, size,
		    "it is a number, 1 or more, in a second, a minute or an "
		    "hour: 100/s, 30/m, 5/h");
		return -1;
	}
	*rate *= unit->factor;
	return 0;
}

static void
settings_rate_text(int64_t rate, char *buf, size_t size)
{
	const struct settings_unit *unit = settings_units;

	while (rate % unit->factor != 0)
		unit++;
	snprintf(
	    buf, size, "%jd/%c", (intmax_t)(rate / unit->factor), unit->name);
}

static void
settings_workers_text(int64_t workers, char *buf, size_t size)
{
	if (workers == 0)
		snprintf(buf, size, "auto");
	else
		snprintf(buf, size, "%jd", (intmax_t)workers);
}

static const struct settings_form settings_forms[] = {
	{ "workers", settings_parse_workers, settings_workers_text, 1 },
	{ "connection-rate", settings_parse_rate, settings_rate_text, 0 },
	{ "connection-rate-per-client", settings_parse_rate, settings_rate_text,
	    0 },
};

const struct settings_form *
settings_form_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(settings_forms) / sizeof(settings_forms[0]); i++)
		if (strcmp(settings_forms[i].name, name) == 0)
			return &settings_forms[i];
	return NULL;
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
	.max = 24 * 60 * 60 * INT64_C(1000),
};

int
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

void
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
