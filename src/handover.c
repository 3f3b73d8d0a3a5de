/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line for each thing, a free text last in its line. What a later build adds
 * is a line of a new kind, which this one passes over; what it cannot do
 * without is a new number in the first line.
 */
#include "handover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "endpoint.h"
#include "generations_own.h"
#include "slot_limits.h"

static int
handover_keep(struct handover *handover, int fd, int own)
{
	struct handover_fd *fds;

	if (fd < 0)
		return 0;
	fds = realloc(
	    handover->fds, (size_t)(handover->fd_count + 1) * sizeof(*fds));
	if (fds == NULL)
		return -1;
	handover->fds = fds;
	fds[handover->fd_count++] = (struct handover_fd){ fd, own };
	return 0;
}

/* A text that is more than one would be read as something else. */
static int
handover_is_one_line(const char *text)
{
	if (text == NULL || strchr(text, '\n') == NULL)
		return 1;
	errno = EINVAL;
	return 0;
}

static int
handover_write_endpoint(
    struct handover *handover, FILE *file, const struct endpoint *endpoint)
{
	const struct sock *first = &endpoint->socks[0];
	int i;

	if (!handover_is_one_line(endpoint->text))
		return -1;
	fprintf(file, "endpoint %d %d %d %d %d %ju %ju %d",
	    endpoint->occurrence, endpoint->part, endpoint->shared,
	    endpoint->listening, first->unlink, (uintmax_t)first->device,
	    (uintmax_t)first->inode, endpoint->count);
	for (i = 0; i < endpoint->count; i++) {
		if (handover_keep(handover, endpoint->socks[i].fd, 0) < 0)
			return -1;
		fprintf(file, " %d", endpoint->socks[i].fd);
	}
	fprintf(file, " %s\n", endpoint->text);
	return 0;
}

static int
handover_endpoint_number(
    const struct handover *handover, const struct endpoint *wanted)
{
	const struct endpoint *endpoint;
	int number = 0;

	TAILQ_FOREACH (endpoint, handover->generations->host.endpoints, entry) {
		if (endpoint == wanted)
			break;
		number++;
	}
	return number;
}

static int
handover_write_settings(
    struct handover *handover, const struct generation *generation)
{
	int fd = memfd_create("bevhost-settings", MFD_CLOEXEC);

	if (fd < 0 || settings_write(&generation->settings, fd) < 0 ||
	    handover_keep(handover, fd, 1) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int
handover_write_slot(
    struct handover *handover, FILE *file, const struct slot *slot)
{
	if (!slot_is_alive(slot))
		return 0;
	if (handover_keep(handover, slot->ipc, 0) < 0)
		return -1;
	fprintf(file, "slot %d %d %d %d %d %d %d %d %d %s\n", slot->number,
	    (int)slot->pid, slot->ipc, slot->share, (int)slot->state,
	    slot->index, slot->of, slot->cpu, slot->deaths, slot->worker_group);
	return 0;
}

static int
handover_write_generation(
    struct handover *handover, FILE *file, const struct generation *generation)
{
	int settings = handover_write_settings(handover, generation), i;

	if (settings < 0)
		return -1;
	fprintf(file, "generation %d %d %d %d %d\n", generation->number,
	    generation == handover->generations->serving, settings,
	    generation->slot_count, generation->binding_count);
	for (i = 0; i < generation->binding_count; i++)
		fprintf(file, "binding %d %d\n",
		    handover_endpoint_number(
			handover, generation->bindings[i].endpoint),
		    generation->bindings[i].handler);
	for (i = 0; i < generation->slot_count; i++)
		if (handover_write_slot(handover, file, &generation->slots[i]) <
		    0)
			return -1;
	return 0;
}

static int
handover_write_all(struct handover *handover, FILE *file)
{
	const struct handover_own *own = &handover->own;
	const struct generation *generation;
	const struct endpoint *endpoint;
	const struct slot_host *slots = &handover->generations->host.slots;
	size_t size, pages;
	int stats = slot_host_stats(slots, &size);
	int limits = slot_host_limits(slots, &pages);
	int tickets = slot_host_tickets(slots);

	fprintf(file, HANDOVER_FIRST "last %d\n", handover->generations->last);
	fprintf(file, "stats %d %zu\n", stats, size);
	fprintf(file, "limits %d %zu\n", limits, pages);
	fprintf(file, "tickets %d\n", tickets);
	if (own->pidfile >= 0)
		fprintf(
		    file, "pidfile %d %s\n", own->pidfile, own->pidfile_path);
	if (own->control >= 0)
		fprintf(file, "control %d\n", own->control);
	if (own->log_file != NULL)
		fprintf(file, "log %s\n", own->log_file);
	if (!handover_is_one_line(own->pidfile_path) ||
	    !handover_is_one_line(own->log_file) ||
	    handover_keep(handover, stats, 0) < 0 ||
	    handover_keep(handover, limits, 0) < 0 ||
	    handover_keep(handover, tickets, 0) < 0 ||
	    handover_keep(handover, own->pidfile, 0) < 0 ||
	    handover_keep(handover, own->control, 0) < 0)
		return -1;
	TAILQ_FOREACH (endpoint, handover->generations->host.endpoints, entry)
		if (handover_write_endpoint(handover, file, endpoint) < 0)
			return -1;
	TAILQ_FOREACH (generation, &handover->generations->list, entry)
		if (generation->state >= GENERATION_SERVING &&
		    handover_write_generation(handover, file, generation) < 0)
			return -1;
	return 0;
}

int
handover_write(struct handover *handover)
{
	int fd = memfd_create("bevhost-handover", MFD_CLOEXEC), copy;
	FILE *file = NULL;

	handover->fds = NULL;
	handover->fd_count = 0;
	if (fd < 0)
		return -1;
	copy = dup(fd);
	if (copy >= 0)
		file = fdopen(copy, "w");
	if (file == NULL) {
		if (copy >= 0)
			close(copy);
		goto fail;
	}
	if (handover_write_all(handover, file) < 0) {
		fclose(file);
		goto fail;
	}
	if (fclose(file) != 0 || handover_keep(handover, fd, 0) < 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

void
handover_forget(struct handover *handover)
{
	free(handover->own.pidfile_path);
	free(handover->own.log_file);
	handover->own.pidfile_path = handover->own.log_file = NULL;
}

void
handover_clear(struct handover *handover)
{
	int i;

	for (i = 0; i < handover->fd_count; i++)
		if (handover->fds[i].own)
			close(handover->fds[i].fd);
	free(handover->fds);
	handover->fds = NULL;
	handover->fd_count = 0;
}
