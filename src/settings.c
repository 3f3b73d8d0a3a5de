/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in force. Scalars are in one table, most of them with a field that
 * param.c fills; the few with a form of their own stand in settings_form.c.
 * Every text is the settings' own copy.
 */
#include "settings_edit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "param.h"
#include "settings_form.h"

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

/* As param_parse(), and of those with a form of their own. */
int
settings_parse_number(const struct bevhost_param *param, const char *text,
    int64_t *number, char *why, size_t size)
{
	const struct settings_form *form = settings_form_find(param->name);

	if (form != NULL)
		return form->parse(text, number, why, size);
	return param_parse(param, text, number, why, size);
}

char *
settings_number_text(
    const struct bevhost_param *param, int64_t number, char *buf, size_t size)
{
	const struct settings_form *form = settings_form_find(param->name);

	buf[0] = '\0';
	if (form != NULL && (number != 0 || form->zero))
		form->text(number, buf, size);
	else if (form == NULL && (param->value != NULL || number != 0))
		param_text(param, number, buf, size);
	return buf;
}

int
settings_set(struct settings *settings, const char *name, const char *text,
    char *why, size_t size)
{
	const struct bevhost_param *param = param_find(settings_params, name);
	int64_t number;

	if (param == NULL) {
		snprintf(why, size, "there is no option of this name");
		return -1;
	}
	if (strcmp(name, "reload-canary") == 0)
		return settings_set_canary(settings, text, why, size);
	if (strcmp(name, "event-method") == 0 &&
	    settings_check_event_method(text, why, size) < 0)
		return -1;
	if (param->type == BEVHOST_PARAM_STRING)
		return settings_set_string(settings, param, text, why, size);
	if (settings_parse_number(param, text, &number, why, size) < 0)
		return -1;
	param_store(param, settings, text, number);
	return 0;
}

int
settings_has(const char *name)
{
	return param_find(settings_params, name) != NULL;
}

int
settings_is_path(const char *name)
{
	static const char *const paths[] = { "pidfile", "log-file", "record",
		"plugin-dir", "tls-cert", "tls-key", "tls-ocsp",
		"tls-client-ca" };
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(paths[i], name) == 0)
			return 1;
	return 0;
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
	return settings_number_text(param, number, buf, size);
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
