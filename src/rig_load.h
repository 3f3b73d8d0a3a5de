/* SPDX-License-Identifier: BSD-2-Clause */
/* One handler without a listener: its settings, and the instance. */
#ifndef RIG_LOAD_H
#define RIG_LOAD_H

#include <stdint.h>

#include <bevhost/base.h>

struct bevhost_instance;
struct rig_load;
struct worker_settings;

struct rig_options {
	const char *plugin;	    /* a name or a path */
	const char *const *words;   /* its KEY=VALUE, ended by NULL; or NULL */
	const char *const *options; /* the listener's, likewise */
	/* Reads one byte of each end at a time, for as long as there are few.
	 */
	int slow_reader;
	int64_t fail_first, fail_after; /* allocations, as struct failing */
};

/* What is made when a plugin is loaded first, and kept. 0, or -1 having logged.
 */
int rig_load_once(const char *plugin) BEVHOST_MUST_CHECK;

/* The first error that has been logged since rig_load_once(), in here or in
   rig_load_new(); or "". */
const char *rig_load_why(void);

/* Loaded, configured and asked whether it could serve. NULL, having logged,
   with the exit status that says so in *status. */
struct rig_load *
rig_load_new(const struct rig_options *options, int *status) BEVHOST_MUST_CHECK;
/* NULL is nothing. */
void rig_load_free(struct rig_load *load);

struct bevhost_instance *rig_load_instance(const struct rig_load *load);
/* What the worker is to be like that serves it. */
void
rig_load_worker(const struct rig_load *load, struct worker_settings *worker);

#endif
