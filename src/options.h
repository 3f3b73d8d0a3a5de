/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line, and with the file that it names all that is in force. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <sys/types.h>

#include "settings.h"

struct option; /* of getopt_long() */

enum options_action {
	OPTIONS_SERVE,
	OPTIONS_HELP, /* of the plugin that was named, if one was */
	OPTIONS_VERSION,
	OPTIONS_LIST_PLUGINS,
	OPTIONS_DUMP_PLUGIN,
	OPTIONS_DUMP_OPTIONS,
	OPTIONS_TEST,
	OPTIONS_DUMP_CONFIG,
	OPTIONS_RELOAD
};

/* Texts here are argv's; those in settings are owned. */
struct options {
	enum options_action action;
	struct settings settings;
	const char *config; /* the file, or NULL */
	const char *dump_plugin;
	const char *help_plugin; /* the first on the command line, or NULL */
	const char *run;	 /* a command, or NULL */
	pid_t reload_pid;	 /* 0: the one that runs */
	int ready_fd;		 /* or -1 */
	int no_master;
};

/*
 * Fills in *options: the file of -c first, then the command line. Returns 0,
 * or minus an exit status when it has logged what is wrong: -EX_USAGE, or of
 * the file -EX_NOINPUT and -EX_CONFIG, or -EX_OSERR without memory. Either way
 * options_clear() frees.
 */
int options_parse(
    struct options *options, int argc, char **argv) BEVHOST_MUST_CHECK;

/*
 * The same for a reload: the file is read anew. What can be used only once,
 * ready_fd, is -1.
 */
int options_parse_again(
    struct options *options, int argc, char **argv) BEVHOST_MUST_CHECK;

void options_clear(struct options *options);

/* The long options, ended by one without a name, and the letter that does the
   same as one of them, or '\0'. */
const struct option *options_table(void);
char options_letter(const struct option *option);

/* What --help prints. */
extern const char options_help[];

#endif
