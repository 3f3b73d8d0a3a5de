/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One process from start to end: for a debugger, for tests, and for whoever
 * has a supervisor of his own.
 */
#include "single.h"

#include <signal.h>
#include <string.h>
#include <sysexits.h>

#include "announce.h"
#include "command.h"
#include "confine.h"
#include "counters.h"
#include "crash.h"
#include "gate_host.h"
#include "log.h"
#include "logfile.h"
#include "options.h"
#include "pidfile.h"
#include "privileges.h"
#include "serve.h"
#include "settings_origin.h"
#include "settings_say.h"
#include "sock_bind.h"
#include "tickets.h"
#include "tls_ticket.h"

#define SINGLE_ADDRESSES_MAX 16 /* of one name */
#define SINGLE_TICKETS_MS    (60 * 60 * INT64_C(1000))

struct single {
	struct serve *serve;
	struct tickets tickets;
	struct pidfile pidfile;
	const char *log_file; /* or NULL */
	struct event *reopen;
	struct command command;
};

static int
single_listen_on(
    struct single *single, int handler, const struct settings_address *address)
{
	struct sock socks[SINGLE_ADDRESSES_MAX];
	int i, count, status = 0;

	count = sock_open(
	    &address->spec, address->text, socks, SINGLE_ADDRESSES_MAX);
	if (count < 0)
		return -count;
	for (i = 0; i < count; i++) {
		if (status == 0)
			status =
			    serve_listen(single->serve, handler, &socks[i]);
		if (status != 0)
			sock_close(&socks[i]);
	}
	return status;
}

static int
single_listen(struct single *single, const struct settings *settings)
{
	const struct settings_handler *handler = settings->handlers;
	int i, j, status = 0;

	for (i = 0; i < settings->handler_count; i++, handler++) {
		log_set_where(handler->where);
		for (j = 0; j < handler->address_count && status == 0; j++)
			status =
			    single_listen_on(single, i, &handler->addresses[j]);
		status = settings_blame(status, handler->where);
	}
	log_set_where(NULL);
	return status;
}

static int
single_announce(const struct single *single)
{
	const struct addr *bound[SERVE_LISTENERS_MAX];
	const char *plugin;
	int i;

	for (i = 0; i < SERVE_LISTENERS_MAX; i++) {
		bound[i] = serve_address(single->serve, i, &plugin);
		if (bound[i] == NULL)
			break;
		announce_listening(bound[i], plugin);
	}
	return announce_ready(bound, i);
}

static void
single_on_command_end(void *arg)
{
	struct single *single = arg;

	/* A signal that ended the command may have reached us first. */
	serve_drain(single->serve);
}

static void
single_on_reopen(evutil_socket_t number, short what, void *arg)
{
	const struct single *single = arg;

	(void)number;
	(void)what;
	/* One that cannot be opened leaves the old one, and is logged there. */
	(void)!logfile_open(single->log_file);
}

/* What a master would do: what is the process's own. 0 or an exit status. */
static int
single_claim(struct single *single, const struct settings *settings)
{
	int status = 0;

	log_set_where(settings_where(&settings->guard, "pidfile"));
	if (settings->pidfile != NULL)
		status = -pidfile_take(&single->pidfile, settings->pidfile);
	log_set_where(settings_where(&settings->guard, "log-file"));
	if (status == 0)
		status = -logfile_open(settings->log_file);
	log_set_where(NULL);
	single->log_file = settings->log_file;
	return status;
}

static int
single_drop(const struct settings *settings)
{
	const char *where = settings_where(
	    &settings->guard, settings->user != NULL ? "user" : "group");
	struct privileges privileges;
	int status;

	if (settings->user == NULL && settings->group == NULL)
		return 0;
	log_set_where(where);
	status = privileges_find(&privileges, settings->user, settings->group);
	log_set_where(NULL);
	return status < 0 ? -settings_blame(status, where)
			  : -privileges_drop(&privileges);
}

static int
single_hear_reopen(struct single *single)
{
	single->reopen = evsignal_new(
	    serve_base(single->serve), SIGUSR1, single_on_reopen, single);
	if (single->reopen != NULL && event_add(single->reopen, NULL) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "cannot hear SIGUSR1: %m");
	return EX_OSERR;
}

/* What a master would give to its workers. */
static int
single_limit(const struct settings *settings)
{
	static struct counters counters;

	if (gate_host_start(-1, 1, &counters, settings) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "no memory for limits: %m");
	return EX_OSERR;
}

static int
single_serve(struct single *single, const struct options *options,
    const struct rlimit *files)
{
	const struct confine_host host = {
		.settings = &options->settings,
		.alone = 1,
		.has_child = options->run != NULL,
	};
	const char *plugin;
	int status = single_limit(&options->settings);

	if (status == 0)
		status = serve_load(&single->serve, &options->settings, NULL);
	if (status == 0)
		status = single_listen(single, &options->settings);
	if (status == 0)
		status = serve_ready(single->serve);
	if (status == 0)
		status = single_drop(&options->settings);
	if (status == 0)
		status = serve_start(single->serve, NULL);
	if (status == 0)
		status = single_hear_reopen(single);
	if (status != 0)
		return status;
	if (!host.has_child)
		confine(serve_loaded(single->serve), &host);
	if (single_announce(single) < 0)
		return EX_IOERR;
	if (options->run != NULL &&
	    command_start(&single->command, options->run,
		serve_address(single->serve, 0, &plugin), files,
		serve_base(single->serve), single_on_command_end, single) < 0)
		return EX_OSERR;
	/* The command is not held to what plugins declare. */
	if (host.has_child)
		confine(serve_loaded(single->serve), &host);
	return serve_run(single->serve);
}

/* Its own; without them each client shakes hands in full. */
static void
single_make_tickets(struct single *single)
{
	if (tickets_init(&single->tickets) < 0)
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "there will be no session tickets: %m");
	else
		tls_ticket_use(&single->tickets, SINGLE_TICKETS_MS);
}

int
single_run(const struct options *options, const struct rlimit *files)
{
	struct single single;
	int status;

	memset(&single, 0, sizeof(single));
	if (crash_init("", NULL, NULL) < 0)
		log_write(
		    BEVHOST_LOG_WARNING, NULL, "crashes will not be named: %m");
	if (announce_take(options->ready_fd) < 0)
		return EX_IOERR;
	single.pidfile.fd = -1;
	single_make_tickets(&single);
	status = single_claim(&single, &options->settings);
	if (status == 0)
		status = single_serve(&single, options, files);
	if (single.command.child != NULL) {
		command_clear(&single.command);
		status = status != 0 ? status : single.command.status;
	}
	if (single.reopen != NULL)
		event_free(single.reopen);
	serve_clear(single.serve);
	gate_host_say_counts();
	gate_host_end();
	tls_ticket_use(NULL, 0);
	tickets_clear(&single.tickets);
	pidfile_release(&single.pidfile);
	return status;
}
