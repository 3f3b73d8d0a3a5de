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
#include "settings_say.h"

#ifndef HAVE_CONFUSE

int
config_file_read(const char *path, struct settings *settings)
{
	(void)settings;
	return settings_say_error("config", path, NULL,
	    "this bevhost was built without libConfuse, which reads such "
	    "files");
}

#else

#include "config_section.h"
#include "config_text.h"
#include "near.h"
#include "param.h"
#include "settings_edit.h"
#include "settings_origin.h"

#define CONFIG_FILES_MAX   1000
#define CONFIG_OPTIONS_MAX 96

static int
config_on_scalar(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	char where[CONFIG_WHERE_MAX], why[PARAM_TEXT_SIZE], *text;
	int status;

	if (config_give(cfg, opt->name, 0) < 0)
		return -1;
	config->given_root = config->given_count;
	text = config_value(opt->name, value);
	if (text == NULL)
		return config_no_memory(cfg);
	status =
	    settings_set(config->settings, opt->name, text, why, sizeof(why));
	free(text);
	if (status < 0)
		return config_say_value(cfg, opt->name, value, why);
	if (settings_give(&config->settings->guard, opt->name,
		config_where(cfg->line, where)) < 0)
		return config_no_memory(cfg);
	return config_kept(value, result);
}

static const cfg_opt_t *
config_find_opt(const cfg_opt_t *opts, const char *name)
{
	for (; opts != NULL && opts->name != NULL; opts++)
		if (strcmp(opts->name, name) == 0)
			return opts;
	return NULL;
}

/* It is an option, but not of this section. Returns whether it is one. */
static int
config_is_elsewhere(const cfg_t *cfg, const char *name)
{
	const cfg_opt_t *host = config_find_opt(config->root->opts, name);
	const cfg_opt_t *listen = config_find_opt(config->root->opts, "listen");

	if (strcmp(name, CONFIG_TEXT_TLS_NAME) == 0)
		name = SETTINGS_TLS_SECTION;
	if (host != NULL && (host->type == CFGT_SEC || host->type == CFGT_FUNC))
		config_fail_at(cfg->line,
		    "%s stands by itself: write it outside of %s { }", name,
		    cfg->name);
	else if (host != NULL)
		config_fail_at(cfg->line,
		    "%s is an option of the host, not of a %s: write it "
		    "outside of %s { }",
		    name,
		    strcmp(cfg->name, "listen") == 0 ? "listener"
						     : "worker group",
		    cfg->name);
	else if (config_find_opt(listen->subopts, name) != NULL)
		config_fail_at(cfg->line,
		    "%s is an option of a listener: write it inside of "
		    "listen \"ADDRESS\" { }",
		    name);
	else
		return 0;
	return 1;
}

static void config_on_error(cfg_t *cfg, const char *format, va_list args)
    BEVHOST_PRINTF(2, 0);

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
	if (config_is_elsewhere(cfg, near.word))
		return;
	if (strcmp(near.word, SETTINGS_TLS_SECTION) == 0) {
		config_fail_at(cfg->line, "tls is a section: write tls { }");
		return;
	}
	for (opt = cfg->opts; opt->name != NULL; opt++)
		near_offer(&near, strcmp(opt->name, CONFIG_TEXT_TLS_NAME) == 0
				      ? SETTINGS_TLS_SECTION
				      : opt->name);
	config_fail_at(cfg->line, "unknown option '%s'%s", near.word,
	    near_text(&near, hint, sizeof(hint)));
}

/* What is wrong with a file is said by then; what is not, is not the file. */
static int
config_fail_silent(const struct config_source *source)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "%s: %s", source->path,
	    strerror(errno != 0 ? errno : ENOMEM));
	return -EX_OSERR;
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
			errno = 0;
			status = cfg_parse_fp(config->root, file);
			if (status != CFG_SUCCESS && config->status == 0)
				config->status = config_fail_silent(source);
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

/* Appends those of the table that may have several values. */
static size_t
config_add_lists(cfg_opt_t *opts, size_t count)
{
	static const cfg_opt_t one =
	    CFG_STR_CB(NULL, NULL, CFGF_NODEFAULT, config_on_item);
	static const cfg_opt_t several =
	    CFG_STR_LIST_CB(NULL, NULL, CFGF_NODEFAULT, config_on_item);
	const struct settings_list *list = settings_lists;

	for (; list->name != NULL; list++, count++) {
		opts[count] = list->once ? one : several;
		opts[count].name = list->name;
	}
	return count;
}

/* What a listener may have of its own, after what it alone has. */
static void
config_fill_listen(cfg_opt_t *opts)
{
	static cfg_opt_t with[] = { CFG_END() };
	static const cfg_opt_t fixed[] = {
		CFG_STR_CB(
		    "handler", NULL, CFGF_NODEFAULT, config_on_listen_value),
		CFG_STR_CB(
		    "mode", NULL, CFGF_NODEFAULT, config_on_listen_value),
		CFG_STR_CB(
		    "group", NULL, CFGF_NODEFAULT, config_on_listen_value),
		CFG_STR_CB("word", NULL, CFGF_NODEFAULT, config_on_word),
		CFG_STR_CB(
		    CONFIG_TEXT_TLS_NAME, NULL, CFGF_NODEFAULT, config_on_tls),
		CFG_STR_LIST_CB("also", NULL, CFGF_NODEFAULT, config_on_also),
		CFG_SEC("with", with, CFGF_MULTI | CFGF_KEYSTRVAL),
	};
	static const cfg_opt_t scalar =
	    CFG_STR_CB(NULL, NULL, CFGF_NODEFAULT, config_on_guard);
	static const cfg_opt_t end = CFG_END();
	const struct bevhost_param *param = settings_guard_next(NULL);
	size_t count = sizeof(fixed) / sizeof(fixed[0]);

	memcpy(opts, fixed, sizeof(fixed));
	for (; param != NULL; param = settings_guard_next(param), count++) {
		opts[count] = scalar;
		opts[count].name = param->name;
	}
	opts[config_add_lists(opts, count)] = end;
}

static cfg_t *
config_new_root(void)
{
	static cfg_opt_t group[] = {
		CFG_STR_CB(
		    "workers", NULL, CFGF_NODEFAULT, config_on_group_workers),
		CFG_END(),
	};
	static cfg_opt_t listen[CONFIG_OPTIONS_MAX];
	static const cfg_opt_t fixed[] = {
		CFG_SEC("listen", listen, CFGF_MULTI | CFGF_TITLE),
		CFG_SEC("worker-group", group, CFGF_MULTI | CFGF_TITLE),
		CFG_FUNC("include", config_on_include),
		CFG_STR_CB(
		    CONFIG_TEXT_TLS_NAME, NULL, CFGF_NODEFAULT, config_on_tls),
		CFG_END(),
	};
	static const cfg_opt_t scalar =
	    CFG_STR_CB(NULL, NULL, CFGF_NODEFAULT, config_on_scalar);
	cfg_opt_t opts[CONFIG_OPTIONS_MAX] = { { .name = NULL } };
	size_t count = 0;
	cfg_t *root;

	for (; settings_params[count].name != NULL; count++) {
		opts[count] = scalar;
		opts[count].name = settings_params[count].name;
	}
	count = config_add_lists(opts, count);
	memcpy(&opts[count], fixed, sizeof(fixed));
	config_fill_listen(listen);
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
	/* Of a section that it had no memory for, libConfuse would free what it
	   has not made. */
	if (status != -EX_OSERR)
		cfg_free(reader.root);
	config = NULL;
	return status;
}

#endif
