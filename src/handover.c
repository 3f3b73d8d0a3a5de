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
#include "log.h"

#define HANDOVER_FIRST	 "bevhost-handover 1\n"
#define HANDOVER_SOCKETS 4096

/* Writing */

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

static int
handover_write_endpoint(
    struct handover *handover, FILE *file, const struct endpoint *endpoint)
{
	const struct sock *first = &endpoint->socks[0];
	int i;

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
	size_t size;
	int stats = slot_host_stats(&handover->generations->host.slots, &size);

	fprintf(file, HANDOVER_FIRST "last %d\n", handover->generations->last);
	fprintf(file, "stats %d %zu\n", stats, size);
	if (own->pidfile >= 0)
		fprintf(
		    file, "pidfile %d %s\n", own->pidfile, own->pidfile_path);
	if (own->control >= 0)
		fprintf(file, "control %d\n", own->control);
	if (own->log_file != NULL)
		fprintf(file, "log %s\n", own->log_file);
	if (handover_keep(handover, stats, 0) < 0 ||
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

/* Reading */

struct handover_reader {
	struct handover *handover;
	struct generation *generation; /* whose lines come */
	char *rest;		       /* of the line */
	int slots, bindings;	       /* of them, that may come */
};

/* The next number of the line, or -1 when it has none. */
static int
handover_number(struct handover_reader *reader)
{
	char *end;
	long number = strtol(reader->rest, &end, 10);

	if (end == reader->rest || number < -1 || number > 0x7fffffff)
		return -1;
	reader->rest = end;
	return (int)number;
}

static uintmax_t
handover_large(struct handover_reader *reader)
{
	char *end;
	uintmax_t number = strtoumax(reader->rest, &end, 10);

	reader->rest = end;
	return number;
}

static const char *
handover_text(struct handover_reader *reader)
{
	return reader->rest + (*reader->rest == ' ');
}

static int
handover_add_endpoint(struct handover_reader *reader, int occurrence, int part,
    int shared, int listening, const struct sock *socks, int count)
{
	struct endpoint *endpoint =
	    endpoint_adopt(reader->handover->generations->host.endpoints,
		handover_text(reader), occurrence, part, shared, listening,
		socks, count);

	if (endpoint == NULL)
		return -1;
	endpoint->announced = 1;
	return 0;
}

static int
handover_read_endpoint(struct handover_reader *reader)
{
	struct sock first = { .fd = -1 }, *socks;
	int occurrence = handover_number(reader);
	int part = handover_number(reader), shared = handover_number(reader);
	int listening = handover_number(reader), count, i, status = -1;

	first.unlink = handover_number(reader);
	first.device = (dev_t)handover_large(reader);
	first.inode = (ino_t)handover_large(reader);
	count = handover_number(reader);
	if (count < 1 || count > HANDOVER_SOCKETS || listening > count)
		return -1;
	socks = calloc((size_t)count, sizeof(*socks));
	if (socks == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		socks[i] = first;
		socks[i].unlink = first.unlink && i == 0;
		socks[i].fd = handover_number(reader);
		socks[i].bound.len = sizeof(socks[i].bound.u);
		if (reader->handover->generations != NULL &&
		    getsockname(socks[i].fd, &socks[i].bound.u.sa,
			&socks[i].bound.len) < 0)
			goto out;
	}
	status = reader->handover->generations != NULL
		     ? handover_add_endpoint(reader, occurrence, part, shared,
			   listening, socks, count)
		     : 0;
out:
	free(socks);
	return status;
}

static int
handover_read_generation(struct handover_reader *reader)
{
	int number = handover_number(reader), serves = handover_number(reader);
	int settings_fd = handover_number(reader);
	struct generations *generations = reader->handover->generations;
	struct settings settings;

	reader->slots = handover_number(reader);
	reader->bindings = handover_number(reader);
	if (number < 1 || settings_fd < 0 || reader->slots < 1 ||
	    reader->slots > HANDOVER_SOCKETS || reader->bindings < 0 ||
	    reader->bindings > HANDOVER_SOCKETS)
		return -1;
	if (generations == NULL)
		return 0;
	settings_init(&settings);
	reader->generation = generation_adopt(&generations->host, number,
	    settings_read(&settings, settings_fd) == 0 ? &settings : NULL,
	    reader->slots, reader->bindings);
	close(settings_fd);
	if (reader->generation == NULL)
		return -1;
	TAILQ_INSERT_TAIL(&generations->list, reader->generation, entry);
	reader->generation->state =
	    serves ? GENERATION_SERVING : GENERATION_DRAINING;
	if (serves)
		generations->serving = reader->generation;
	return 0;
}

static int
handover_read_binding(struct handover_reader *reader)
{
	int number = handover_number(reader), handler = handover_number(reader);
	struct endpoint *endpoint;

	if (reader->bindings-- == 0 || number < 0 || handler < 0)
		return -1;
	if (reader->handover->generations == NULL)
		return 0;
	if (reader->generation == NULL)
		return -1;
	endpoint = TAILQ_FIRST(reader->handover->generations->host.endpoints);
	while (endpoint != NULL && number-- > 0)
		endpoint = TAILQ_NEXT(endpoint, entry);
	return endpoint != NULL ? generation_adopt_binding(
				      reader->generation, endpoint, handler)
				: -1;
}

static int
handover_read_slot(struct handover_reader *reader)
{
	struct slot slot = { .number = handover_number(reader) };
	int state;

	slot.pid = handover_number(reader);
	slot.ipc = handover_number(reader);
	slot.share = handover_number(reader);
	if (reader->handover->stats < 0)
		slot.share = -1;
	state = handover_number(reader);
	slot.index = handover_number(reader);
	slot.of = handover_number(reader);
	slot.cpu = handover_number(reader);
	slot.deaths = handover_number(reader);
	if (reader->slots-- == 0 || slot.number < 1 || slot.pid < 1 ||
	    state < SLOT_STARTING || state > SLOT_ENDING || slot.of < 1)
		return -1;
	slot.state = (enum slot_state)state;
	snprintf(slot.worker_group, sizeof(slot.worker_group), "%s",
	    handover_text(reader));
	if (reader->handover->generations == NULL)
		return 0;
	return reader->generation != NULL
		   ? generation_adopt_slot(reader->generation, &slot)
		   : -1;
}

/* Counters of another layout are not ours to read. */
static void
handover_read_stats(struct handover_reader *reader)
{
	struct generations *generations = reader->handover->generations;
	int fd = handover_number(reader), size = handover_number(reader);
	size_t ours;

	if (generations == NULL)
		return;
	(void)slot_host_stats(&generations->host.slots, &ours);
	if (size == (int)ours &&
	    slot_host_adopt_stats(&generations->host.slots, fd) == 0)
		reader->handover->stats = fd;
}

static int
handover_read_line(struct handover_reader *reader, const char *word)
{
	struct handover *handover = reader->handover;

	if (strcmp(word, "endpoint") == 0)
		return handover_read_endpoint(reader);
	if (strcmp(word, "generation") == 0)
		return handover_read_generation(reader);
	if (strcmp(word, "binding") == 0)
		return handover_read_binding(reader);
	if (strcmp(word, "slot") == 0)
		return handover_read_slot(reader);
	if (strcmp(word, "stats") == 0)
		handover_read_stats(reader);
	else if (strcmp(word, "control") == 0)
		handover->own.control = handover_number(reader);
	else if (strcmp(word, "last") == 0 && handover->generations != NULL)
		handover->generations->last = handover_number(reader);
	else if (strcmp(word, "log") == 0)
		handover->own.log_file = strdup(handover_text(reader));
	else if (strcmp(word, "pidfile") == 0) {
		handover->own.pidfile = handover_number(reader);
		handover->own.pidfile_path = strdup(handover_text(reader));
	}
	return 0;
}

static int
handover_read_lines(struct handover_reader *reader, FILE *file)
{
	char *line = NULL, *word;
	size_t size = 0;
	int status = 0;

	if (getline(&line, &size, file) < 0 ||
	    strcmp(line, HANDOVER_FIRST) != 0)
		status = -1;
	while (status == 0 && getline(&line, &size, file) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		reader->rest = line;
		word = strsep(&reader->rest, " ");
		if (reader->rest == NULL)
			reader->rest = line + strlen(line);
		status = handover_read_line(reader, word);
	}
	if (status < 0)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "the program before this one left what this one cannot "
		    "read: '%s'",
		    line != NULL ? line : "");
	free(line);
	return status;
}

int
handover_read(struct handover *handover, int fd)
{
	struct handover_reader reader = { .handover = handover };
	int copy, status = -1;
	FILE *file;

	handover->own.pidfile = handover->own.control = handover->stats = -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		copy = -1;
	else
		copy = dup(fd);
	file = copy >= 0 ? fdopen(copy, "r") : NULL;
	if (file == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "handover: %m");
		if (copy >= 0)
			close(copy);
		return -1;
	}
	status = handover_read_lines(&reader, file);
	fclose(file);
	return status;
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
