/* SPDX-License-Identifier: BSD-2-Clause */
/* Generations whose workers an earlier program of this process has started. */
#include <stdio.h>
#include <stdlib.h>

#include "generation_own.h"

#include "endpoint.h"

struct generation *
generation_adopt(struct generation_host *host, int number,
    struct settings *settings, int slots, int bindings)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	size_t crashes;

	if (generation == NULL)
		return NULL;
	generation->host = host;
	generation->number = number;
	generation->orphan = settings == NULL;
	if (settings != NULL)
		generation->settings = *settings;
	else
		settings_init(&generation->settings);
	crashes = (size_t)generation->settings.handler_count + 1;
	generation->crashes = calloc(crashes, sizeof(*generation->crashes));
	generation->code = calloc(crashes, sizeof(*generation->code));
	generation->bindings =
	    calloc((size_t)bindings + 1, sizeof(*generation->bindings));
	generation->slots = calloc((size_t)slots, sizeof(*generation->slots));
	if (generation->crashes != NULL && generation->code != NULL &&
	    generation->bindings != NULL && generation->slots != NULL &&
	    generation_take_privileges(generation) == 0)
		return generation;
	generation_free(generation);
	return NULL;
}

int
generation_adopt_binding(
    struct generation *generation, struct endpoint *endpoint, int handler)
{
	struct generation_binding *binding;

	if (!generation->orphan &&
	    handler >= generation->settings.handler_count)
		return -1;
	binding = &generation->bindings[generation->binding_count++];
	binding->endpoint = endpoint;
	binding->handler = handler;
	endpoint->users++;
	return 0;
}

int
generation_adopt_slot(struct generation *generation, const struct slot *from)
{
	struct slot *slot = &generation->slots[generation->slot_count++];

	*slot = *from;
	slot->host = &generation->host->slots;
	slot->generation = generation;
	snprintf(slot->name, sizeof(slot->name),
	    "worker %d (%s%sgeneration %d)", slot->number, slot->worker_group,
	    slot->worker_group[0] != '\0' ? ", " : "", generation->number);
	return slot_adopt(slot);
}
