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

#include "command.h"
#include "describe.h"
#include "instance.h"
#include "listener.h"
#include "log.h"
#include "options.h"
#include "plugin.h"
#include "worker.h"

#define MAIN_LISTENERS_MAX 256

struct main_host {
	struct options options;
	struct plugin_dirs dirs;
	struct bevhost_instance *instances;
	int instance_count;
	struct listener listeners[MAIN_LISTENERS_MAX];
	int listener_count;
	struct worker worker;
	struct command command;
	struct rlimit files; /* as it was at the start */
};

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

/* A plugin with its parameters: an instance that is not ready yet. */
static int
main_load(struct main_host *host, const struct options_group *group)
{
	struct plugin *plugin = plugin_load(&host->dirs, group->plugin);
	struct bevhost_instance *instance;
	int i;

	if (plugin == NULL)
		return EX_CONFIG;
	instance = &host->instances[host->instance_count++];
	if (instance_init(instance, plugin) < 0)
		return EX_CONFIG;
	for (i = 0; i < group->word_count; i++)
		if (instance_config(instance, group->words[i].key,
			group->words[i].value) < 0)
			return EX_CONFIG;
	return 0;
}

static int
main_listen(struct main_host *host, const struct options_group *group,
    struct bevhost_instance *instance)
{
	struct sock socks[16];
	int i, j, count, room;

	for (i = 0; i < group->address_count; i++) {
		room = MAIN_LISTENERS_MAX - host->listener_count;
		if (room == 0) {
			log_write(BEVHOST_LOG_ERROR, NULL,
			    "more than %d listeners", MAIN_LISTENERS_MAX);
			return EX_USAGE;
		}
		count = sock_open(&group->addresses[i].spec,
		    group->addresses[i].text, socks, room < 16 ? room : 16);
		if (count < 0)
			return -count;
		for (j = 0; j < count; j++)
			listener_init(&host->listeners[host->listener_count++],
			    &socks[j], instance);
	}
	return 0;
}

static int
main_prepare(struct main_host *host)
{
	const struct options *options = &host->options;
	int i, status;

	host->instances =
	    calloc((size_t)options->group_count, sizeof(*host->instances));
	if (host->instances == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%m");
		return EX_OSERR;
	}
	for (i = 0; i < options->group_count; i++) {
		status = main_load(host, &options->groups[i]);
		if (status != 0)
			return status;
	}
	for (i = 0; i < options->group_count; i++) {
		status =
		    main_listen(host, &options->groups[i], &host->instances[i]);
		if (status != 0)
			return status;
	}
	for (i = 0; i < host->instance_count; i++)
		if (instance_ready(&host->instances[i]) < 0)
			return EX_CONFIG;
	return 0;
}

static void
main_say_listening(const struct main_host *host)
{
	char address[ADDR_TEXT_SIZE];
	int i;

	for (i = 0; i < host->listener_count; i++)
		log_write(BEVHOST_LOG_NOTICE, NULL, "listening on %s (%s)",
		    listener_text(
			&host->listeners[i], address, sizeof(address)),
		    instance_name(host->listeners[i].instance));
}

/* The number of a standard descriptor must not become a connection's. */
static void
main_close_fd(int fd)
{
	int null;

	if (fd > STDERR_FILENO) {
		close(fd);
		return;
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, fd);
		close(null);
	}
}

static int
main_write_ready(const struct main_host *host)
{
	char address[ADDR_TEXT_SIZE];
	int fd = host->options.ready_fd, copy, i;
	FILE *file;

	if (fd < 0)
		return 0;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	main_close_fd(fd);
	file = copy >= 0 ? fdopen(copy, "w") : NULL;
	for (i = 0; file != NULL && i < host->listener_count; i++)
		fprintf(file, "%s\n",
		    listener_text(
			&host->listeners[i], address, sizeof(address)));
	if (file != NULL && fclose(file) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "--ready-fd=%d: %m", fd);
	return -1;
}

static void
main_on_command_end(void *arg)
{
	struct main_host *host = arg;

	/* A signal that ended the command may have reached us first. */
	worker_drain(&host->worker);
}

static int
main_serve(struct main_host *host)
{
	const struct options *options = &host->options;
	const struct worker_settings settings = {
		.event_method = options->event_method,
		.stack_size = (size_t)options->stack_size,
		.job_threads = options->job_threads,
		.drain_timeout_ms = WORKER_DRAIN_MS,
	};
	int status = main_prepare(host);

	if (status != 0)
		return status;
	if (worker_init(&host->worker, &settings, host->instances,
		host->instance_count, host->listeners,
		host->listener_count) < 0)
		return EX_CONFIG;
	main_say_listening(host);
	if (main_write_ready(host) < 0)
		return EX_IOERR;
	if (options->run != NULL &&
	    command_start(&host->command, options->run,
		&host->listeners[0].sock.bound, &host->files, host->worker.base,
		main_on_command_end, host) < 0)
		return EX_OSERR;
	return worker_run(&host->worker) < 0 ? EX_SOFTWARE : 0;
}

static int
main_serve_and_clean(struct main_host *host)
{
	int status, i;

	main_raise_limits(&host->files);
	status = main_serve(host);
	if (host->command.child != NULL) {
		command_clear(&host->command);
		status = status != 0 ? status : host->command.status;
	}
	if (worker_clear(&host->worker) < 0)
		return status;
	for (i = 0; i < host->listener_count; i++)
		listener_clear(&host->listeners[i]);
	for (i = 0; i < host->instance_count; i++)
		instance_clear(&host->instances[i]);
	free(host->instances);
	return status;
}

static int
main_act(struct main_host *host)
{
	const struct options *options = &host->options;
	int status;

	if (options->action == OPTIONS_VERSION) {
		printf("bevhost %s (API %d, libevent %s)\n", PACKAGE_VERSION,
		    BEVHOST_API_VERSION, event_get_version());
		return 0;
	}
	if (options->action == OPTIONS_HELP && !options->help_plugin) {
		fputs(options_help, stdout);
		return 0;
	}
	if (plugin_dirs_init(&host->dirs, options->plugin_dir) < 0)
		return EX_CONFIG;
	switch (options->action) {
	case OPTIONS_HELP:
		status = describe_help(&host->dirs, options->groups[0].plugin);
		break;
	case OPTIONS_LIST_PLUGINS:
		status = describe_list(&host->dirs);
		break;
	case OPTIONS_DUMP_PLUGIN:
		status = describe_dump(&host->dirs, options->dump_plugin);
		break;
	default:
		return main_serve_and_clean(host);
	}
	return status < 0 ? EX_CONFIG : 0;
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
	static struct main_host host;
	int status;

	if (main_open_standard() < 0)
		return EX_OSERR;
	if (options_parse(&host.options, argc, argv) < 0) {
		status = EX_USAGE;
	} else {
		log_set_level(host.options.level);
		status = main_act(&host);
	}
	plugin_dirs_clear(&host.dirs);
	options_clear(&host.options);
	plugin_remove_copies();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_write(BEVHOST_LOG_ERROR, NULL, "standard output: %m");
		status = status ? status : EX_IOERR;
	}
	return status;
}
