/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program: what the command line asks for, in order, and the exit status.
 * Nothing is served before everything that can fail has been tried.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "control_client.h"
#include "describe.h"
#include "dump.h"
#include "handover.h"
#include "inherit.h"
#include "log.h"
#include "managed.h"
#include "master.h"
#include "options.h"
#include "options_dump.h"
#include "plugin_load.h"
#include "settings_check.h"
#include "settings_origin.h"
#include "single.h"
#include "tls_memory.h"
#include "upgrade.h"

#define MAIN_WORKER "--worker" /* what a master starts */

/* As many connections as the machine lets us have. */
static void
main_raise_limits(struct rlimit *before)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	*before = limit;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int
main_describe(const struct options *options)
{
	const struct settings *settings = &options->settings;
	struct plugin_dirs dirs;
	int status;

	log_set_where(settings_where(&settings->guard, "plugin-dir"));
	status = plugin_dirs_init(&dirs, settings->plugin_dir);
	log_set_where(NULL);
	if (status < 0)
		return -status;
	if (options->action == OPTIONS_HELP)
		status = describe_help(&dirs, options->help_plugin);
	else if (options->action == OPTIONS_LIST_PLUGINS)
		status = describe_list(&dirs);
	else
		status = describe_dump(&dirs, options->dump_plugin);
	plugin_dirs_clear(&dirs);
	return status < 0 ? EX_CONFIG : 0;
}

static int
main_serve(const struct options *options, int argc, char **argv)
{
	struct rlimit files; /* as it was at the start */

	main_raise_limits(&files);
	return options->no_master ? single_run(options, &files)
				  : master_run(options, argc, argv, &files);
}

static int
main_test(const struct options *options)
{
	int status = master_test(options);

	if (status == 0)
		puts("OK");
	return status;
}

static int
main_act(const struct options *options, int argc, char **argv)
{
	switch (options->action) {
	case OPTIONS_VERSION:
		printf("bevhost %s (API %d, libevent %s)\n", PACKAGE_VERSION,
		    BEVHOST_API_VERSION, event_get_version());
		return 0;
	case OPTIONS_DUMP_CONFIG:
		/* main() looks at standard output itself. */
		return dump_settings(&options->settings, stdout) < 0 ? EX_IOERR
								     : 0;
	case OPTIONS_DUMP_OPTIONS:
		options_dump();
		return 0;
	case OPTIONS_TEST:
		return main_test(options);
	case OPTIONS_RELOAD:
		return control_client_reload(options->reload_pid);
	case OPTIONS_SERVE:
		return main_serve(options, argc, argv);
	case OPTIONS_HELP:
		if (options->help_plugin == NULL) {
			fputs(options_help, stdout);
			return 0;
		}
		/* Fall through. */
	default:
		return main_describe(options);
	}
}

/* Standard descriptors that are closed would become sockets. */
static int
main_open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -1;
	return close(fd);
}

/* The command line of an operator. */
static int
main_run(struct options *options, int argc, char **argv)
{
	int status = inherit_init();

	if (status >= 0)
		status = options_parse(options, argc, argv);
	if (status < 0)
		return -status;
	log_set_level((enum bevhost_level)options->settings.level);
	if (options->action == OPTIONS_SERVE || options->action == OPTIONS_TEST)
		settings_warn(&options->settings);
	return main_act(options, argc, argv);
}

/* The program that was here tries whether this one could take its place. */
static int
main_probe(struct options *options, int argc, char **argv)
{
	struct handover handover = { .generations = NULL };
	int status;

	status = handover_read(&handover, UPGRADE_PROBE_STATE);
	handover_forget(&handover);
	if (status < 0)
		return EX_SOFTWARE;
	status = -options_parse_again(options, argc, argv);
	if (status == 0)
		status = master_test(options);
	return status == 0 ? upgrade_say_fits() : status;
}

/* This program was run in the place of another. */
static int
main_take_over(struct options *options, int argc, char **argv, int state)
{
	struct rlimit files;

	main_raise_limits(&files);
	/* What is wrong with it now is said by the reload that follows. */
	if (inherit_init() >= 0 &&
	    options_parse_again(options, argc, argv) == 0)
		log_set_level((enum bevhost_level)options->settings.level);
	return master_take_over(options, argc, argv, &files, state);
}

/* The word after the first is for the program itself: takes it out. */
static void
main_take_word(int *argc, char **argv)
{
	memmove(argv + 1, argv + 2, (size_t)(*argc - 1) * sizeof(*argv));
	(*argc)--;
}

static int
main_choose(struct options *options, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	size_t take = sizeof(UPGRADE_TAKE) - 1;

	if (strcmp(word, MAIN_WORKER) == 0)
		return managed_run();
	if (strcmp(word, UPGRADE_PROBE) == 0) {
		main_take_word(&argc, argv);
		return main_probe(options, argc, argv);
	}
	if (strncmp(word, UPGRADE_TAKE, take) == 0) {
		main_take_word(&argc, argv);
		return main_take_over(options, argc, argv, atoi(word + take));
	}
	return main_run(options, argc, argv);
}

/*
 * A sanitizer, which plugins may have brought along, looks for leaks at exit:
 * too late for it to find the lines of a plugin whose copy is gone.
 */
static void
main_find_leaks(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "__lsan_do_leak_check");
	void (*find)(void);

	memcpy(&find, &symbol, sizeof(find));
	if (find != NULL)
		find();
}

int
main(int argc, char **argv)
{
	static struct options options;
	int status;

	if (main_open_standard() < 0)
		return EX_OSERR;
	tls_memory_watch();
	status = main_choose(&options, argc, argv);
	options_clear(&options);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_write(BEVHOST_LOG_ERROR, NULL, "standard output: %m");
		status = status ? status : EX_IOERR;
	}
	main_find_leaks();
	plugin_remove_copies();
	return status;
}
