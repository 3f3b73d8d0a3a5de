/* SPDX-License-Identifier: BSD-2-Clause */
/* Words as they stand on a command line, and what is made of them. */
#include "rig_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "load.h"
#include "log.h"
#include "settings_edit.h"
#include "worker_settings.h"

struct rig_load {
	struct settings settings;
	struct load load;
};

static char rig_load_text[512];

/* The first error: the others follow from it. */
static int
rig_load_on_error(const char *text)
{
	if (rig_load_text[0] == '\0')
		snprintf(rig_load_text, sizeof(rig_load_text), "%s", text);
	return 0;
}

static int
rig_add_word(struct settings_handler *handler, const char *word)
{
	const char *value = strchr(word, '=');
	char *key =
	    value != NULL ? strndup(word, (size_t)(value - word)) : NULL;
	int status = (value != NULL && key == NULL) ||
			     settings_add_word(handler, key,
				 value != NULL ? value + 1 : word, NULL) == NULL
			 ? EX_OSERR
			 : 0;

	free(key);
	return status;
}

static int
rig_add_option(struct settings_handler *handler, const char *word)
{
	const char *value = strchr(word, '=');
	const struct settings_list *list;
	char name[64], why[256];
	size_t len = value != NULL ? (size_t)(value - word) : 0;
	int status;

	if (value == NULL || len >= sizeof(name)) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%s: no OPTION=VALUE", word);
		return EX_USAGE;
	}
	memcpy(name, word, len);
	name[len] = '\0';
	list = settings_list_find(name);
	if (list == NULL && settings_guard_find(name) == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "%s: no option of a listener", name);
		return EX_USAGE;
	}
	status = list != NULL ? settings_add_item(&handler->guard, list,
				    value + 1, NULL, why, sizeof(why))
			      : settings_guard_set(&handler->guard, name,
				    value + 1, why, sizeof(why));
	if (status == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "%s: %s", word, why);
	return EX_USAGE;
}

static int
rig_set(struct settings *settings, const struct rig_options *options)
{
	const char *const *word;
	struct settings_handler *handler;
	int status = 0;

	settings_init(settings);
	settings->sandbox = 0;
	handler = settings_add_handler(settings, options->plugin);
	if (handler == NULL)
		return EX_OSERR;
	for (word = options->words; word != NULL && *word != NULL; word++)
		if (status == 0)
			status = rig_add_word(handler, *word);
	for (word = options->options; word != NULL && *word != NULL; word++)
		if (status == 0)
			status = rig_add_option(handler, *word);
	if (status == 0 && settings_finish(settings) < 0)
		status = EX_OSERR;
	return status;
}

static int
rig_load_all(struct rig_load *load, const struct rig_options *options)
{
	int status = rig_set(&load->settings, options);

	if (status == 0)
		status = load_all(&load->load, &load->settings, NULL);
	return status == 0 ? load_ready(&load->load) : status;
}

int
rig_load_once(const char *plugin)
{
	struct plugin_dirs dirs;
	int status;

	rig_load_text[0] = '\0';
	log_set_listener(rig_load_on_error);
	status = plugin_dirs_init(&dirs, NULL);
	if (status == 0 && plugin_load(&dirs, plugin) == NULL)
		status = -1;
	plugin_dirs_clear(&dirs);
	log_set_listener(NULL);
	return status;
}

const char *
rig_load_why(void)
{
	return rig_load_text;
}

struct rig_load *
rig_load_new(const struct rig_options *options, int *status)
{
	struct rig_load *load = calloc(1, sizeof(*load));

	log_set_listener(rig_load_on_error);
	*status = load == NULL ? EX_OSERR : rig_load_all(load, options);
	log_set_listener(NULL);
	if (*status == 0)
		return load;
	rig_load_free(load);
	return NULL;
}

void
rig_load_free(struct rig_load *load)
{
	if (load == NULL)
		return;
	load_clear(&load->load);
	settings_clear(&load->settings);
	free(load);
}

struct bevhost_instance *
rig_load_instance(const struct rig_load *load)
{
	return load->load.instances;
}

void
rig_load_worker(const struct rig_load *load, struct worker_settings *worker)
{
	load_worker_settings(&load->load, worker);
	worker->managed = 1;
	worker->event_method = "epoll";
}
