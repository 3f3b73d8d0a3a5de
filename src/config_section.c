/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sections of a configuration file. Each value comes with its line, and a
 * section's title has its own; what is first said of a section makes the
 * handler or the group, and its end checks it.
 */
#include "config_section.h"

#ifdef HAVE_CONFUSE

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "config_text.h"
#include "log.h"
#include "param.h"
#include "settings_edit.h"
#include "settings_origin.h"
#include "settings_say.h"

struct config_reader *config;

/* Returns -1, for libConfuse. */
int
config_fail_at(int line, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_write(BEVHOST_LOG_ERROR, NULL, "%s:%d: %s", config->source->path,
	    line, text);
	config->status = -EX_CONFIG;
	return -1;
}

int
config_no_memory(const cfg_t *cfg)
{
	return config_fail_at(cfg->line, "%s", strerror(ENOMEM));
}

char *
config_where(int line, char *buf)
{
	snprintf(buf, CONFIG_WHERE_MAX, "%s:%d", config->source->path, line);
	return buf;
}

/* Once in all files, or once in a section. */
int
config_give(const cfg_t *cfg, const char *name, int first)
{
	struct config_given *list = config->given, *given;
	char where[CONFIG_WHERE_MAX];
	int i;

	for (i = first; i < config->given_count; i++)
		if (strcmp(list[i].name, name) == 0)
			return config_fail_at(cfg->line,
			    "%s is given twice, the first time in %s", name,
			    list[i].where);
	list =
	    reallocarray(list, (size_t)config->given_count + 1, sizeof(*list));
	if (list == NULL)
		return config_no_memory(cfg);
	config->given = list;
	given = &list[config->given_count];
	given->name = strdup(name);
	given->where = strdup(config_where(cfg->line, where));
	config->given_count++;
	return given->name != NULL && given->where != NULL
		   ? 0
		   : config_no_memory(cfg);
}

void
config_forget(int first)
{
	while (config->given_count > first) {
		config->given_count--;
		free(config->given[config->given_count].name);
		free(config->given[config->given_count].where);
	}
}

/* A value is kept by the settings, and by libConfuse as it is. */
int
config_kept(const char *value, void *result)
{
	*(const char **)result = value;
	return 0;
}

char *
config_value(const char *name, const char *value)
{
	return settings_is_path(name) ? config_path(config->source->path, value)
				      : strdup(value);
}

int
config_say_value(
    const cfg_t *cfg, const char *name, const char *value, const char *why)
{
	char where[CONFIG_WHERE_MAX];

	config->status = settings_say_error(
	    name, value, config_where(cfg->line, where), why);
	return -1;
}

static int
config_address(const cfg_t *cfg, struct settings_handler *handler,
    const char *text, int line)
{
	struct addr_spec spec;
	const char *why;

	if (addr_parse(text, &spec, &why) < 0)
		return config_fail_at(
		    line, "cannot listen on '%s': %s", text, why);
	return settings_add_address(handler, text, &spec) != NULL
		   ? 0
		   : config_no_memory(cfg);
}

/* The handler of a listen section: the first that is said of it makes it. */
static struct settings_handler *
config_handler(cfg_t *section)
{
	struct settings *settings = config->settings;
	struct settings_handler *handler;
	char where[CONFIG_WHERE_MAX];
	const char *address;
	int line;

	if (config->section == section)
		return &settings->handlers[settings->handler_count - 1];
	config->section = section;
	address = config_text_unmark(cfg_title(section), &line);
	handler = settings_add_handler(settings, NULL);
	if (handler == NULL || settings_replace_text(&handler->where,
				   config_where(line, where)) < 0) {
		config_no_memory(section);
		return NULL;
	}
	return config_address(section, handler, address, line) < 0 ? NULL
								   : handler;
}

static int
config_set_handler(
    const cfg_t *cfg, struct settings_handler *handler, const char *value)
{
	char where[CONFIG_WHERE_MAX];

	char *path;
	int status;

	if (value[0] == '\0')
		return config_fail_at(cfg->line, "the plugin's name is empty");
	path = strchr(value, '/') != NULL
		   ? config_path(config->source->path, value)
		   : strdup(value);
	if (path == NULL)
		return config_no_memory(cfg);
	/* What is wrong with the plugin is wrong here. */
	status = settings_replace_text(&handler->plugin, path);
	if (status == 0)
		status = settings_replace_text(
		    &handler->where, config_where(cfg->line, where));
	free(path);
	return status < 0 ? config_no_memory(cfg) : 0;
}

static int
config_set_mode(
    const cfg_t *cfg, struct settings_handler *handler, const char *value)
{
	size_t digits = strspn(value, "01234567");

	if (digits == 0 || digits > 5 || value[digits] != '\0' ||
	    strtol(value, NULL, 8) > 0777)
		return config_say_value(cfg, "mode", value,
		    "it is an octal number from 0 to 0777, such as 0660");
	handler->mode = (int)strtol(value, NULL, 8);
	return 0;
}

/* Names of worker groups. */
static int
config_check_group(const cfg_t *cfg, const char *what, const char *name)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789-_.";
	size_t len = strlen(name);

	if (len > 0 && len <= 32 && strspn(name, letters) == len)
		return 0;
	return config_fail_at(cfg->line,
	    "%s '%s': a name is 1 to 32 letters, digits and '-_.'", what, name);
}

int
config_on_listen_value(
    cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct settings_handler *handler = config_handler(cfg);
	int status = 0;

	if (handler == NULL ||
	    config_give(cfg, opt->name, config->given_root) < 0)
		return -1;
	if (strcmp(opt->name, "handler") == 0)
		status = config_set_handler(cfg, handler, value);
	else if (strcmp(opt->name, "mode") == 0)
		status = config_set_mode(cfg, handler, value);
	else if (config_check_group(cfg, "group", value) < 0)
		status = -1;
	else if (settings_replace_text(&handler->worker_group, value) < 0)
		status = config_no_memory(cfg);
	return status < 0 ? -1 : config_kept(value, result);
}

int
config_on_also(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct settings_handler *handler = config_handler(cfg);

	(void)opt;
	if (handler == NULL ||
	    config_address(cfg, handler, value, cfg->line) < 0)
		return -1;
	return config_kept(value, result);
}

/* A scalar of a listener's own. */
int
config_on_guard(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct settings_handler *handler = config_handler(cfg);
	char where[CONFIG_WHERE_MAX], why[PARAM_TEXT_SIZE];

	if (handler == NULL ||
	    config_give(cfg, opt->name, config->given_root) < 0)
		return -1;
	if (settings_guard_set(
		&handler->guard, opt->name, value, why, sizeof(why)) < 0)
		return config_say_value(cfg, opt->name, value, why);
	if (settings_give(
		&handler->guard, opt->name, config_where(cfg->line, where)) < 0)
		return config_no_memory(cfg);
	return config_kept(value, result);
}

/* One of those that may have several values, of a listener or of all. */
int
config_on_item(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct settings_guard *guard = &config->settings->guard;
	struct settings_handler *handler;
	char where[CONFIG_WHERE_MAX], why[PARAM_TEXT_SIZE], *text;
	int status;

	if (cfg != config->root) {
		handler = config_handler(cfg);
		if (handler == NULL)
			return -1;
		guard = &handler->guard;
	}
	text = config_value(opt->name, value);
	if (text == NULL)
		return config_no_memory(cfg);
	status = settings_add_item(guard, settings_list_find(opt->name), text,
	    config_where(cfg->line, where), why, sizeof(why));
	free(text);
	return status < 0 ? config_say_value(cfg, opt->name, value, why)
			  : config_kept(value, result);
}

/* A section of TLS begins; what is in it is as if it stood outside. */
int
config_on_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct settings_guard *guard = &config->settings->guard;
	struct settings_handler *handler;
	char where[CONFIG_WHERE_MAX];

	(void)opt;
	if (cfg != config->root) {
		handler = config_handler(cfg);
		if (handler == NULL)
			return -1;
		guard = &handler->guard;
	}
	if (settings_give(guard, SETTINGS_TLS_SECTION,
		config_where(cfg->line, where)) < 0)
		return config_no_memory(cfg);
	return config_kept(value, result);
}

/* A word without a key, as the command line has it: always the first. */
int
config_on_word(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct settings_handler *handler = config_handler(cfg);
	struct settings_word word;
	char where[CONFIG_WHERE_MAX];

	if (handler == NULL ||
	    config_give(cfg, opt->name, config->given_root) < 0)
		return -1;
	if (settings_add_word(
		handler, NULL, value, config_where(cfg->line, where)) == NULL)
		return config_no_memory(cfg);
	word = handler->words[handler->word_count - 1];
	memmove(handler->words + 1, handler->words,
	    ((size_t)handler->word_count - 1) * sizeof(word));
	handler->words[0] = word;
	return config_kept(value, result);
}

/* A `with` has been closed: its names are known now, and their lines. */
int
config_on_with(cfg_t *cfg, cfg_opt_t *opt)
{
	struct settings_handler *handler = config_handler(cfg);
	cfg_t *with = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	char where[CONFIG_WHERE_MAX];
	const char *key, *value;
	unsigned i;
	int line;

	if (handler == NULL)
		return -1;
	for (i = 0; i < cfg_num(with); i++) {
		cfg_opt_t *word = cfg_getnopt(with, i);

		value = cfg_opt_getstr(word);
		key = config_text_unmark(cfg_opt_name(word), &line);
		if (value != NULL && settings_add_word(handler, key, value,
					 config_where(line, where)) == NULL)
			return config_no_memory(cfg);
	}
	return 0;
}

/* What was given in it may be given again outside, or in another one. */
static void
config_end_section(void)
{
	config->section = NULL;
	config_forget(config->given_root);
}

static int
config_has_file(const struct settings_handler *handler)
{
	int i;

	for (i = 0; i < handler->address_count; i++)
		if (handler->addresses[i].spec.kind == ADDR_UNIX &&
		    handler->addresses[i].spec.path[0] == '/')
			return 1;
	return 0;
}

int
config_on_listen(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	struct settings_handler *handler = config_handler(section);
	int line;

	(void)cfg;
	config_end_section();
	if (handler == NULL)
		return -1;
	config_text_unmark(cfg_title(section), &line);
	if (handler->plugin == NULL)
		return config_fail_at(line,
		    "listen '%s' has no handler: give it handler = \"NAME\"",
		    handler->addresses[0].text);
	if (handler->mode >= 0 && !config_has_file(handler))
		return config_fail_at(line,
		    "listen '%s' has a mode, which is for the file of a unix "
		    "socket",
		    handler->addresses[0].text);
	return 0;
}

/* As config_handler(), of a worker-group section. */
static struct settings_group *
config_group(cfg_t *section)
{
	struct settings *settings = config->settings;
	struct settings_group *group;
	const char *name;
	char given[64];
	int line, last = section->line;

	if (config->section == section)
		return &settings->groups[settings->group_count - 1];
	config->section = section;
	name = config_text_unmark(cfg_title(section), &line);
	section->line = line;
	if (config_check_group(section, "worker-group", name) < 0)
		return NULL;
	snprintf(given, sizeof(given), "worker-group '%s'", name);
	if (config_give(section, given, 0) < 0)
		return NULL;
	config->given_root = config->given_count;
	section->line = last;
	group = settings_add_group(settings, name);
	if (group == NULL)
		config_no_memory(section);
	return group;
}

int
config_on_group_workers(
    cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct settings_group *group = config_group(cfg);
	char why[PARAM_TEXT_SIZE];

	if (group == NULL ||
	    config_give(cfg, opt->name, config->given_root) < 0)
		return -1;
	if (settings_parse_workers(value, &group->workers, why, sizeof(why)) <
	    0)
		return config_say_value(cfg, opt->name, value, why);
	return config_kept(value, result);
}

int
config_on_group(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	struct settings_group *group = config_group(section);

	(void)cfg;
	config_end_section();
	return group != NULL ? 0 : -1;
}

#endif
