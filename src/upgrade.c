/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Once a process has exec'd there is no way back, so a child goes first. A file
 * that is no bevhost, or one that crashes, hangs, cannot read what we leave or
 * refuses the configuration is found out there, and costs nothing.
 */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "generations.h"
#include "handover.h"
#include "inherit.h"
#include "ipc.h"
#include "log.h"
#include "notify.h"
#include "settings.h"
#include "spawn.h"

#define UPGRADE_PROBE_IPC 4 /* in the child */

struct upgrade {
	struct event_base *base;
	struct generations *generations;
	const struct handover_own *own;
	int argc;
	char **argv; /* of this program, for the next */
	void (*on_refused)(void *arg);
	void *arg;

	struct handover handover;
	int state; /* that it was written to, or -1 */
	pid_t pid; /* of the probe, or 0 */
	int ipc;
	struct event *timer;
};

struct upgrade *
upgrade_new(struct event_base *base, struct generations *generations, int argc,
    char **argv, void (*on_refused)(void *arg), void *arg)
{
	struct upgrade *upgrade = calloc(1, sizeof(*upgrade));

	if (upgrade == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%m");
		return NULL;
	}
	upgrade->base = base;
	upgrade->generations = generations;
	upgrade->argc = argc;
	upgrade->argv = argv;
	upgrade->on_refused = on_refused;
	upgrade->arg = arg;
	upgrade->state = -1;
	return upgrade;
}

int
upgrade_is_busy(const struct upgrade *upgrade)
{
	return upgrade->pid != 0;
}

/* What is left to the next program */

static void
upgrade_end_handover(struct upgrade *upgrade)
{
	handover_clear(&upgrade->handover);
	if (upgrade->state >= 0)
		close(upgrade->state);
	upgrade->state = -1;
}

static int
upgrade_write_handover(struct upgrade *upgrade)
{
	memset(&upgrade->handover, 0, sizeof(upgrade->handover));
	upgrade->handover.generations = upgrade->generations;
	upgrade->handover.own = *upgrade->own;
	upgrade->state = handover_write(&upgrade->handover);
	if (upgrade->state >= 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "upgrade: what is to be left cannot be written: %m");
	upgrade_end_handover(upgrade);
	return -1;
}

/* argv with one more word after the first. NULL without memory. */
static char **
upgrade_words(const struct upgrade *upgrade, char *word)
{
	char **argv = calloc((size_t)upgrade->argc + 2, sizeof(*argv));

	if (argv == NULL)
		return NULL;
	argv[0] = upgrade->argv[0];
	argv[1] = word;
	memcpy(argv + 2, upgrade->argv + 1,
	    (size_t)(upgrade->argc - 1) * sizeof(*argv));
	return argv;
}

static void
upgrade_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade *upgrade = arg;

	(void)fd;
	(void)what;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "upgrade: the new program has not answered within start-timeout");
	kill(upgrade->pid, SIGKILL); /* what follows is its end */
}

/* Did it say so, with words that no other program has? */
static int
upgrade_has_said(const struct upgrade *upgrade)
{
	struct ipc_message message;

	if (ipc_receive(upgrade->ipc, &message) <= 0)
		return 0;
	if (message.fd >= 0)
		close(message.fd);
	return message.type == IPC_READY;
}

static int
upgrade_start_probe(struct upgrade *upgrade, int state, int ipc)
{
	char probe[] = UPGRADE_PROBE;
	char **argv = upgrade_words(upgrade, probe);
	const int fds[] = { state, ipc };

	if (argv == NULL)
		return -1;
	upgrade->pid = spawn_start(
	    generations_program(upgrade->generations), argv, fds, 2, 1);
	free(argv);
	return upgrade->pid > 0 ? 0 : -1;
}

static void
upgrade_keep_fds(const struct handover *handover, int keep)
{
	int i;

	for (i = 0; i < handover->fd_count; i++)
		fcntl(handover->fds[i].fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

/* Whoever gave us descriptors and a socket gave them to this process. */
static int
upgrade_export(void)
{
	return inherit_export() < 0 || notify_export() < 0 ? -1 : 0;
}

/* Returns only when it failed: then all is as it was. */
static void
upgrade_exec(struct upgrade *upgrade)
{
	const char *path = generations_program(upgrade->generations)->path;
	char take[64];
	char **argv;
	sigset_t all, before;

	snprintf(take, sizeof(take), UPGRADE_TAKE "%d", upgrade->state);
	argv = upgrade_words(upgrade, take);
	if (argv == NULL || upgrade_export() < 0)
		goto fail;
	log_write(
	    BEVHOST_LOG_NOTICE, NULL, "upgrade: running %s in place", path);
	/* Handlers are gone after it, and come later than signals may. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	upgrade_keep_fds(&upgrade->handover, 1);
	execv(path, argv);
	upgrade_keep_fds(&upgrade->handover, 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
fail:
	log_write(BEVHOST_LOG_ERROR, NULL, "upgrade refused: cannot run %s: %m",
	    path);
	if (inherit_init() < 0)
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "what the service manager passed is lost");
	notify_init();
	free(argv);
}

/* What the probe read may be old by now. */
static void
upgrade_on_probed(struct upgrade *upgrade, int fits)
{
	upgrade->pid = 0;
	event_free(upgrade->timer);
	upgrade->timer = NULL;
	close(upgrade->ipc);
	upgrade_end_handover(upgrade);
	if (fits && generations_is_serving(upgrade->generations) &&
	    upgrade_write_handover(upgrade) == 0) {
		upgrade_exec(upgrade);
		upgrade_end_handover(upgrade);
	}
	upgrade->on_refused(upgrade->arg);
}

void
upgrade_reap(struct upgrade *upgrade)
{
	int status, fits;

	if (upgrade->pid == 0 ||
	    waitpid(upgrade->pid, &status, WNOHANG) != upgrade->pid)
		return;
	fits = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	       upgrade_has_said(upgrade);
	if (!fits && WIFSIGNALED(status))
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "upgrade refused: the new program was killed by SIG%s",
		    sigabbrev_np(WTERMSIG(status)));
	else if (!fits)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "upgrade refused: the new program %s does not take over "
		    "(status %d)",
		    generations_program(upgrade->generations)->path,
		    WEXITSTATUS(status));
	upgrade_on_probed(upgrade, fits);
}

static int
upgrade_start_timer(struct upgrade *upgrade)
{
	int64_t ms = generations_settings(upgrade->generations)->start_timeout;
	const struct timeval timeout = { .tv_sec = ms / 1000,
		.tv_usec = ms % 1000 * 1000 };

	upgrade->timer = evtimer_new(upgrade->base, upgrade_on_timer, upgrade);
	return upgrade->timer != NULL ? event_add(upgrade->timer, &timeout)
				      : -1;
}

static int
upgrade_probe(struct upgrade *upgrade)
{
	int pair[2], status;

	if (ipc_pair(pair) < 0)
		return -1;
	upgrade->ipc = pair[0];
	status = upgrade_start_timer(upgrade);
	if (status == 0)
		status = upgrade_start_probe(upgrade, upgrade->state, pair[1]);
	close(pair[1]);
	if (status == 0)
		return 0;
	close(pair[0]);
	upgrade->pid = 0;
	if (upgrade->timer != NULL)
		event_free(upgrade->timer);
	upgrade->timer = NULL;
	return -1;
}

int
upgrade_begin(struct upgrade *upgrade, const struct handover_own *own)
{
	upgrade->own = own;
	if (upgrade_write_handover(upgrade) < 0)
		return -1;
	if (upgrade_probe(upgrade) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "upgrade: the new program cannot be tried: %m");
	upgrade_end_handover(upgrade);
	return -1;
}

void
upgrade_free(struct upgrade *upgrade)
{
	if (upgrade == NULL)
		return;
	if (upgrade->pid != 0) {
		kill(upgrade->pid, SIGKILL);
		while (waitpid(upgrade->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		event_free(upgrade->timer);
		close(upgrade->ipc);
	}
	upgrade_end_handover(upgrade);
	free(upgrade);
}

int
upgrade_say_fits(void)
{
	const struct ipc_message message = { .type = IPC_READY, .fd = -1 };

	return ipc_send(UPGRADE_PROBE_IPC, &message) < 0 ? EX_OSERR : 0;
}
