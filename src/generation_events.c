/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a generation's workers do, and what follows: one that dies is replaced,
 * later each time it goes on dying; a handler that takes its worker down again
 * and again is taken out, so that the others serve on.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "endpoint.h"
#include "generation_own.h"
#include "log.h"

#define GENERATION_QUIET_MS   60000 /* after which a death is the first one */
#define GENERATION_DELAY_MS   200   /* before the second replacement */
#define GENERATION_DELAY_MAX  30000
#define GENERATION_CRASHES_OK 2 /* of one handler; the next is too many */

/* Starting */

static int
generation_is_ready(const struct generation *generation)
{
	int i;

	for (i = 0; i < generation->slot_count; i++)
		if (generation->slots[i].state != SLOT_READY)
			return 0;
	return 1;
}

static int
generation_is_sibling(const struct slot *one, const struct slot *two)
{
	return one != two && strcmp(one->worker_group, two->worker_group) == 0;
}

/* Clients need not wait for one that comes later. */
static void
generation_lend_of(struct slot *absent)
{
	struct generation *generation = absent->generation;
	int i;

	for (i = 0; i < generation->slot_count; i++)
		if (generation->slots[i].state == SLOT_SERVING &&
		    generation_is_sibling(absent, &generation->slots[i])) {
			generation_lend(absent, &generation->slots[i]);
			return;
		}
}

static void
generation_lend_to(struct slot *slot)
{
	struct generation *generation = slot->generation;
	int i;

	for (i = 0; i < generation->slot_count; i++)
		if (!slot_is_alive(&generation->slots[i]) &&
		    generation_is_sibling(slot, &generation->slots[i]))
			generation_lend(&generation->slots[i], slot);
}

static void
generation_on_ready(struct slot *slot)
{
	struct generation *generation = slot->generation;
	int64_t ms = clock_ms() - slot->started_ms;

	log_write(BEVHOST_LOG_INFO, slot->name, "ready after %d ms", (int)ms);
	/* What it had to say did not keep it from that. */
	if (generation->why_of == slot) {
		generation->why[0] = '\0';
		generation->why_of = NULL;
	}
	if (generation->state == GENERATION_SERVING) {
		slot_send(slot, IPC_SERVE, 0, 0, -1);
		slot->state = SLOT_SERVING;
		generation_lend_to(slot);
	} else if (generation->state == GENERATION_STARTING &&
		   !generation->test) {
		if (slot->index == 0 && generation_start_others(slot) < 0)
			generation_fail(generation, EX_OSERR);
		else if (generation_is_ready(generation))
			generation->host->on_ready(generation);
	}
}

/*
 * Only what a new generation's worker loads counts, and once: one that has
 * talked to clients, and lost its privileges, has no say in what others run.
 */
static void
generation_on_code(struct slot *slot, int64_t handler, const char *path, int fd)
{
	struct generation *generation = slot->generation;
	struct generation_code *code = NULL;

	if (generation->state == GENERATION_STARTING &&
	    slot->state == SLOT_STARTING && handler >= 0 &&
	    handler < generation->settings.handler_count)
		code = &generation->code[handler];
	if (code != NULL && code->path == NULL && fd >= 0 &&
	    (code->path = strdup(path)) != NULL)
		code->fd = fd;
	else if (fd >= 0)
		close(fd);
}

int
generation_is_told(const struct generation *generation)
{
	return generation->number > 1 && !generation->test &&
	       (generation->state == GENERATION_STARTING ||
		   generation->state == GENERATION_CANARY);
}

int
generation_set_why(struct generation *generation, const char *why)
{
	int told = generation_is_told(generation);

	if (told && generation->why[0] != '\0')
		log_write(BEVHOST_LOG_ERROR, NULL, "%s", generation->why);
	snprintf(generation->why, sizeof(generation->why), "%s", why);
	return told;
}

static void
generation_on_say(struct slot *slot, const char *text)
{
	struct generation *generation = slot->generation;

	if (generation->why[0] == '\0') {
		snprintf(generation->why, sizeof(generation->why), "%s", text);
		generation->why_of = slot;
	} else if (generation_is_told(generation) &&
		   generation->why_of != slot &&
		   strlen(text) < IPC_TEXT_SIZE - 1 &&
		   strcmp(generation->why, text) != 0) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%s", text);
	}
}

void
generation_fail(struct generation *generation, int exit_status)
{
	generation->exit_status = exit_status;
	generation->host->on_failed(generation);
}

/* Endings */

static void
generation_say_end(pid_t pid, int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "process %d was killed by SIG%s%s",
		    (int)pid, sigabbrev_np(WTERMSIG(status)),
		    WCOREDUMP(status) ? " (core dumped)" : "");
	else
		snprintf(buf, size, "process %d ended with status %d", (int)pid,
		    WEXITSTATUS(status));
}

static void
generation_on_start_timer(evutil_socket_t fd, short what, void *arg);

static void
generation_restart(struct slot *slot)
{
	const struct generation *generation = slot->generation;
	struct timeval delay = { .tv_sec = 1 };

	if (generation->state != GENERATION_SERVING || generation->orphan)
		return;
	/* No process to be had is a death like others. */
	if (generation_start_slot(slot) < 0 && slot->timer != NULL)
		event_add(slot->timer, &delay);
}

static void
generation_on_start_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	generation_restart(arg);
}

/* At once the first time, then after 0.2, 0.4, ... 30 seconds. */
static int64_t
generation_delay_ms(struct slot *slot)
{
	int64_t now = clock_ms(), delay = GENERATION_DELAY_MS;
	int i;

	if (now - slot->died_ms > GENERATION_QUIET_MS)
		slot->deaths = 0;
	slot->died_ms = now;
	if (slot->deaths++ == 0)
		return 0;
	for (i = 2; i < slot->deaths && delay < GENERATION_DELAY_MAX; i++)
		delay *= 2;
	return delay < GENERATION_DELAY_MAX ? delay : GENERATION_DELAY_MAX;
}

static void
generation_restart_later(struct slot *slot, int64_t ms)
{
	struct timeval delay = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	if (slot->timer == NULL)
		slot->timer = evtimer_new(
		    slot->host->base, generation_on_start_timer, slot);
	if (slot->timer == NULL || event_add(slot->timer, &delay) < 0)
		log_write(BEVHOST_LOG_ERROR, slot->name,
		    "no memory to start another: a reload will");
}

/* Handlers that crash */

static int
generation_has_others(const struct generation *generation, int handler)
{
	const struct settings *settings = &generation->settings;
	int i;

	for (i = 0; i < settings->handler_count; i++)
		if (i != handler && !settings->handlers[i].paused &&
		    strcmp(settings->handlers[i].worker_group,
			settings->handlers[handler].worker_group) == 0)
			return 1;
	return 0;
}

static void
generation_say_paused(const struct generation *generation,
    const struct endpoint *endpoint, int handler)
{
	const struct addr *bound = &endpoint->socks[0].bound;
	char text[ADDR_TEXT_SIZE];

	log_write(BEVHOST_LOG_ERROR, NULL,
	    "listener %s is paused: its plugin %s took %d workers down within "
	    "a minute of each other; the others serve on, a reload tries it "
	    "again",
	    addr_text(&bound->u.sa, bound->len, text, sizeof(text)),
	    generation->settings.handlers[handler].plugin,
	    generation->crashes[handler].count);
}

static void
generation_quarantine(struct generation *generation, int handler)
{
	int i;

	generation->settings.handlers[handler].paused = 1;
	for (i = 0; i < generation->slot_count; i++)
		if (slot_is_alive(&generation->slots[i]))
			slot_send(
			    &generation->slots[i], IPC_PAUSE, handler, 0, -1);
	for (i = 0; i < generation->binding_count; i++)
		if (generation->bindings[i].handler == handler)
			generation_say_paused(generation,
			    generation->bindings[i].endpoint, handler);
}

/* Returns whether the handler was taken out for it. */
static int
generation_count_crash(struct generation *generation, int handler)
{
	struct generation_crashes *crashes;
	int64_t now = clock_ms();

	if (handler < 0 || handler >= generation->settings.handler_count ||
	    generation->settings.handlers[handler].paused)
		return 0;
	crashes = &generation->crashes[handler];
	if (now - crashes->last_ms > GENERATION_QUIET_MS)
		crashes->count = 0;
	crashes->last_ms = now;
	if (++crashes->count <= GENERATION_CRASHES_OK ||
	    !generation_has_others(generation, handler))
		return 0;
	generation_quarantine(generation, handler);
	return 1;
}

static void
generation_on_death(struct slot *slot, const char *what)
{
	struct generation *generation = slot->generation;
	int quarantined =
	    generation_count_crash(generation, slot->crash_handler);
	int64_t ms;

	if (quarantined)
		slot->deaths = 0; /* what killed it is out */
	ms = generation_delay_ms(slot);
	if (ms == 0)
		log_write(BEVHOST_LOG_WARNING, slot->name,
		    "%s: starting another", what);
	else
		log_write(BEVHOST_LOG_WARNING, slot->name,
		    "%s, the %d. in a row: starting another in %g s", what,
		    slot->deaths, (double)ms / 1000);
	if (ms == 0)
		generation_restart(slot);
	if (slot->state != SLOT_EMPTY)
		return;
	generation_restart_later(slot, ms > 0 ? ms : GENERATION_DELAY_MS);
	generation_lend_of(slot);
}

/* What a start ends with that a worker ended: its own status, if it has one. */
static int
generation_exit_status(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) >= EX__BASE &&
		       WEXITSTATUS(status) <= EX__MAX
		   ? WEXITSTATUS(status)
		   : EX_SOFTWARE;
}

static void
generation_on_failed_start(struct slot *slot, const char *what, int status)
{
	struct generation *generation = slot->generation;
	char why[IPC_TEXT_SIZE];

	if (WIFSIGNALED(status) || generation->why[0] == '\0') {
		snprintf(why, sizeof(why), "%s: %s before it was ready",
		    slot->name, what);
		if (!generation_set_why(generation, why))
			log_write(BEVHOST_LOG_ERROR, NULL, "%s", why);
	}
	generation_fail(generation, generation_exit_status(status));
}

/* A worker that only tried has ended well. */
static void
generation_on_tested(struct generation *generation)
{
	if (generation_alive(generation) == 0)
		generation->host->on_ready(generation);
}

static void
generation_on_end(struct slot *slot, int status)
{
	struct generation *generation = slot->generation;
	char what[96], why[IPC_TEXT_SIZE];

	generation_say_end(slot->ended_pid, status, what, sizeof(what));
	switch (generation->state) {
	case GENERATION_STARTING:
		if (generation->test && status == 0) {
			generation_on_tested(generation);
			return;
		}
		generation_on_failed_start(slot, what, status);
		break;
	case GENERATION_CANARY:
		snprintf(why, sizeof(why), "%s: %s", slot->name, what);
		if (!generation_set_why(generation, why))
			log_write(BEVHOST_LOG_ERROR, NULL, "%s", why);
		generation_fail(generation, EX_SOFTWARE);
		break;
	case GENERATION_SERVING:
		generation_on_death(slot, what);
		return;
	case GENERATION_DRAINING:
	case GENERATION_ENDING:
		log_write(status == 0 ? BEVHOST_LOG_INFO : BEVHOST_LOG_WARNING,
		    slot->name, "%s", what);
	}
	if (generation->state >= GENERATION_DRAINING &&
	    generation_alive(generation) == 0)
		generation->host->on_ended(generation);
}

void
generation_hear_slots(struct slot_host *slots)
{
	slots->on_ready = generation_on_ready;
	slots->on_code = generation_on_code;
	slots->on_say = generation_on_say;
	slots->on_end = generation_on_end;
}
