/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One change at a time: start, wait until each worker is ready, listen, try
 * with a few connections if that is wished, serve; only then does the old one
 * retire. Up to there a failure undoes what has been done and nothing else.
 */
#include "generations_own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "announce.h"
#include "canary.h"
#include "endpoint.h"
#include "generation_own.h"
#include "log.h"

static struct endpoints generations_endpoints;

static struct generations *
generations_of(const struct generation *generation)
{
	/* The host is the first member. */
	return (struct generations *)generation->host;
}

/* What has ended is freed outside of its own callbacks. */
static void
generations_on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct generations *generations = arg;
	struct generation *generation, *next;

	(void)fd;
	(void)what;
	for (generation = TAILQ_FIRST(&generations->list); generation != NULL;
	     generation = next) {
		next = TAILQ_NEXT(generation, entry);
		if (generation->state < GENERATION_DRAINING ||
		    generation_alive(generation) > 0)
			continue;
		log_write(BEVHOST_LOG_INFO, NULL, "generation %d has ended",
		    generation->number);
		TAILQ_REMOVE(&generations->list, generation, entry);
		if (generations->serving == generation)
			generations->serving = NULL;
		generation_free(generation);
	}
	if (TAILQ_EMPTY(&generations->list))
		generations->owner->on_empty(generations->owner->arg);
}

static void
generations_on_ended(struct generation *generation)
{
	event_active(generations_of(generation)->sweep, EV_TIMEOUT, 0);
}

/* The next one will not be. Its worker's own words are the best reason. */
static void
generations_refuse(
    struct generations *generations, int exit_status, const char *why)
{
	struct generation *next = generations->next;
	char text[IPC_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s", why);
	generations->next = NULL;
	canary_stop(&generations->canary);
	if (next != NULL && next->state == GENERATION_CANARY)
		generation_drain(next); /* what it has taken it may finish */
	else if (next != NULL)
		generation_stop(next);
	generations->owner->on_result(
	    generations->owner->arg, exit_status, text);
	if (TAILQ_EMPTY(&generations->list))
		event_active(generations->sweep, EV_TIMEOUT, 0);
}

static void
generations_on_failed(struct generation *generation)
{
	generations_refuse(generations_of(generation), generation->exit_status,
	    generation->why[0] != '\0' ? generation->why
				       : "it could not be started");
}

void
generations_fail_canary(
    struct generations *generations, int exit_status, const char *why)
{
	generations_refuse(generations, exit_status, why);
}

void
generations_take_back(struct generations *generations, const char *why)
{
	if (generations->next != NULL &&
	    generations->next->state == GENERATION_CANARY)
		generations_refuse(generations, EX_UNAVAILABLE, why);
}

/* Retired ones may be many and long-lived: the oldest make room. */
static void
generations_bound(struct generations *generations)
{
	int64_t max = generations->serving->settings.reload_drain_max;
	struct generation *generation;

	TAILQ_FOREACH_REVERSE(
	    generation, &generations->list, generation_list, entry)
	{
		if (generation->state != GENERATION_DRAINING || max-- > 0)
			continue;
		log_write(BEVHOST_LOG_NOTICE, NULL,
		    "generation %d ends before its connections do: newer ones "
		    "drain (reload-drain-max)",
		    generation->number);
		generation_hurry(generation);
	}
}

/* What is logged while a generation is planned, or listens, is its reason. */
static struct generation *generations_planned;

static int
generations_on_error(const char *text)
{
	struct generation *generation = generations_planned;

	if (generation->why[0] != '\0')
		return 0;
	snprintf(generation->why, sizeof(generation->why), "%s", text);
	return generations_planned->number > 1 && !generation->test &&
	       strlen(text) < sizeof(generation->why);
}

static void
generations_hear(struct generation *generation)
{
	generations_planned = generation;
	log_set_listener(generations_on_error);
}

/* What was no reason to refuse it is not told. */
static void
generations_heard(struct generation *generation, int status)
{
	log_set_listener(NULL);
	if (status != 0 || generation->why[0] == '\0')
		return;
	if (generation->number > 1 && !generation->test)
		log_write(BEVHOST_LOG_ERROR, NULL, "%s", generation->why);
	generation->why[0] = '\0';
}

static int
generations_listen(struct generation *generation)
{
	int status;

	generations_hear(generation);
	status = -generation_listen(generation);
	generations_heard(generation, status);
	return status;
}

void
generations_promote(struct generations *generations)
{
	struct generation *old = generations->serving;
	int status = generations_listen(generations->next);
	char text[64];

	/* A canary did without: who comes to its sockets would have waited. */
	if (status != 0) {
		generations->next->exit_status = status;
		generations_on_failed(generations->next);
		return;
	}
	canary_stop(&generations->canary);
	generations->serving = generations->next;
	generations->next = NULL;
	generation_serve(generations->serving);
	if (old != NULL)
		generation_retire(old, generations->serving);
	generations_bound(generations);
	snprintf(text, sizeof(text), "generation %d serves",
	    generations->serving->number);
	generations->owner->on_result(generations->owner->arg, 0, text);
}

static void
generations_on_ready(struct generation *generation)
{
	struct generations *generations = generations_of(generation);

	if (generation->test) {
		generation->state = GENERATION_ENDING;
		generations->next = NULL;
		generations->owner->on_result(generations->owner->arg, 0, "OK");
		generations_on_ended(generation);
		return;
	}
	if (generations->serving != NULL &&
	    generation->settings.canary_percent > 0 &&
	    canary_start(&generations->canary, generations) == 0)
		return;
	generations_promote(generations);
}

static int
generations_init(struct generations *generations, struct event_base *base)
{
	struct generation_host *host = &generations->host;

	generation_hear_slots(&host->slots);
	host->endpoints = &generations_endpoints;
	host->on_ready = generations_on_ready;
	host->on_failed = generations_on_failed;
	host->on_ended = generations_on_ended;
	TAILQ_INIT(&generations_endpoints);
	TAILQ_INIT(&generations->list);
	generations->sweep =
	    event_new(base, -1, 0, generations_on_sweep, generations);
	return generations->sweep != NULL ? slot_host_init(&host->slots, base)
					  : -1;
}

struct generations *
generations_new(struct event_base *base, const struct generations_owner *owner)
{
	struct generations *generations = calloc(1, sizeof(*generations));

	if (generations != NULL) {
		generations->owner = owner;
		if (generations_init(generations, base) == 0)
			return generations;
	}
	log_write(BEVHOST_LOG_ERROR, NULL, "cannot start: %m");
	generations_free(generations);
	return NULL;
}

void
generations_set_privileges(
    struct generations *generations, const struct privileges *privileges)
{
	generations->host.privileges = privileges;
}

/* Binds and starts. 0 or an exit status. */
static int
generations_plan(struct generation *generation)
{
	int status = 0;

	generations_hear(generation);
	if (!generation->test)
		status = -generation_bind(generation);
	if (status == 0 && generation_start(generation) < 0)
		status = EX_OSERR;
	generations_heard(generation, status);
	return status;
}

void
generations_start(
    struct generations *generations, struct settings *settings, int test)
{
	struct generation *generation =
	    generation_new(&generations->host, generations->last + 1, settings);
	int status;

	if (generation == NULL) {
		if (generations->last == 0)
			log_write(
			    BEVHOST_LOG_ERROR, NULL, "no new generation: %m");
		settings_clear(settings);
		generations_refuse(generations, EX_OSERR, "no memory");
		return;
	}
	generations->last++;
	generation->test = test;
	generations->next = generation;
	TAILQ_INSERT_TAIL(&generations->list, generation, entry);
	status = generations_plan(generation);
	if (status != 0) {
		generation->exit_status = status;
		generations_on_failed(generation);
	}
}

static void
generations_end(
    struct generations *generations, void (*how)(struct generation *))
{
	struct generation *generation, *next = generations->next;

	if (next != NULL)
		generations_refuse(
		    generations, EX_UNAVAILABLE, "the host stops");
	TAILQ_FOREACH (generation, &generations->list, entry)
		if (generation != next || how == generation_stop)
			how(generation);
	event_active(generations->sweep, EV_TIMEOUT, 0);
}

void
generations_drain(struct generations *generations)
{
	generations_end(generations, generation_drain);
}

void
generations_stop(struct generations *generations)
{
	generations_end(generations, generation_stop);
}

void
generations_reap(struct generations *generations)
{
	struct generation *generation;

	TAILQ_FOREACH (generation, &generations->list, entry)
		generation_reap(generation);
}

void
generations_reopen_log(struct generations *generations, int fd)
{
	struct generation *generation;
	int i;

	TAILQ_FOREACH (generation, &generations->list, entry)
		for (i = 0; i < generation->slot_count; i++)
			if (slot_is_alive(&generation->slots[i]))
				slot_send(&generation->slots[i], IPC_REOPEN, 0,
				    0, fd);
}

/* What others want to know */

int
generations_is_busy(const struct generations *generations)
{
	return generations->next != NULL;
}

int
generations_number(const struct generations *generations)
{
	return generations->serving != NULL ? generations->serving->number : 0;
}

const struct settings *
generations_settings(const struct generations *generations)
{
	return generations->serving != NULL ? &generations->serving->settings
					    : NULL;
}

int
generations_workers(const struct generations *generations, int *draining)
{
	const struct generation *generation;

	*draining = 0;
	TAILQ_FOREACH (generation, &generations->list, entry)
		if (generation->state >= GENERATION_DRAINING)
			*draining += generation_alive(generation);
	return generations->serving != NULL
		   ? generation_alive(generations->serving)
		   : 0;
}

int
generations_is_serving(const struct generations *generations)
{
	return generations->serving != NULL &&
	       generations->serving->state == GENERATION_SERVING;
}

const struct spawn *
generations_program(const struct generations *generations)
{
	return generations->host.slots.spawn;
}

const struct addr *
generations_address(const struct generations *generations, int n)
{
	const struct generation *serving = generations->serving;

	return n < serving->binding_count
		   ? &serving->bindings[n].endpoint->socks[0].bound
		   : NULL;
}

void
generations_announce(struct generations *generations)
{
	const struct generation *serving = generations->serving;
	const struct generation_binding *binding = serving->bindings;
	int i;

	for (i = 0; i < serving->binding_count; i++, binding++) {
		if (binding->endpoint->announced)
			continue;
		binding->endpoint->announced = 1;
		announce_listening(&binding->endpoint->socks[0].bound,
		    serving->settings.handlers[binding->handler].plugin);
	}
}

void
generations_free(struct generations *generations)
{
	struct generation *generation;

	if (generations == NULL)
		return;
	canary_stop(&generations->canary);
	while ((generation = TAILQ_FIRST(&generations->list)) != NULL) {
		TAILQ_REMOVE(&generations->list, generation, entry);
		generation_free(generation);
	}
	if (generations->sweep != NULL)
		event_free(generations->sweep);
	slot_host_clear(&generations->host.slots);
	free(generations);
}
