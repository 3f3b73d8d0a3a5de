/* SPDX-License-Identifier: BSD-2-Clause */
/* Instances, made of what the settings say of handlers. */
#ifndef LOAD_H
#define LOAD_H

#include "instance.h"
#include "plugin_load.h"

struct settings;
struct worker_settings;

struct load {
	const struct settings *settings; /* the caller's */
	struct plugin_dirs dirs;
	struct bevhost_instance *instances;
	struct approach *approaches; /* of each instance */
	int *handlers; /* of each instance: its index in the settings */
	int count;
};

/*
 * Loads and configures the handlers of a worker group, or all when it is NULL,
 * but those that are paused. Returns 0 or a sysexits code, having logged;
 * load_clear() is due either way.
 */
int load_all(struct load *load, const struct settings *settings,
    const char *worker_group) BEVHOST_MUST_CHECK;

/* The file that is loaded for the n-th instance, open; its handler, and where
   it was found. -1: it cannot be opened, or an earlier one has the same. */
int
load_open_code(const struct load *load, int n, int *handler, const char **path);

/* Asks each instance whether it could serve. Returns as load_all. */
int load_ready(struct load *load) BEVHOST_MUST_CHECK;

/* The instance of a handler of the settings, or NULL. */
struct bevhost_instance *load_find(const struct load *load, int handler);

/* What the settings say of the worker that is to serve them. */
void
load_worker_settings(const struct load *load, struct worker_settings *worker);

void load_clear(struct load *load);

#endif
