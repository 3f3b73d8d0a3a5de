/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a master does when a generation serves, or will not: the first one lets
 * the host be announced, of the others whoever asked gets an answer.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "logfile.h"
#include "master_own.h"
#include "notify.h"
#include "privileges.h"
#include "renewal.h"
#include "reread.h"
#include "settings_origin.h"
#include "settings_say.h"
#include "upgrade.h"

#define MASTER_WHY_SIZE 1024

/* Answers */

static void
master_answer(struct master *master, int exit_status, const char *text)
{
	struct master_requests *requests = &master->answered;
	int i;

	for (i = 0; i < requests->count; i++)
		control_answer(requests->list[i], exit_status, text);
	requests->count = 0;
}

static void
master_tell_status(const struct master *master)
{
	int draining;
	int workers = generations_workers(master->generations, &draining);

	notify_status("generation %d serves with %d workers; of older "
		      "generations %d drain",
	    generations_number(master->generations), workers, draining);
}

/* Settings that are this process's own */

int
master_find_privileges(struct master *master, const struct settings *settings)
{
	static struct privileges found;
	const char *where = settings_where(
	    &settings->guard, settings->user != NULL ? "user" : "group");
	int drops = settings->user != NULL || settings->group != NULL;
	int status = 0;

	log_set_where(where);
	if (drops)
		status =
		    privileges_find(&found, settings->user, settings->group);
	log_set_where(NULL);
	if (status < 0)
		return -settings_blame(status, where);
	generations_set_privileges(master->generations, drops ? &found : NULL);
	return 0;
}

static int
master_same_text(const char *one, const char *two)
{
	return one == NULL || two == NULL ? one == two : strcmp(one, two) == 0;
}

/* A new file that cannot be opened leaves the old one. */
void
master_reopen_log(struct master *master, const char *path)
{
	if (logfile_open(path) < 0)
		return;
	if (!master_same_text(path, master->log_file)) {
		free(master->log_file);
		master->log_file = path != NULL ? strdup(path) : NULL;
	}
	generations_reopen_log(master->generations, STDERR_FILENO);
}

static void
master_apply(struct master *master)
{
	const struct settings *settings =
	    generations_settings(master->generations);

	log_set_level((enum bevhost_level)settings->level);
	if (settings->log_file != NULL &&
	    !master_same_text(settings->log_file, master->log_file))
		master_reopen_log(master, settings->log_file);
	if (!master_same_text(
		settings->pidfile, master->options->settings.pidfile))
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "the pidfile stays as it was at the start");
}

/* Reloading */

static void
master_on_reloaded(struct master *master, int exit_status, const char *text)
{
	if (exit_status == 0) {
		log_write(BEVHOST_LOG_NOTICE, NULL, "reload: %s", text);
		generations_announce(master->generations);
		master_apply(master);
	} else {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "reload refused: %s; generation %d serves on", text,
		    generations_number(master->generations));
	}
	if (master->stopping)
		return;
	notify_ready();
	if (master->again)
		event_active(master->reload, EV_TIMEOUT, 0);
}

void
master_on_result(void *arg, int exit_status, const char *text)
{
	struct master *master = arg;

	if (master->started)
		master_on_reloaded(master, exit_status, text);
	else if (exit_status == 0 && !master->testing)
		master_on_started(master);
	else
		master->status = master->stopping ? 0 : exit_status;
	master_tell_status(master);
	master_answer(master, exit_status, text);
}

/* The first error of what this process itself does for a reload. */
static char master_why[MASTER_WHY_SIZE];

static int
master_on_error(const char *text)
{
	if (master_why[0] != '\0')
		return 0;
	snprintf(master_why, sizeof(master_why), "%s", text);
	return strlen(text) < sizeof(master_why);
}

/* The command line and the file anew. 0 or an exit status. */
static int
master_read_again(struct master *master, struct settings *settings)
{
	int status = -reread_settings(settings, master->argc, master->argv,
	    master_why, sizeof(master_why));

	if (status != 0)
		return status;
	log_set_listener(master_on_error);
	status = master_find_privileges(master, settings);
	log_set_listener(NULL);
	if (status != 0)
		settings_clear(settings);
	else if (master_why[0] != '\0')
		log_write(BEVHOST_LOG_ERROR, NULL, "%s", master_why);
	return status;
}

/* One that is under way is waited for. Does it hold this one up? */
static int
master_waits(struct master *master)
{
	if (master->upgrade != NULL && upgrade_is_busy(master->upgrade))
		return 1;
	/* A canary's time may be long, and this may be its cure. */
	if (generations_is_busy(master->generations))
		generations_take_back(master->generations,
		    "a later reload takes the place of this canary");
	return generations_is_busy(master->generations);
}

void
master_on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct master *master = arg;
	struct settings settings;
	int status;

	(void)fd;
	(void)what;
	if (master->stopping)
		return;
	master->again = master_waits(master);
	if (master->again)
		return;
	master->answered = master->asked;
	master->asked.count = 0;
	notify_reloading();
	log_write(BEVHOST_LOG_INFO, NULL, "reloading");
	status = master_read_again(master, &settings);
	if (status == 0) {
		renewal_plan(&settings);
		generations_start(master->generations, &settings, 0);
	} else {
		master_on_result(master, status, master_why);
	}
}

void
master_reload(struct master *master)
{
	if (master->started)
		event_active(master->reload, EV_TIMEOUT, 0);
	else
		master->again = 1;
}

void
master_on_request(void *arg, struct control_request *request)
{
	struct master *master = arg;

	if (master->stopping || master->asked.count == MASTER_REQUESTS) {
		control_answer(request, EX_UNAVAILABLE,
		    master->stopping ? "the host stops" : "too many reloads");
		return;
	}
	/* Whoever waits is forgotten when this process becomes another program.
	 */
	if (upgrade_is_busy(master->upgrade)) {
		control_answer(request, EX_UNAVAILABLE,
		    "an upgrade is under way: ask again when it is over");
		return;
	}
	master->asked.list[master->asked.count++] = request;
	master_reload(master);
}
