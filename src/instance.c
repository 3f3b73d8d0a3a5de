/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of an instance: create, config, ready, start, self_test, stop,
 * destroy, in this order and each at most once. The host keeps the texts of
 * parameters, to which the plugin's fields point.
 */
#include "instance.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "instance_value.h"
#include "log.h"
#include "near.h"
#include "param.h"
#include "settings_edit.h"

struct instance_value {
	struct instance_value *next;
	const struct bevhost_param *param;
	char text[];
};

const char *
instance_name(const struct bevhost_instance *instance)
{
	return instance->plugin->def.name;
}

int
instance_check_plugin(const struct plugin *plugin)
{
	const struct bevhost_plugin *def = &plugin->def;
	const struct bevhost_param *param = def->params;
	char why[PARAM_TEXT_SIZE];

	for (; param != NULL && param->name != NULL; param++) {
		if (param_check(param, why, sizeof(why)) == 0 &&
		    param->field.size != 0 && def->create == NULL &&
		    param->field.offset + param->field.size > def->self_size)
			snprintf(why, sizeof(why),
			    "has a field beyond "
			    ".self_size");
		else if (param_check(param, why, sizeof(why)) == 0 &&
			 param_find(def->params, param->name) != param)
			snprintf(why, sizeof(why), "is declared twice");
		else if (param_check(param, why, sizeof(why)) == 0)
			continue;
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "plugin '%s': its parameter '%s' %s", plugin->path,
		    param->name, why);
		return -1;
	}
	if (def->bare_param != NULL && def->params != NULL &&
	    param_find(def->params, def->bare_param) == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "plugin '%s': its .bare_param '%s' is no parameter of it",
		    plugin->path, def->bare_param);
		return -1;
	}
	return 0;
}

/* A call into the plugin failed: it should have said why. */
static int
instance_failed(const struct bevhost_instance *instance, const char *call)
{
	log_write(BEVHOST_LOG_ERROR, instance_name(instance),
	    "%s failed: the host does not start", call);
	return -1;
}

static int
instance_create(struct bevhost_instance *instance)
{
	const struct bevhost_plugin *def = &instance->plugin->def;
	struct call before;
	int status;

	if (def->create == NULL) {
		if (def->self_size == 0)
			return 0;
		instance->self = calloc(1, def->self_size);
		instance->own_self = 1;
		if (instance->self == NULL)
			log_write(BEVHOST_LOG_ERROR, def->name, "%m");
		return instance->self != NULL ? 0 : -1;
	}
	before = call_enter(instance, "create", NULL);
	status = def->create(instance, &instance->self);
	call_leave(before);
	return status < 0 ? instance_failed(instance, "create") : 0;
}

int
instance_init(struct bevhost_instance *instance, struct plugin *plugin)
{
	const struct bevhost_param *param = plugin->def.params;
	char why[PARAM_TEXT_SIZE];
	int64_t number;

	memset(instance, 0, sizeof(*instance));
	instance->plugin = plugin;
	instance->last_value = &instance->values;
	if (instance_check_plugin(plugin) < 0 || instance_create(instance) < 0)
		return -1;
	instance->created = 1;
	for (; param != NULL && param->name != NULL; param++) {
		if (param->value == NULL || param->field.size == 0)
			continue;
		if (instance->self == NULL) {
			log_write(BEVHOST_LOG_ERROR, plugin->def.name,
			    "its parameter '%s' has a field, and create made "
			    "no self",
			    param->name);
			return -1;
		}
		if (param_parse(
			param, param->value, &number, why, sizeof(why)) < 0)
			return -1;
		param_store(param, instance->self, param->value, number);
	}
	return 0;
}

static int
instance_unknown(const struct bevhost_instance *instance, const char *key)
{
	const struct bevhost_param *param = instance->plugin->def.params;
	struct near near = { .word = key };
	char hint[96], all[512] = "it takes none";
	size_t len = 0;

	if (settings_has(key) || settings_list_find(key) != NULL) {
		log_write(BEVHOST_LOG_ERROR, instance_name(instance),
		    "%s is an option of bevhost, not a parameter of the "
		    "plugin: give --%s=..., or write it outside of with { }",
		    key, key);
		return -1;
	}
	for (; param != NULL && param->name != NULL; param++) {
		near_offer(&near, param->name);
		if (len < sizeof(all))
			len += (size_t)snprintf(all + len, sizeof(all) - len,
			    "%s%s", len == 0 ? "there are " : ", ",
			    param->name);
	}
	near_text(&near, hint, sizeof(hint));
	log_write(BEVHOST_LOG_ERROR, instance_name(instance),
	    "unknown parameter '%s'%s%s", key, hint[0] != '\0' ? hint : ": ",
	    hint[0] != '\0' ? "" : all);
	return -1;
}

static int
instance_given(
    const struct bevhost_instance *instance, const struct bevhost_param *param)
{
	const struct instance_value *value;

	for (value = instance->values; value != NULL; value = value->next)
		if (value->param == param)
			return 1;
	return 0;
}

const char *
instance_value(
    const struct bevhost_instance *instance, const char *name, int at)
{
	const struct bevhost_param *param =
	    param_find(instance->plugin->def.params, name);
	const struct instance_value *value = instance->values;
	int count = 0;

	for (; value != NULL; value = value->next)
		if (value->param == param && count++ == at)
			return value->text;
	return param != NULL && count == 0 && at == 0 ? param->value : NULL;
}

/* The host's copy of a text, as long as the instance lives. */
static const char *
instance_keep(struct bevhost_instance *instance,
    const struct bevhost_param *param, const char *text)
{
	size_t size = strlen(text) + 1;
	struct instance_value *value = malloc(sizeof(*value) + size);

	if (value == NULL) {
		log_write(BEVHOST_LOG_ERROR, instance_name(instance), "%m");
		return NULL;
	}
	value->next = NULL;
	value->param = param;
	memcpy(value->text, text, size);
	*instance->last_value = value;
	instance->last_value = &value->next;
	return value->text;
}

/* Checks a value against its declaration, and stores it. */
static int
instance_take(struct bevhost_instance *instance,
    const struct bevhost_param *param, const char *text)
{
	char why[PARAM_TEXT_SIZE];
	int64_t number;

	if (instance_given(instance, param) &&
	    !(param->flags & BEVHOST_PARAM_REPEAT)) {
		log_write(BEVHOST_LOG_ERROR, instance_name(instance),
		    "parameter '%s' is given twice", param->name);
		return -1;
	}
	if (param_parse(param, text, &number, why, sizeof(why)) < 0) {
		log_write(BEVHOST_LOG_ERROR, instance_name(instance),
		    "parameter '%s': '%s' %s", param->name, text, why);
		return -1;
	}
	text = instance_keep(instance, param, text);
	if (text == NULL)
		return -1;
	if (param->field.size != 0 && instance->self == NULL) {
		log_write(BEVHOST_LOG_ERROR, instance_name(instance),
		    "its parameter '%s' has a field, and create made no self",
		    param->name);
		return -1;
	}
	param_store(param, instance->self, text, number);
	return 0;
}

int
instance_config(
    struct bevhost_instance *instance, const char *key, const char *value)
{
	const struct bevhost_plugin *def = &instance->plugin->def;
	const struct bevhost_param *param;
	struct call before;
	int status;

	if (key == NULL && def->bare_param == NULL) {
		log_write(BEVHOST_LOG_ERROR, def->name, "'%s' is not KEY=VALUE",
		    value);
		return -1;
	}
	if (key == NULL)
		key = def->bare_param;
	param = param_find(def->params, key);
	if (param == NULL && (def->params != NULL || def->config == NULL))
		return instance_unknown(instance, key);
	if (param != NULL && instance_take(instance, param, value) < 0)
		return -1;
	if (def->config == NULL)
		return 0;
	before = call_enter(instance, "config", NULL);
	status = def->config(instance->self, key, value);
	call_leave(before);
	if (status < 0)
		log_write(BEVHOST_LOG_ERROR, def->name,
		    "parameter '%s': '%s' is refused", key, value);
	return status < 0 ? -1 : 0;
}

int
instance_ready(struct bevhost_instance *instance)
{
	const struct bevhost_plugin *def = &instance->plugin->def;
	const struct bevhost_param *param = def->params;
	struct call before;
	int status;

	for (; param != NULL && param->name != NULL; param++)
		if ((param->flags & BEVHOST_PARAM_REQUIRED) &&
		    !instance_given(instance, param)) {
			log_write(BEVHOST_LOG_ERROR, def->name,
			    "parameter '%s' is missing: give %s=%s (%s)",
			    param->name, param->name, param_type_name(param),
			    param->help ? param->help : "no help");
			return -EINVAL;
		}
	if (def->ready == NULL)
		return 0;
	before = call_enter(instance, "ready", NULL);
	status = def->ready(instance->self);
	call_leave(before);
	return status < 0 ? instance_failed(instance, "ready") : 0;
}

int
instance_start(struct bevhost_instance *instance, struct event_base *base)
{
	const struct bevhost_plugin *def = &instance->plugin->def;
	struct call before;
	int status;

	if (def->start != NULL) {
		before = call_enter(instance, "start", NULL);
		status = def->start(instance->self, base);
		call_leave(before);
		if (status < 0)
			return instance_failed(instance, "start");
	}
	instance->started = 1;
	return 0;
}

int
instance_self_test(struct bevhost_instance *instance)
{
	const struct bevhost_plugin *def = &instance->plugin->def;
	struct call before;
	int status;

	if (def->self_test == NULL)
		return 0;
	before = call_enter(instance, "self_test", NULL);
	status = def->self_test(instance->self);
	call_leave(before);
	return status < 0 ? instance_failed(instance, "self_test") : 0;
}

void
instance_stop(struct bevhost_instance *instance)
{
	const struct bevhost_plugin *def;
	struct call before;

	if (!instance->started)
		return;
	instance->started = 0;
	def = &instance->plugin->def;
	if (def->stop == NULL)
		return;
	before = call_enter(instance, "stop", NULL);
	def->stop(instance->self);
	call_leave(before);
}

void
instance_clear(struct bevhost_instance *instance)
{
	struct call before;
	struct instance_value *value;

	assert(!instance->started);
	if (instance->created && instance->plugin->def.destroy != NULL) {
		before = call_enter(instance, "destroy", NULL);
		instance->plugin->def.destroy(instance->self);
		call_leave(before);
	}
	if (instance->own_self)
		free(instance->self);
	while ((value = instance->values) != NULL) {
		instance->values = value->next;
		free(value);
	}
	memset(instance, 0, sizeof(*instance));
}
