/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program: what the command line asks for, in order, and the exit status.
 * Nothing is served before everything that can fail has been tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "describe.h"
#include "dump.h"
#include "log.h"
#include "options.h"
#include "plugin.h"
#include "single.h"

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
	struct plugin_dirs dirs;
	int status = plugin_dirs_init(&dirs, options->settings.plugin_dir);

	if (status == 0 && options->action == OPTIONS_HELP)
		status = describe_help(&dirs, options->help_plugin);
	else if (status == 0 && options->action == OPTIONS_LIST_PLUGINS)
		status = describe_list(&dirs);
	else if (status == 0)
		status = describe_dump(&dirs, options->dump_plugin);
	plugin_dirs_clear(&dirs);
	return status < 0 ? EX_CONFIG : 0;
}

static int
main_serve(const struct options *options)
{
	struct rlimit files; /* as it was at the start */

	main_raise_limits(&files);
	return single_run(options, &files);
}

static int
main_act(const struct options *options)
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
	case OPTIONS_TEST:
	case OPTIONS_RELOAD:
		return EX_SOFTWARE;
	case OPTIONS_SERVE:
		return main_serve(options);
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

int
main(int argc, char **argv)
{
	static struct options options;
	int status;

	if (main_open_standard() < 0)
		return EX_OSERR;
	status = -options_parse(&options, argc, argv);
	if (status == 0) {
		log_set_level((enum bevhost_level)options.settings.level);
		status = main_act(&options);
	}
	options_clear(&options);
	plugin_remove_copies();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_write(BEVHOST_LOG_ERROR, NULL, "standard output: %m");
		status = status ? status : EX_IOERR;
	}
	return status;
}
