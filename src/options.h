/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line as one struct. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <bevhost/types.h>

#include "addr.h"

/* A word after PLUGIN: KEY=VALUE, or a bare one (key is NULL). */
struct options_word {
	char *key; /* owned */
	const char *value;
};

struct options_address {
	const char *text; /* as it was written */
	struct addr_spec spec;
};

/* A plugin with its listeners and its parameters. */
struct options_group {
	const char *plugin; /* a name or a path */
	struct options_address *addresses;
	int address_count;
	struct options_word *words;
	int word_count;
};

enum options_action {
	OPTIONS_SERVE,
	OPTIONS_HELP, /* of the plugin that was named, if one was */
	OPTIONS_VERSION,
	OPTIONS_LIST_PLUGINS,
	OPTIONS_DUMP_PLUGIN
};

struct options {
	enum options_action action;
	struct options_group *groups;
	int group_count;
	const char *plugin_dir; /* or NULL */
	const char *dump_plugin;
	const char *run;	  /* a command, or NULL */
	const char *event_method; /* or NULL: libevent's choice */
	int64_t stack_size;	  /* of tasks, in bytes; 0: the default */
	int job_threads;
	int ready_fd;	 /* or -1 */
	int help_plugin; /* a plugin was named on the command line */
	enum bevhost_level level;
};

/*
 * Fills in *options, which refers to argv. Returns 0, or -1 when it has
 * logged what is wrong: a usage error. Either way options_clear() frees.
 */
int options_parse(
    struct options *options, int argc, char **argv) BEVHOST_MUST_CHECK;
void options_clear(struct options *options);

/* What --help prints. */
extern const char options_help[];

#endif
