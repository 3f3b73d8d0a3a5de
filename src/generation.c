/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a generation, from its first process to the end of its last. */
#include "generation_own.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "endpoint.h"
#include "log.h"
#include "order.h"
#include "privileges.h"

#define GENERATION_KILL_MS 3000 /* after its workers should have ended */

/* Those sockets of a binding that this slot accepts from. */
static int
generation_give_sockets(const struct slot *slot,
    const struct generation_binding *binding, struct order *order, int *sockets)
{
	const struct generation *generation = slot->generation;
	const struct endpoint *endpoint = binding->endpoint;
	/* Clones that a later generation may need do not listen yet. */
	int count = generation->state <= GENERATION_CANARY
			? endpoint->count
			: endpoint->listening;
	int i;

	for (i = 0; i < count; i++) {
		if (!endpoint->shared && i % slot->of != slot->index)
			continue;
		if (order->socket_count == ORDER_SOCKETS) {
			log_write(BEVHOST_LOG_ERROR, slot->name,
			    "more than %d sockets", ORDER_SOCKETS);
			return -1;
		}
		order->handlers[order->socket_count] = binding->handler;
		sockets[order->socket_count++] = endpoint->socks[i].fd;
	}
	return 0;
}

static void
generation_set_privileges(struct order *order, const struct privileges *to)
{
	if (to == NULL)
		return;
	order->drop = 1;
	order->uid = to->uid;
	order->gid = to->gid;
	order->group_count = to->group_count;
	memcpy(order->groups, to->groups,
	    (size_t)to->group_count * sizeof(*to->groups));
}

static int
generation_is_of_group(const struct slot *slot, int handler)
{
	const struct generation *generation = slot->generation;

	return strcmp(generation->settings.handlers[handler].worker_group,
		   slot->worker_group) == 0;
}

static int
generation_has_handler(const struct slot *slot, int handler)
{
	const struct generation *generation = slot->generation;

	return generation_is_of_group(slot, handler) &&
	       !generation->settings.handlers[handler].paused;
}

/* Of one that is paused too: others may have the same plugin. */
static int
generation_has_code(const struct slot *slot, int handler)
{
	const struct generation *generation = slot->generation;

	return generation_is_of_group(slot, handler) &&
	       generation->code[handler].path != NULL;
}

/* It waits for so many. */
static void
generation_give_code(struct slot *slot)
{
	const struct generation *generation = slot->generation;
	struct ipc_message message = { .type = IPC_CODE };
	int i;

	for (i = 0; i < generation->settings.handler_count; i++) {
		if (!generation_has_code(slot, i))
			continue;
		message.numbers[0] = i;
		message.fd = generation->code[i].fd;
		snprintf(message.text, sizeof(message.text), "%s",
		    generation->code[i].path);
		if (slot_send_message(slot, &message) < 0)
			slot_kill(slot, SIGKILL);
	}
}

static void
generation_write_order(const struct slot *slot, struct order *order)
{
	const struct generation *generation = slot->generation;
	int i;

	memset(order, 0, sizeof(*order));
	order->slot = slot->number;
	order->first = slot->index == 0;
	order->workers = slot->of;
	order->generation = generation->number;
	order->cpu = slot->cpu;
	order->test = generation->test;
	order->told = generation_is_told(generation);
	memcpy(order->worker_group, slot->worker_group,
	    sizeof(order->worker_group));
	generation_set_privileges(order, generation->privileges);
	for (i = 0; i < generation->settings.handler_count; i++)
		order->code_count += generation_has_code(slot, i);
}

int
generation_start_slot(struct slot *slot)
{
	struct generation *generation = slot->generation;
	static int sockets[ORDER_SOCKETS];
	static struct order order; /* large for a stack */
	int i;

	generation_write_order(slot, &order);
	for (i = 0; i < generation->binding_count; i++)
		if (generation_has_handler(
			slot, generation->bindings[i].handler) &&
		    generation_give_sockets(
			slot, &generation->bindings[i], &order, sockets) < 0)
			return -1;
	if (slot_start(slot, &generation->settings, &order, sockets) < 0)
		return -1;
	generation_give_code(slot);
	return 0;
}

void
generation_lend(const struct slot *from, struct slot *to)
{
	const struct generation *generation = from->generation;
	const struct generation_binding *binding = generation->bindings;
	int i, j;

	if (generation->orphan)
		return;
	for (i = 0; i < generation->binding_count; i++, binding++) {
		if (binding->endpoint->shared ||
		    !generation_has_handler(from, binding->handler))
			continue;
		for (j = from->index; j < binding->endpoint->listening;
		     j += from->of)
			slot_send(to, IPC_LEND, binding->handler, 0,
			    binding->endpoint->socks[j].fd);
	}
}

/* Starting and ending */

static void
generation_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct generation *generation = arg;
	char why[128];
	int i;

	(void)fd;
	(void)what;
	if (generation->state == GENERATION_STARTING) {
		snprintf(why, sizeof(why),
		    "not all workers were ready within start-timeout (%g s)",
		    (double)generation->settings.start_timeout / 1000);
		if (!generation_set_why(generation, why))
			log_write(BEVHOST_LOG_ERROR, NULL, "generation %d: %s",
			    generation->number, why);
		generation_fail(generation, EX_SOFTWARE);
		return;
	}
	for (i = 0; i < generation->slot_count; i++) {
		if (!slot_is_alive(&generation->slots[i]))
			continue;
		log_write(BEVHOST_LOG_WARNING, generation->slots[i].name,
		    "process %d has not ended: killing it",
		    (int)generation->slots[i].pid);
		slot_kill(&generation->slots[i], SIGKILL);
	}
}

/* 0, or -1 with errno: no memory. */
static int
generation_set_timer(struct generation *generation, int64_t ms)
{
	struct timeval timeout = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	if (generation->timer == NULL)
		generation->timer = evtimer_new(generation->host->slots.base,
		    generation_on_timer, generation);
	return generation->timer != NULL
		   ? event_add(generation->timer, &timeout)
		   : -1;
}

int
generation_start(struct generation *generation)
{
	int i;

	generation->state = GENERATION_STARTING;
	/* Without it a worker that hangs would be waited for without end. */
	if (generation_set_timer(
		generation, generation->settings.start_timeout) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "generation %d: no timer for its start: %m",
		    generation->number);
		return -1;
	}
	for (i = 0; i < generation->slot_count; i++)
		if (generation->slots[i].index == 0 &&
		    generation_start_slot(&generation->slots[i]) < 0)
			return -1;
	return 0;
}

int
generation_start_others(const struct slot *first)
{
	struct generation *generation = first->generation;
	int i;

	for (i = 0; i < generation->slot_count; i++) {
		struct slot *slot = &generation->slots[i];

		if (slot->index > 0 && !slot_is_alive(slot) &&
		    strcmp(slot->worker_group, first->worker_group) == 0 &&
		    generation_start_slot(slot) < 0)
			return -1;
	}
	return 0;
}

void
generation_serve(struct generation *generation)
{
	int i;

	generation->state = GENERATION_SERVING;
	if (generation->timer != NULL)
		event_del(generation->timer);
	for (i = 0; i < generation->slot_count; i++) {
		struct slot *slot = &generation->slots[i];

		if (slot->state != SLOT_READY && slot->state != SLOT_SERVING)
			continue;
		slot_send(slot, IPC_SERVE, 0, 0, -1);
		slot->state = SLOT_SERVING;
	}
}

static int
generation_uses(
    const struct generation *generation, const struct endpoint *endpoint)
{
	int i;

	for (i = 0; generation != NULL && i < generation->binding_count; i++)
		if (generation->bindings[i].endpoint == endpoint)
			return 1;
	return 0;
}

/* Sockets that go away are emptied before they close. */
static void
generation_tell_leaving(struct slot *slot, const struct generation *successor)
{
	const struct generation *generation = slot->generation;
	struct ipc_message message = { .type = IPC_LEAVING, .fd = -1 };
	const struct sock *sock;
	int i;

	for (i = 0; i < generation->binding_count; i++) {
		if (generation_uses(
			successor, generation->bindings[i].endpoint))
			continue;
		sock = &generation->bindings[i].endpoint->socks[0];
		addr_text(&sock->bound.u.sa, sock->bound.len, message.text,
		    sizeof(message.text));
		slot_send_message(slot, &message);
	}
}

/* Asks each worker; what is starting is no use to anyone. */
static void
generation_end_slots(struct generation *generation, enum ipc_type how,
    int64_t one, int64_t two, const struct generation *successor)
{
	int i;

	for (i = 0; i < generation->slot_count; i++) {
		struct slot *slot = &generation->slots[i];

		if (slot->timer != NULL)
			event_del(slot->timer);
		if (!slot_is_alive(slot))
			continue;
		if (slot->state == SLOT_STARTING || slot->state == SLOT_READY) {
			slot_kill(slot, SIGKILL);
		} else {
			if (how == IPC_RETIRE)
				generation_tell_leaving(slot, successor);
			slot_send(slot, how, one, two, -1);
		}
		slot->state = SLOT_ENDING;
	}
	if (generation_alive(generation) == 0)
		generation->host->on_ended(generation);
}

void
generation_expect_end(struct generation *generation, int64_t ms)
{
	if (generation_set_timer(generation, ms + GENERATION_KILL_MS) < 0)
		generation_on_timer(-1, 0, generation);
}

void
generation_retire(
    struct generation *generation, const struct generation *successor)
{
	int64_t ms = successor->settings.reload_drain_timeout;

	generation->state = GENERATION_DRAINING;
	generation_expect_end(generation, ms);
	generation_end_slots(generation, IPC_RETIRE, ms, 0, successor);
	generation_release(generation);
}

void
generation_drain(struct generation *generation)
{
	const struct settings *settings = &generation->settings;

	generation->state = GENERATION_ENDING;
	generation_expect_end(generation, settings->drain_timeout);
	/* First, so that nobody comes after the last accept of a worker. */
	generation_release(generation);
	generation_end_slots(generation, IPC_DRAIN, settings->drain_timeout,
	    settings->drain_spread, NULL);
}

void
generation_hurry(struct generation *generation)
{
	generation->state = GENERATION_ENDING; /* hurried once */
	generation_expect_end(generation, 1000);
	generation_end_slots(generation, IPC_DRAIN, 1000, 0, NULL);
}

void
generation_stop(struct generation *generation)
{
	generation->state = GENERATION_ENDING;
	generation_expect_end(generation, 0);
	generation_end_slots(generation, IPC_STOP, 0, 0, NULL);
	generation_release(generation);
}

int
generation_alive(const struct generation *generation)
{
	int i, count = 0;

	for (i = 0; i < generation->slot_count; i++)
		count += slot_is_alive(&generation->slots[i]);
	return count;
}

void
generation_reap(struct generation *generation)
{
	int i;

	for (i = 0; i < generation->slot_count; i++)
		slot_reap(&generation->slots[i]);
}
