/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file, by libConfuse: each value comes to a callback, with
 * its line, and goes into the settings there. libConfuse keeps its scanner in
 * static memory, and so what is being read is static here, too.
 */
#include "config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

#ifndef HAVE_CONFUSE

int
config_file_read(const char *path, struct settings *settings)
{
	(void)settings;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "--config=%s: this bevhost was built without libConfuse, which "
	    "reads such files",
	    path);
	return -EX_CONFIG;
}

#else

#include <confuse.h>

#include "config_include.h"
#include "config_text.h"
#include "near.h"
#include "param.h"
#include "settings_edit.h"

#define CONFIG_FILES_MAX 1000
#define CONFIG_WHERE_MAX 600
#define CONFIG_ROOT_MAX	 64

/* What was given where, so that a second one can be told of the first. */
struct config_given {
	char *name;
	char *where;
};

static struct config_reader {
	struct settings *settings;
	const struct config_source *source; /* the file that is being read */
	cfg_t *root;
	cfg_t *section; /* whose handler or group is the last one */
	struct config_given *given;
	int given_count;
	int given_root;	 /* how many are of the root */
	unsigned serial; /* of the marks */
	int files;
	int status; /* 0, or minus an exit status: it was logged */
} * config;

static int
config_fail_at(int line, const char *format, ...) BEVHOST_PRINTF(2, 3);

/* Returns -1, for libConfuse. */
static int
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

static int
config_no_memory(const cfg_t *cfg)
{
	return config_fail_at(cfg->line, "%s", strerror(ENOMEM));
}

static char *
config_where(int line, char *buf)
{
	snprintf(buf, CONFIG_WHERE_MAX, "%s:%d", config->source->path, line);
	return buf;
}

/* Once in all files, or once in a section. */
static int
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

static void
config_forget(int first)
{
	while (config->given_count > first) {
		config->given_count--;
		free(config->given[config->given_count].name);
		free(config->given[config->given_count].where);
	}
}

/* A value is kept by the settings, and by libConfuse as it is. */
static int
config_kept(const char *value, void *result)
{
	*(const char **)result = value;
	return 0;
}

static int
config_say_value(
    const cfg_t *cfg, const char *name, const char *value, const char *why)
{
	return config_fail_at(cfg->line, "%s = '%s': %s%s", name, value,
	    strncmp(why, "is ", 3) == 0 ? "it " : "", why);
}

static int
config_on_scalar(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	char why[PARAM_TEXT_SIZE];

	if (config_give(cfg, opt->name, 0) < 0)
		return -1;
	config->given_root = config->given_count;
	if (settings_set(config->settings, opt->name, value, why, sizeof(why)) <
	    0)
		return config_say_value(cfg, opt->name, value, why);
	return config_kept(value, result);
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
	config_forget(config->given_root);
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

	if (value[0] == '\0')
		return config_fail_at(cfg->line, "the plugin's name is empty");
	/* What is wrong with the plugin is wrong here. */
	if (settings_replace_text(&handler->plugin, value) < 0 ||
	    settings_replace_text(
		&handler->where, config_where(cfg->line, where)) < 0)
		return config_no_memory(cfg);
	return 0;
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

static int
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

static int
config_on_also(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct settings_handler *handler = config_handler(cfg);

	(void)opt;
	if (handler == NULL ||
	    config_address(cfg, handler, value, cfg->line) < 0)
		return -1;
	return config_kept(value, result);
}

/* A word without a key, as the command line has it: always the first. */
static int
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
static int
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

static int
config_on_listen(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	struct settings_handler *handler = config_handler(section);
	int line;

	(void)cfg;
	config->section = NULL;
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
	config_forget(config->given_root);
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

static int
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

static int
config_on_group(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	struct settings_group *group = config_group(section);

	(void)cfg;
	config->section = NULL;
	return group != NULL ? 0 : -1;
}

/* An unknown option, or what only libConfuse knows of. */
static void
config_on_error(cfg_t *cfg, const char *format, va_list args)
{
	static const char unknown[] = "no such option '";
	char text[512], hint[96];
	struct near near = { .word = text + sizeof(unknown) - 1 };
	const cfg_opt_t *opt;

	vsnprintf(text, sizeof(text), format, args);
	if (config->status != 0)
		return; /* it was said why */
	if (strncmp(text, unknown, sizeof(unknown) - 1) != 0) {
		config_fail_at(cfg->line, "%s", text);
		return;
	}
	/* libConfuse 3.3 says so of free names, too, before it takes them. */
	if (cfg->flags & CFGF_KEYSTRVAL)
		return;
	text[strlen(text) - 1] = '\0';
	for (opt = cfg->opts; opt->name != NULL; opt++)
		near_offer(&near, opt->name);
	config_fail_at(cfg->line, "unknown option '%s'%s", near.word,
	    near_text(&near, hint, sizeof(hint)));
}

/* The text of a file, plain, to libConfuse. */
static int
config_parse(const struct config_source *source)
{
	struct config_text text = { .serial = config->serial };
	FILE *file;
	int status = 0;

	if (config_text_add(&text, source->path, source->bytes, source->len) <
	    0)
		status = -EX_CONFIG;
	config->serial = text.serial;
	if (status == 0 && text.len > 0) {
		file = fmemopen(text.bytes, text.len, "r");
		if (file == NULL) {
			log_write(
			    BEVHOST_LOG_ERROR, NULL, "%s: %m", source->path);
			status = -EX_OSERR;
		} else {
			if (cfg_parse_fp(config->root, file) != CFG_SUCCESS &&
			    config->status == 0)
				config->status = -EX_CONFIG;
			status = config->status;
			fclose(file);
		}
	}
	config_text_clear(&text);
	return status;
}

static int
config_read(const char *path, const char *where)
{
	const struct config_source *parent = config->source;
	struct config_source source;
	int status = config_source_read(&source, path, parent, where);

	if (status == 0) {
		config->source = &source;
		status = config_parse(&source);
		config->source = parent;
	}
	config_source_clear(&source);
	return status;
}

/* It is parsed in place, by the same scanner, which stacks its files. */
static int
config_on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	const char *pattern = argc == 1 ? argv[0] : "";
	char **paths = config_include_expand(config->source->path, pattern);
	char where[CONFIG_WHERE_MAX];
	int line = cfg->line, i;

	(void)opt;
	if (paths == NULL)
		return config_fail_at(
		    line, "include '%s': %s", pattern, strerror(errno));
	config_where(line, where);
	for (i = 0; paths[i] != NULL && config->status == 0; i++) {
		if (++config->files > CONFIG_FILES_MAX)
			config_fail_at(line, "include '%s': more than %d files",
			    paths[i], CONFIG_FILES_MAX);
		else
			config->status = config_read(paths[i], where);
	}
	cfg->line = line;
	config_include_free(paths);
	return config->status;
}

static cfg_t *
config_new_root(void)
{
	static cfg_opt_t with[] = { CFG_END() };
	static cfg_opt_t listen[] = {
		CFG_STR_CB(
		    "handler", NULL, CFGF_NODEFAULT, config_on_listen_value),
		CFG_STR_CB(
		    "mode", NULL, CFGF_NODEFAULT, config_on_listen_value),
		CFG_STR_CB(
		    "group", NULL, CFGF_NODEFAULT, config_on_listen_value),
		CFG_STR_CB("word", NULL, CFGF_NODEFAULT, config_on_word),
		CFG_STR_LIST_CB("also", NULL, CFGF_NODEFAULT, config_on_also),
		CFG_SEC("with", with, CFGF_MULTI | CFGF_KEYSTRVAL),
		CFG_END(),
	};
	static cfg_opt_t group[] = {
		CFG_STR_CB(
		    "workers", NULL, CFGF_NODEFAULT, config_on_group_workers),
		CFG_END(),
	};
	static const cfg_opt_t fixed[] = {
		CFG_SEC("listen", listen, CFGF_MULTI | CFGF_TITLE),
		CFG_SEC("worker-group", group, CFGF_MULTI | CFGF_TITLE),
		CFG_FUNC("include", config_on_include),
		CFG_END(),
	};
	static const cfg_opt_t scalar =
	    CFG_STR_CB(NULL, NULL, CFGF_NODEFAULT, config_on_scalar);
	cfg_opt_t opts[CONFIG_ROOT_MAX] = { { .name = NULL } };
	size_t count = 0;
	cfg_t *root;

	for (; settings_params[count].name != NULL; count++) {
		opts[count] = scalar;
		opts[count].name = settings_params[count].name;
	}
	memcpy(&opts[count], fixed, sizeof(fixed));
	root = cfg_init(opts, CFGF_NONE);
	if (root == NULL)
		return NULL;
	cfg_set_error_function(root, config_on_error);
	cfg_set_validate_func(root, "listen", config_on_listen);
	cfg_set_validate_func(root, "listen|with", config_on_with);
	cfg_set_validate_func(root, "worker-group", config_on_group);
	return root;
}

int
config_file_read(const char *path, struct settings *settings)
{
	struct config_reader reader = { .settings = settings };
	int status;

	reader.root = config_new_root();
	if (reader.root == NULL) {
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "%s: %s", path, strerror(ENOMEM));
		return -EX_OSERR;
	}
	config = &reader;
	status = config_read(path, NULL);
	config_forget(0);
	free(reader.given);
	cfg_free(reader.root);
	config = NULL;
	return status;
}

#endif
