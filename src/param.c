/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The six types of parameters. A number is decimal, a size has an optional
 * binary unit, a duration must have one, so that nobody guesses.
 */
#include "param.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "near.h"

struct param_unit {
	const char *name;
	int64_t factor;
};

static const struct param_unit param_sizes[] = {
	{ "", 1 },
	{ "k", INT64_C(1) << 10 },
	{ "M", INT64_C(1) << 20 },
	{ "G", INT64_C(1) << 30 },
	{ "T", INT64_C(1) << 40 },
	{ NULL, 0 },
};

static const struct param_unit param_durations[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "d", 24 * 60 * 60 * 1000 },
	{ NULL, 0 },
};

static const char *const param_words[2][4] = {
	{ "off", "no", "false", "0" },
	{ "on", "yes", "true", "1" },
};

static int
param_parse_int(const char *text, const char **end, int64_t *number)
{
	char *stop;
	long long value;

	if (!isdigit((unsigned char)text[text[0] == '-']))
		return -1;
	errno = 0;
	value = strtoll(text, &stop, 10);
	*end = stop;
	*number = value;
	return errno == 0 ? 0 : -1;
}

static int
param_parse_unit(
    const char *text, const struct param_unit *unit, int64_t *number)
{
	const char *end;

	if (param_parse_int(text, &end, number) < 0)
		return -1;
	for (; unit->name != NULL; unit++)
		if (strcasecmp(end, unit->name) == 0)
			return __builtin_mul_overflow(
				   *number, unit->factor, number)
				   ? -1
				   : 0;
	return -1;
}

static int
param_parse_bool(const char *text, int64_t *number)
{
	size_t truth, i;

	for (truth = 0; truth < 2; truth++)
		for (i = 0; i < 4; i++)
			if (strcasecmp(text, param_words[truth][i]) == 0) {
				*number = (int64_t)truth;
				return 0;
			}
	return -1;
}

static int
param_parse_enum(const char *const *choices, const char *text, int64_t *number)
{
	int64_t i;

	for (i = 0; choices[i] != NULL; i++)
		if (strcmp(choices[i], text) == 0) {
			*number = i;
			return 0;
		}
	return -1;
}

static const char *
param_expected(const struct bevhost_param *param)
{
	switch (param->type) {
	case BEVHOST_PARAM_INT:
		return "a whole number";
	case BEVHOST_PARAM_BOOL:
		return "on or off";
	case BEVHOST_PARAM_SIZE:
		return "a size, such as 4096, 64k or 1M";
	case BEVHOST_PARAM_DURATION:
		return "a duration with its unit, such as 250ms, 30s or 5m";
	default:
		return "text";
	}
}

static int
param_fail(
    const struct bevhost_param *param, const char *text, char *why, size_t size)
{
	struct near near = { .word = text };
	char hint[96], range[PARAM_TEXT_SIZE];
	int i;

	if (param->type != BEVHOST_PARAM_ENUM) {
		snprintf(why, size, "is not %s", param_expected(param));
		return -1;
	}
	for (i = 0; param->choices[i] != NULL; i++)
		near_offer(&near, param->choices[i]);
	snprintf(why, size, "is not %s%s",
	    param_range_text(param, range, sizeof(range)),
	    near_text(&near, hint, sizeof(hint)));
	return -1;
}

int
param_parse(const struct bevhost_param *param, const char *text,
    int64_t *number, char *why, size_t size)
{
	char range[PARAM_TEXT_SIZE];
	const char *end = "";
	int status = 0;

	switch (param->type) {
	case BEVHOST_PARAM_STRING:
		*number = (int64_t)strlen(text);
		break;
	case BEVHOST_PARAM_INT:
		status = param_parse_int(text, &end, number);
		if (*end != '\0')
			status = -1;
		break;
	case BEVHOST_PARAM_BOOL:
		status = param_parse_bool(text, number);
		break;
	case BEVHOST_PARAM_SIZE:
		status = param_parse_unit(text, param_sizes, number);
		break;
	case BEVHOST_PARAM_DURATION:
		status = param_parse_unit(text, param_durations, number);
		break;
	case BEVHOST_PARAM_ENUM:
		status = param_parse_enum(param->choices, text, number);
		break;
	default:
		status = -1;
	}
	if (status < 0)
		return param_fail(param, text, why, size);
	if ((param->type == BEVHOST_PARAM_SIZE ||
		param->type == BEVHOST_PARAM_DURATION) &&
	    *number < 0) {
		snprintf(why, size, "is negative");
		return -1;
	}
	if ((param->min != 0 || param->max != 0) &&
	    param->type != BEVHOST_PARAM_BOOL &&
	    param->type != BEVHOST_PARAM_ENUM &&
	    (*number < param->min || *number > param->max)) {
		snprintf(why, size, "is out of range: it may be %s",
		    param_range_text(param, range, sizeof(range)));
		return -1;
	}
	return 0;
}

static int
param_check_default(const struct bevhost_param *param, char *why, size_t size)
{
	char reason[PARAM_TEXT_SIZE];
	int64_t number;

	if (param->value == NULL)
		return 0;
	if (param->flags & BEVHOST_PARAM_REQUIRED) {
		snprintf(why, size, "is required and has a default");
		return -1;
	}
	if (param_parse(param, param->value, &number, reason, sizeof(reason)) ==
	    0)
		return 0;
	snprintf(why, size, "has a default '%s' that %s", param->value, reason);
	return -1;
}

int
param_check(const struct bevhost_param *param, char *why, size_t size)
{
	size_t len = strlen(param->name);
	size_t field_size = param->type == BEVHOST_PARAM_STRING
				? sizeof(const char *)
				: sizeof(int64_t);

	if (len == 0 || !islower((unsigned char)param->name[0]) ||
	    strspn(param->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		snprintf(why, size,
		    "has no proper name (lower case, digits "
		    "and '-')");
	else if (param->type < BEVHOST_PARAM_STRING ||
		 param->type > BEVHOST_PARAM_ENUM)
		snprintf(why, size, "has the unknown type %u", param->type);
	else if (param->flags &
		 ~(BEVHOST_PARAM_REQUIRED | BEVHOST_PARAM_REPEAT))
		snprintf(why, size, "has unknown flags (0x%x)", param->flags);
	else if (param->type == BEVHOST_PARAM_ENUM &&
		 (param->choices == NULL || param->choices[0] == NULL))
		snprintf(why, size, "is an enum without choices");
	else if (param->value != NULL && strpbrk(param->value, "\n\r") != NULL)
		snprintf(why, size, "has a default of more than one line");
	else if (param->min > param->max)
		snprintf(why, size, "has a range of which nothing is part");
	else if (param->field.size != 0 && param->field.size != field_size)
		snprintf(why, size, "has a field of %zu bytes: it must be %s",
		    param->field.size,
		    param->type == BEVHOST_PARAM_STRING ? "const char *"
							: "int64_t");
	else
		return param_check_default(param, why, size);
	return -1;
}

void
param_store(const struct bevhost_param *param, void *self, const char *text,
    int64_t number)
{
	char *field = (char *)self + param->field.offset;

	if (param->field.size == 0)
		return;
	if (param->type == BEVHOST_PARAM_STRING)
		memcpy(field, &text, sizeof(text));
	else
		memcpy(field, &number, sizeof(number));
}

const struct bevhost_param *
param_find(const struct bevhost_param *params, const char *name)
{
	for (; params != NULL && params->name != NULL; params++)
		if (strcmp(params->name, name) == 0)
			return params;
	return NULL;
}

const char *
param_type_name(const struct bevhost_param *param)
{
	static const char *const names[] = {
		[BEVHOST_PARAM_STRING] = "string",
		[BEVHOST_PARAM_INT] = "integer",
		[BEVHOST_PARAM_BOOL] = "boolean",
		[BEVHOST_PARAM_SIZE] = "size",
		[BEVHOST_PARAM_DURATION] = "duration",
		[BEVHOST_PARAM_ENUM] = "enum",
	};

	assert(param->type < sizeof(names) / sizeof(names[0]));
	return names[param->type];
}

/* A number as somebody would write it: the largest unit that divides it, and of
   nothing the plain one. */
static char *
param_number_text(
    const struct bevhost_param *param, int64_t number, char *buf, size_t size)
{
	const struct param_unit *units = NULL, *best;

	if (param->type == BEVHOST_PARAM_SIZE)
		units = param_sizes;
	else if (param->type == BEVHOST_PARAM_DURATION)
		units = param_durations;
	best = units == param_durations ? units + 1 : units;
	for (; units != NULL && units->name != NULL; units++)
		if (number != 0 && number % units->factor == 0)
			best = units;
	snprintf(buf, size, "%jd%s",
	    (intmax_t)(best ? number / best->factor : number),
	    best ? best->name : "");
	return buf;
}

char *
param_text(
    const struct bevhost_param *param, int64_t number, char *buf, size_t size)
{
	if (param->type == BEVHOST_PARAM_ENUM)
		snprintf(buf, size, "%s", param->choices[number]);
	else if (param->type == BEVHOST_PARAM_BOOL)
		snprintf(buf, size, "%s", param_words[number != 0][0]);
	else
		param_number_text(param, number, buf, size);
	return buf;
}

char *
param_range_text(const struct bevhost_param *param, char *buf, size_t size)
{
	char low[32], high[32];
	size_t used = 0;
	int i;

	buf[0] = '\0';
	if (param->type == BEVHOST_PARAM_ENUM) {
		used = (size_t)snprintf(buf, size, "one of ");
		for (i = 0; param->choices[i] != NULL && used < size; i++)
			used += (size_t)snprintf(buf + used, size - used,
			    "%s%s", i ? ", " : "", param->choices[i]);
	} else if (param->type != BEVHOST_PARAM_BOOL &&
		   (param->min != 0 || param->max != 0)) {
		param_number_text(param, param->min, low, sizeof(low));
		param_number_text(param, param->max, high, sizeof(high));
		if (param->max == INT64_MAX)
			snprintf(buf, size, "at least %s", low);
		else
			snprintf(buf, size, "%s to %s", low, high);
		if (param->type == BEVHOST_PARAM_STRING)
			snprintf(buf + strlen(buf), size - strlen(buf),
			    " bytes long");
	}
	return buf;
}
