/* SPDX-License-Identifier: BSD-2-Clause */
/* A plugin configured for its listeners: one self, one set of parameters. */
#ifndef INSTANCE_H
#define INSTANCE_H

#include "plugin.h"

struct instance_value;

struct bevhost_instance {
	struct plugin *plugin;
	void *self;
	int number; /* of the handlers in the settings, from 1; or 0 */
	const struct settings_guard *guard; /* of its listeners, or NULL */
	const struct approach *approach; /* NULL: there is nothing before it */
	struct instance_value *values, **last_value; /* given, in order */
	/* destroy is due; stop is; self is the host's memory */
	unsigned created : 1, started : 1, own_self : 1;
};

/* Each returns 0, or -1 having logged; instance_free() is due either way. */
int instance_init(struct bevhost_instance *instance,
    struct plugin *plugin) BEVHOST_MUST_CHECK;
/* key is NULL for a bare first word. */
int instance_config(struct bevhost_instance *instance, const char *key,
    const char *value) BEVHOST_MUST_CHECK;
/* All parameters are given. -EINVAL instead of -1 when one is missing. */
int instance_ready(struct bevhost_instance *instance) BEVHOST_MUST_CHECK;
int instance_start(struct bevhost_instance *instance,
    struct event_base *base) BEVHOST_MUST_CHECK;
/* All instances are started, and nothing is accepted yet. */
int instance_self_test(struct bevhost_instance *instance) BEVHOST_MUST_CHECK;

/* After the last connection. */
void instance_stop(struct bevhost_instance *instance);
void instance_clear(struct bevhost_instance *instance);

/* Does the plugin declare what it should? Logs what is wrong. */
int instance_check_plugin(const struct plugin *plugin) BEVHOST_MUST_CHECK;

const char *instance_name(const struct bevhost_instance *instance);

#endif
