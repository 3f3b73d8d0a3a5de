/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generation is planned from its settings: handlers to worker groups,
 * groups to slots, sockets to slots. All of it is done before a process is
 * started, so that what cannot work has touched nothing.
 */
#include "generation_own.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "endpoint.h"
#include "log.h"
#include "privileges.h"
#include "settings_say.h"

#define GENERATION_ADDRESSES 16 /* of one name */

/* Workers of a group */

static int
generation_cpus(cpu_set_t *set)
{
	if (sched_getaffinity(0, sizeof(*set), set) == 0)
		return CPU_COUNT(set);
	CPU_ZERO(set);
	return 1;
}

/* The n-th processor of those that we may run on, or -1. */
static int
generation_cpu(int n)
{
	cpu_set_t set;
	int count = generation_cpus(&set);
	size_t cpu;

	n %= count;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && n-- == 0)
			return (int)cpu;
	return -1;
}

static int64_t
generation_wanted(const struct settings *settings, const char *group)
{
	int64_t workers = settings->workers;
	int i;

	for (i = 0; i < settings->group_count; i++)
		if (strcmp(settings->groups[i].name, group) == 0 &&
		    settings->groups[i].workers >= 0)
			workers = settings->groups[i].workers;
	return workers;
}

static int
generation_workers(const struct settings *settings, const char *group)
{
	int64_t wanted = generation_wanted(settings, group);
	cpu_set_t set;

	return wanted > 0 ? (int)wanted : generation_cpus(&set);
}

static int
generation_is_pinned(const struct settings *settings, const char *group)
{
	return settings->pin == SETTINGS_PIN_ON ||
	       (settings->pin == SETTINGS_PIN_AUTO &&
		   generation_wanted(settings, group) == 0);
}

/* Is it the first handler of its group? */
static int
generation_opens_group(const struct settings *settings, int handler)
{
	int i;

	for (i = 0; i < handler; i++)
		if (strcmp(settings->handlers[i].worker_group,
			settings->handlers[handler].worker_group) == 0)
			return 0;
	return 1;
}

static void
generation_add_slots(struct generation *generation, const char *group)
{
	const struct settings *settings = &generation->settings;
	int workers = generation_workers(settings, group), i;
	struct slot *slot;

	for (i = 0; i < workers; i++) {
		slot = &generation->slots[generation->slot_count++];
		slot->host = &generation->host->slots;
		slot->generation = generation;
		slot->number = generation->slot_count;
		snprintf(slot->worker_group, sizeof(slot->worker_group), "%s",
		    group);
		slot->index = i;
		slot->of = workers;
		slot->cpu = generation_is_pinned(settings, group)
				? generation_cpu(slot->number - 1)
				: -1;
		slot->ipc = -1;
		slot->share = -1;
	}
}

static int
generation_plan_slots(struct generation *generation)
{
	const struct settings *settings = &generation->settings;
	int i, count = 0;

	for (i = 0; i < settings->handler_count; i++)
		if (generation_opens_group(settings, i))
			count += generation_workers(
			    settings, settings->handlers[i].worker_group);
	generation->slots = calloc((size_t)count, sizeof(*generation->slots));
	if (generation->slots == NULL)
		return -1;
	for (i = 0; i < settings->handler_count; i++)
		if (generation_opens_group(settings, i))
			generation_add_slots(
			    generation, settings->handlers[i].worker_group);
	return 0;
}

static int
generation_count_addresses(const struct settings *settings)
{
	int i, count = 0;

	for (i = 0; i < settings->handler_count; i++)
		count += settings->handlers[i].address_count;
	return count;
}

int
generation_take_privileges(struct generation *generation)
{
	const struct privileges *from = generation->host->privileges;

	if (from == NULL)
		return 0;
	generation->privileges = malloc(sizeof(*from));
	if (generation->privileges == NULL)
		return -1;
	*generation->privileges = *from;
	return 0;
}

struct generation *
generation_new(
    struct generation_host *host, int number, struct settings *settings)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	size_t handlers = (size_t)settings->handler_count;
	size_t bindings =
	    (size_t)generation_count_addresses(settings) * GENERATION_ADDRESSES;

	if (generation == NULL)
		return NULL;
	generation->host = host;
	generation->number = number;
	generation->exit_status = EX_CONFIG;
	generation->settings = *settings;
	memset(settings, 0, sizeof(*settings));
	generation->crashes = calloc(handlers, sizeof(*generation->crashes));
	generation->code = calloc(handlers, sizeof(*generation->code));
	generation->bindings = calloc(bindings, sizeof(*generation->bindings));
	if (generation->crashes != NULL && generation->bindings != NULL &&
	    generation->code != NULL &&
	    generation_plan_slots(generation) == 0 &&
	    generation_take_privileges(generation) == 0)
		return generation;
	generation_free(generation);
	errno = ENOMEM;
	return NULL;
}

/* Nobody is left who could be queued in a socket that closes here: workers
   that were told to leave it have copies, and empty them. */
void
generation_release(struct generation *generation)
{
	int i;

	for (i = 0; i < generation->binding_count; i++)
		endpoint_release(generation->host->endpoints,
		    generation->bindings[i].endpoint);
	generation->binding_count = 0;
}

static void
generation_forget_code(struct generation *generation)
{
	int i;

	for (i = 0;
	     generation->code != NULL && i < generation->settings.handler_count;
	     i++)
		if (generation->code[i].path != NULL) {
			close(generation->code[i].fd);
			free(generation->code[i].path);
		}
	free(generation->code);
}

void
generation_free(struct generation *generation)
{
	int i;

	for (i = 0; i < generation->slot_count; i++)
		slot_clear(&generation->slots[i]);
	generation_forget_code(generation);
	generation_release(generation);
	if (generation->timer != NULL)
		event_free(generation->timer);
	free(generation->slots);
	free(generation->bindings);
	free(generation->crashes);
	free(generation->privileges);
	settings_clear(&generation->settings);
	free(generation);
}

/* Sockets */

/* How many addresses before this one have the same text. */
static int
generation_occurrence(const struct settings *settings, int handler, int address)
{
	const char *text = settings->handlers[handler].addresses[address].text;
	int i, j, count = 0;

	for (i = 0; i <= handler; i++)
		for (j = 0; j < settings->handlers[i].address_count; j++)
			count += (i < handler || j < address) &&
				 strcmp(settings->handlers[i].addresses[j].text,
				     text) == 0;
	return count;
}

static int
generation_bind_address(struct generation *generation, int handler, int address)
{
	const struct settings_handler *h =
	    &generation->settings.handlers[handler];
	struct endpoint *found[GENERATION_ADDRESSES];
	int count, i;

	count = endpoint_want(generation->host->endpoints,
	    &h->addresses[address],
	    generation_occurrence(&generation->settings, handler, address),
	    h->mode, generation_workers(&generation->settings, h->worker_group),
	    found, GENERATION_ADDRESSES);
	if (count < 0)
		return count;
	for (i = 0; i < count; i++) {
		generation->bindings[generation->binding_count].endpoint =
		    found[i];
		generation->bindings[generation->binding_count++].handler =
		    handler;
	}
	return 0;
}

int
generation_bind(struct generation *generation)
{
	const struct settings_handler *handler = generation->settings.handlers;
	int i, j, status = 0;

	endpoint_begin(generation->host->endpoints);
	for (i = 0; i < generation->settings.handler_count; i++, handler++) {
		log_set_where(handler->where);
		for (j = 0; j < handler->address_count && status == 0; j++)
			status = generation_bind_address(generation, i, j);
		status = settings_blame(status, handler->where);
	}
	log_set_where(NULL);
	return status;
}

int
generation_listen(struct generation *generation)
{
	struct endpoint *endpoint;
	int i, round, status = 0;

	/*
	 * New addresses first, of which one may turn out to be in use. What
	 * more workers need beside what others accept from comes last: from
	 * there clients come who wait for these workers.
	 */
	for (round = 0; round < 2; round++)
		for (i = 0; i < generation->binding_count && status == 0; i++) {
			endpoint = generation->bindings[i].endpoint;
			if (round == 1 || endpoint->listening == 0)
				status = endpoint_listen(endpoint);
		}
	return status;
}
