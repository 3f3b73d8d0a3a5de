/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From settings to instances that could serve, in the order that plugins are
 * promised. While a handler's part is done, the log says where it was written.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "approach.h"
#include "log.h"
#include "settings.h"
#include "settings_origin.h"
#include "settings_say.h"
#include "worker_settings.h"

/* The words of a handler; what is refused is named by its line in the file. */
static int
load_configure(
    struct bevhost_instance *instance, const struct settings_handler *handler)
{
	const struct settings_word *word = handler->words;
	int i;

	for (i = 0; i < handler->word_count; i++, word++) {
		log_set_where(word->where);
		if (instance_config(instance, word->key, word->value) < 0)
			return -settings_status(word->where);
	}
	return 0;
}

static const char *
load_address(const struct settings_handler *handler)
{
	return handler->address_count > 0 ? handler->addresses[0].text : "";
}

/*
 * Listeners are known again after a reload by where they listen; those that
 * listen at the same text, such as 127.0.0.1:0, by their order.
 */
static int
load_approach(struct load *load, int index)
{
	const struct settings_handler *handlers = load->settings->handlers;
	const char *address = load_address(&handlers[index]);
	char scope[512];
	int i, occurrence = 0;

	for (i = 0; i < index; i++)
		occurrence += strcmp(load_address(&handlers[i]), address) == 0;
	snprintf(scope, sizeof(scope), "%d %s", occurrence, address);
	return -approach_init(&load->approaches[load->count - 1],
	    handlers[index].plugin, scope, &handlers[index].guard);
}

static int
load_handler(struct load *load, int index)
{
	const struct settings_handler *handler =
	    &load->settings->handlers[index];
	struct bevhost_instance *instance;
	struct plugin *plugin;
	int status;

	log_set_where(handler->where);
	plugin = plugin_load(&load->dirs, handler->plugin);
	if (plugin == NULL)
		return EX_CONFIG;
	load->handlers[load->count] = index;
	instance = &load->instances[load->count++];
	if (instance_init(instance, plugin) < 0)
		return EX_CONFIG;
	instance->number = index + 1;
	instance->guard = &handler->guard;
	instance->approach = &load->approaches[load->count - 1];
	status = load_approach(load, index);
	if (status != 0)
		return status;
	return load_configure(instance, handler);
}

static int
load_handlers(struct load *load, const char *worker_group)
{
	const struct settings_handler *handler = load->settings->handlers;
	int i, status;

	for (i = 0; i < load->settings->handler_count; i++, handler++) {
		if (handler->paused ||
		    (worker_group != NULL &&
			strcmp(handler->worker_group, worker_group) != 0))
			continue;
		status = load_handler(load, i);
		if (status != 0)
			return status;
	}
	return 0;
}

int
load_all(struct load *load, const struct settings *settings,
    const char *worker_group)
{
	size_t count = (size_t)settings->handler_count;
	int status;

	memset(load, 0, sizeof(*load));
	load->settings = settings;
	load->instances = calloc(count, sizeof(*load->instances));
	load->handlers = calloc(count, sizeof(*load->handlers));
	load->approaches = calloc(count, sizeof(*load->approaches));
	if (load->instances == NULL || load->handlers == NULL ||
	    load->approaches == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%m");
		return EX_OSERR;
	}
	log_set_where(settings_where(&settings->guard, "plugin-dir"));
	status = -plugin_dirs_init(&load->dirs, settings->plugin_dir);
	if (status == 0)
		status = load_handlers(load, worker_group);
	log_set_where(NULL);
	return status;
}

static const char *
load_word(const struct load *load, int n)
{
	return load->settings->handlers[load->handlers[n]].plugin;
}

int
load_open_code(const struct load *load, int n, int *handler, const char **path)
{
	const struct plugin *plugin = load->instances[n].plugin;
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(load_word(load, i), load_word(load, n)) == 0)
			return -1;
	*handler = load->handlers[n];
	*path = plugin->path;
	return plugin->copy != NULL ? open(plugin->copy, O_RDONLY | O_CLOEXEC)
				    : -1;
}

int
load_ready(struct load *load)
{
	const char *where = NULL;
	int i, status = 0;

	for (i = 0; i < load->count && status == 0; i++) {
		where = load->settings->handlers[load->handlers[i]].where;
		log_set_where(where);
		status = instance_ready(&load->instances[i]);
	}
	log_set_where(NULL);
	if (status == -EINVAL)
		return -settings_status(where);
	return status < 0 ? EX_CONFIG : 0;
}

struct bevhost_instance *
load_find(const struct load *load, int handler)
{
	int i;

	for (i = 0; i < load->count; i++)
		if (load->handlers[i] == handler)
			return &load->instances[i];
	return NULL;
}

void
load_worker_settings(const struct load *load, struct worker_settings *worker)
{
	const struct settings *settings = load->settings;

	memset(worker, 0, sizeof(*worker));
	worker->event_method = settings->event_method;
	worker->stack_size = (size_t)settings->stack_size;
	worker->job_threads = (int)settings->job_threads;
	worker->name_cache_ms = settings->name_cache;
	worker->drain_timeout_ms = (int)settings->drain_timeout;
	worker->drain_spread_ms = (int)settings->drain_spread;
	worker->max_memory = settings->max_memory;
	worker->record = settings->record;
}

void
load_clear(struct load *load)
{
	int i;

	for (i = 0; i < load->count; i++) {
		instance_clear(&load->instances[i]);
		approach_clear(&load->approaches[i]);
	}
	free(load->instances);
	free(load->approaches);
	free(load->handlers);
	plugin_dirs_clear(&load->dirs);
}
