/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals, and the order in which things come up and go down. No plugin is ever
 * loaded here. How workers come and go is the generations' business.
 */
#include "master.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "announce.h"
#include "command.h"
#include "control.h"
#include "handover.h"
#include "inherit.h"
#include "log.h"
#include "logfile.h"
#include "loop.h"
#include "master_own.h"
#include "notify.h"
#include "pidfile.h"
#include "privileges.h"
#include "renewal.h"
#include "settings_origin.h"
#include "upgrade.h"
#include "watch.h"

#define MASTER_ADDRESSES 4096

/* What only the life of a master deals with. */
struct master_life {
	struct master master;
	const struct rlimit *files;
	struct pidfile pidfile;
	struct control control;
	struct command command;
	struct watch watch;
	struct handover_own left; /* to the program that follows */
};

static struct master_life life;

/* Serving */

static void
master_on_command_end(void *arg)
{
	struct master *master = arg;

	if (master->stopping)
		return;
	master->stopping = 1;
	generations_drain(master->generations);
}

/* Whoever started the host is told that it serves. 0 or an exit status. */
static int
master_announce(struct master *master)
{
	static const struct addr *bound[MASTER_ADDRESSES];
	const struct options *options = master->options;
	int i = 0;

	while (i < MASTER_ADDRESSES &&
	       (bound[i] = generations_address(master->generations, i)) != NULL)
		i++;
	generations_announce(master->generations);
	if (announce_ready(bound, i) < 0)
		return EX_IOERR;
	if (options->run != NULL &&
	    command_start(&life.command, options->run, bound[0], life.files,
		master->base, master_on_command_end, master) < 0)
		return EX_OSERR;
	return 0;
}

static void
master_on_renewal(void *arg)
{
	struct master *master = arg;

	if (!master->stopping)
		master_reload(master);
}

static void
master_start_watch(struct master *master)
{
	if (watch_start(&life.watch, master->base, master->generations) < 0)
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "workers that stand still will not be noticed: %m");
	if (renewal_start(master->base, master->generations, master_on_renewal,
		master) < 0)
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "certificates are renewed by a reload only: %m");
}

void
master_on_started(struct master *master)
{
	master->started = 1;
	inherit_warn_unused();
	master_start_watch(master);
	master->status = master_announce(master);
	if (master->status != 0) {
		master->stopping = 1;
		generations_stop(master->generations);
		return;
	}
	notify_ready();
	if (master->again)
		master_reload(master);
}

/* Upgrading */

static void
master_on_refused_upgrade(void *arg)
{
	struct master *master = arg;

	if (master->stopping)
		return;
	notify_ready();
	if (master->again)
		master_reload(master);
}

static void
master_upgrade(struct master *master)
{
	const char *why = NULL;

	if (master->options->run != NULL)
		why = "it serves for the command of --run";
	else if (master->stopping || !master->started)
		why = "it does not serve";
	else if (generations_is_busy(master->generations) || master->again ||
		 master->asked.count > 0 || upgrade_is_busy(master->upgrade))
		why = "a reload is under way: try again after it";
	if (why != NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "upgrade refused: %s", why);
		return;
	}
	life.left.pidfile = life.pidfile.fd;
	life.left.pidfile_path = (char *)life.pidfile.path;
	life.left.control = control_fd(&life.control);
	life.left.log_file = master->log_file;
	notify_reloading();
	if (upgrade_begin(master->upgrade, &life.left) < 0)
		notify_ready();
}

/* Signals */

static void
master_stop(struct master *master, int number)
{
	int now = master->stopping;

	log_write(BEVHOST_LOG_NOTICE, NULL, "SIG%s: %s", sigabbrev_np(number),
	    now ? "stopping now" : "stopping");
	master->stopping = 1;
	if (now) {
		generations_stop(master->generations);
		return;
	}
	notify_stopping();
	control_clear(&life.control);
	generations_drain(master->generations);
}

static void
master_on_signal(evutil_socket_t number, short what, void *arg)
{
	struct master *master = arg;

	(void)what;
	switch ((int)number) {
	case SIGCHLD:
		generations_reap(master->generations);
		upgrade_reap(master->upgrade);
		return;
	case SIGHUP:
		log_write(BEVHOST_LOG_NOTICE, NULL, "SIGHUP: reloading");
		master_reload(master);
		return;
	case SIGUSR1:
		master_reopen_log(master, master->log_file);
		return;
	case SIGUSR2:
		log_write(BEVHOST_LOG_NOTICE, NULL, "SIGUSR2: upgrading");
		master_upgrade(master);
		return;
	default:
		master_stop(master, (int)number);
	}
}

/* Life */

static int
master_init_events(struct master *master)
{
	static const int numbers[MASTER_SIGNALS] = { SIGTERM, SIGINT, SIGHUP,
		SIGUSR1, SIGUSR2, SIGCHLD };
	int i;

	master->reload =
	    event_new(master->base, -1, 0, master_on_reload, master);
	if (master->reload == NULL)
		return -1;
	for (i = 0; i < MASTER_SIGNALS; i++) {
		master->signals[i] = evsignal_new(
		    master->base, numbers[i], master_on_signal, master);
		if (master->signals[i] == NULL ||
		    event_add(master->signals[i], NULL) < 0)
			return -1;
	}
	return 0;
}

static void
master_on_empty(void *arg)
{
	struct master *master = arg;

	event_base_loopbreak(master->base);
}

static struct master *
master_set(const struct options *options, int argc, char **argv,
    const struct rlimit *files)
{
	struct master *master = &life.master;

	memset(&life, 0, sizeof(life));
	life.pidfile.fd = -1;
	life.files = files;
	master->options = options;
	master->argc = argc;
	master->argv = argv;
	master->owner.on_result = master_on_result;
	master->owner.on_empty = master_on_empty;
	master->owner.arg = master;
	return master;
}

/* What can fail before anybody is told. 0 or an exit status. */
static int
master_init(struct master *master)
{
	master->base = loop_new(master->options->settings.event_method);
	if (master->base == NULL) {
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "cannot make an event loop: %m");
		return EX_CONFIG;
	}
	master->generations = generations_new(master->base, &master->owner);
	if (master->generations == NULL)
		return EX_OSERR;
	master->upgrade = upgrade_new(master->base, master->generations,
	    master->argc, master->argv, master_on_refused_upgrade, master);
	if (master->upgrade == NULL)
		return EX_OSERR;
	if (master_init_events(master) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "cannot hear signals: %m");
	return EX_OSERR;
}

/* What is had only once, and what the settings of the start say. */
static int
master_claim(struct master *master)
{
	const struct settings *settings = &master->options->settings;
	int status = 0;

	if (announce_take(master->options->ready_fd) < 0)
		return EX_IOERR;
	log_set_where(settings_where(&settings->guard, "pidfile"));
	if (settings->pidfile != NULL)
		status = -pidfile_take(&life.pidfile, settings->pidfile);
	log_set_where(settings_where(&settings->guard, "log-file"));
	if (status == 0 && settings->log_file != NULL) {
		status = -logfile_open(settings->log_file);
		master->log_file = strdup(settings->log_file);
	}
	log_set_where(NULL);
	if (status == 0)
		status = master_find_privileges(master, settings);
	if (status == 0 && (settings->user != NULL || settings->group != NULL))
		status = -privileges_keep_master();
	if (status == 0)
		/* Without it, SIGHUP reloads; it has said why. */
		(void)!control_init(
		    &life.control, master->base, master_on_request, master);
	return status;
}

static void
master_loop(struct master *master)
{
	if (event_base_dispatch(master->base) >= 0)
		return;
	log_write(BEVHOST_LOG_ERROR, NULL, "the event loop failed: %m");
	master->status = EX_SOFTWARE;
}

static int
master_clear(struct master *master)
{
	int i;

	watch_stop(&life.watch);
	renewal_stop();
	control_clear(&life.control);
	if (life.command.child != NULL) {
		command_clear(&life.command);
		if (master->status == 0)
			master->status = life.command.status;
	}
	upgrade_free(master->upgrade);
	generations_free(master->generations);
	for (i = 0; i < MASTER_SIGNALS; i++)
		if (master->signals[i] != NULL)
			event_free(master->signals[i]);
	if (master->reload != NULL)
		event_free(master->reload);
	if (master->base != NULL)
		event_base_free(master->base);
	pidfile_release(&life.pidfile);
	free(master->log_file);
	return master->status;
}

/* A copy, of which a generation takes the members. 0 or an exit status. */
static int
master_copy_settings(const struct settings *from, struct settings *to)
{
	int fd = memfd_create("bevhost-settings", MFD_CLOEXEC), status = -1;

	settings_init(to);
	if (fd >= 0) {
		if (settings_write(from, fd) == 0)
			status = settings_read(to, fd);
		close(fd);
	}
	if (status < 0)
		log_write(BEVHOST_LOG_ERROR, NULL, "settings: %m");
	return status < 0 ? EX_OSERR : 0;
}

int
master_run(const struct options *options, int argc, char **argv,
    const struct rlimit *files)
{
	struct master *master = master_set(options, argc, argv, files);
	struct settings settings;

	notify_init();
	master->status = master_init(master);
	if (master->status == 0)
		master->status = master_claim(master);
	if (master->status == 0)
		master->status =
		    master_copy_settings(&options->settings, &settings);
	if (master->status == 0) {
		renewal_plan(&settings);
		generations_start(master->generations, &settings, 0);
		master_loop(master);
	}
	return master_clear(master);
}

/* One worker of each group is enough to see whether they could serve. */
static void
master_one_worker(struct settings *settings)
{
	int i;

	settings->workers = 1;
	settings->pin = SETTINGS_PIN_OFF;
	for (i = 0; i < settings->group_count; i++)
		settings->groups[i].workers = 1;
}

int
master_test(const struct options *options)
{
	struct master *master = master_set(options, 0, NULL, NULL);
	struct settings settings;

	master->testing = 1;
	master->status = master_init(master);
	if (master->status == 0)
		master->status =
		    master_find_privileges(master, &options->settings);
	if (master->status == 0)
		master->status =
		    master_copy_settings(&options->settings, &settings);
	if (master->status == 0) {
		master_one_worker(&settings);
		generations_start(master->generations, &settings, 1);
		master_loop(master);
	}
	return master_clear(master);
}

/* In the place of another program */

static void
master_adopt_own(struct master *master, const struct handover_own *own)
{
	if (own->pidfile >= 0 &&
	    pidfile_adopt(&life.pidfile, own->pidfile_path, own->pidfile) < 0)
		log_write(BEVHOST_LOG_WARNING, NULL, "the pidfile is lost");
	if (own->control < 0 ||
	    control_adopt(&life.control, master->base, master_on_request,
		master, own->control) < 0)
		(void)!control_init(
		    &life.control, master->base, master_on_request, master);
	master->log_file = own->log_file;
}

/* What it left goes on; then a generation of this program takes over. */
static int
master_adopt(struct master *master, int state)
{
	struct handover handover = { .generations = master->generations };
	sigset_t none;

	/* They have theirs; their replacements get them. */
	(void)!master_find_privileges(master, &master->options->settings);
	if (handover_read(&handover, state) < 0)
		return EX_SOFTWARE;
	master_adopt_own(master, &handover.own);
	master->started = 1;
	master_start_watch(master);
	/* The program before this one has blocked them. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	generations_reap(master->generations);
	master_reload(master);
	return 0;
}

int
master_take_over(const struct options *options, int argc, char **argv,
    const struct rlimit *files, int state)
{
	struct master *master = master_set(options, argc, argv, files);

	notify_init();
	master->status = master_init(master);
	if (master->status == 0)
		master->status = master_adopt(master, state);
	close(state);
	if (master->status == 0)
		master_loop(master);
	return master_clear(master);
}
