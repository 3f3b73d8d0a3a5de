/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the program before this one has left. It is checked as if a stranger had
 * written it: another build may have.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover.h"

#include "endpoint.h"
#include "generations_own.h"
#include "slot_limits.h"
#include "log.h"

#define HANDOVER_SOCKETS 4096

struct handover_reader {
	struct handover *handover;
	struct generation *generation; /* whose lines come */
	char *rest;		       /* of the line */
	int slots, bindings;	       /* of them, that may come */
	int serving;		       /* generations that do */
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
	if (occurrence < 0 || part < 0 || shared < 0 || first.unlink < 0 ||
	    count < 1 || count > HANDOVER_SOCKETS || listening < 0 ||
	    listening > count)
		return -1;
	socks = calloc((size_t)count, sizeof(*socks));
	if (socks == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		socks[i] = first;
		socks[i].unlink = first.unlink && i == 0;
		socks[i].fd = handover_number(reader);
		socks[i].bound.len = sizeof(socks[i].bound.u);
		if (socks[i].fd < 0 ||
		    (reader->handover->generations != NULL &&
			getsockname(socks[i].fd, &socks[i].bound.u.sa,
			    &socks[i].bound.len) < 0))
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

/* Takes settings_fd. Without settings its workers end, but are not replaced. */
static int
handover_add_generation(
    struct handover_reader *reader, int number, int serves, int settings_fd)
{
	struct generations *generations = reader->handover->generations;
	struct generation *generation;
	struct settings settings;
	int known = settings_read(&settings, settings_fd) == 0;

	close(settings_fd);
	if (!known)
		settings_clear(&settings);
	generation = generation_adopt(&generations->host, number,
	    known ? &settings : NULL, reader->slots, reader->bindings);
	if (generation == NULL)
		return -1;
	TAILQ_INSERT_TAIL(&generations->list, generation, entry);
	generation->state = serves ? GENERATION_SERVING : GENERATION_DRAINING;
	if (serves)
		generations->serving = generation;
	else
		/* Its workers know when; this is for one that does not. */
		generation_expect_end(
		    generation, generation->settings.reload_drain_timeout);
	reader->generation = generation;
	return 0;
}

static int
handover_read_generation(struct handover_reader *reader)
{
	int number = handover_number(reader), serves = handover_number(reader);
	int settings_fd = handover_number(reader);

	reader->slots = handover_number(reader);
	reader->bindings = handover_number(reader);
	reader->serving += serves > 0;
	if (number < 1 || serves < 0 || reader->serving > 1 ||
	    settings_fd < 0 || reader->slots < 1 ||
	    reader->slots > HANDOVER_SOCKETS || reader->bindings < 0 ||
	    reader->bindings > HANDOVER_SOCKETS)
		return -1;
	return reader->handover->generations != NULL
		   ? handover_add_generation(
			 reader, number, serves, settings_fd)
		   : 0;
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

	if (generations == NULL || reader->handover->stats >= 0)
		return;
	(void)slot_host_stats(&generations->host.slots, &ours);
	if (size == (int)ours &&
	    slot_host_adopt_stats(&generations->host.slots, fd) == 0)
		reader->handover->stats = fd;
}

/* Their shares are numbered as those of the counters. */
static void
handover_read_limits(struct handover_reader *reader)
{
	struct generations *generations = reader->handover->generations;
	int fd = handover_number(reader), pages = handover_number(reader);
	size_t ours;

	if (generations == NULL || reader->handover->limits >= 0 ||
	    reader->handover->stats < 0)
		return;
	(void)slot_host_limits(&generations->host.slots, &ours);
	if (pages == (int)ours &&
	    slot_host_adopt_limits(&generations->host.slots, fd) == 0)
		reader->handover->limits = fd;
}

/* Without them clients shake hands in full once more. */
static void
handover_read_tickets(struct handover_reader *reader)
{
	struct generations *generations = reader->handover->generations;
	int fd = handover_number(reader);

	if (generations != NULL)
		(void)!slot_host_adopt_tickets(&generations->host.slots, fd);
}

static int
handover_read_last(struct handover_reader *reader)
{
	int last = handover_number(reader);

	if (last < 1)
		return -1;
	if (reader->handover->generations != NULL)
		reader->handover->generations->last = last;
	return 0;
}

/* A later line of its kind counts, as with the numbers. */
static void
handover_read_text(struct handover_reader *reader, char **text)
{
	free(*text);
	*text = strdup(handover_text(reader));
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
	if (strcmp(word, "last") == 0)
		return handover_read_last(reader);
	if (strcmp(word, "stats") == 0)
		handover_read_stats(reader);
	else if (strcmp(word, "limits") == 0)
		handover_read_limits(reader);
	else if (strcmp(word, "tickets") == 0)
		handover_read_tickets(reader);
	else if (strcmp(word, "control") == 0)
		handover->own.control = handover_number(reader);
	else if (strcmp(word, "log") == 0)
		handover_read_text(reader, &handover->own.log_file);
	else if (strcmp(word, "pidfile") == 0) {
		handover->own.pidfile = handover_number(reader);
		handover_read_text(reader, &handover->own.pidfile_path);
	}
	return 0;
}

/* Splits it at its first space, which is there again when it is refused. */
static int
handover_read_whole_line(struct handover_reader *reader, char *line, size_t len)
{
	char *end;
	int status;

	if (line[len - 1] != '\n')
		return -1;
	line[len - 1] = '\0';
	end = line + strcspn(line, " ");
	reader->rest = end + (*end == ' ');
	if (*end == '\0')
		return handover_read_line(reader, line);
	*end = '\0';
	status = handover_read_line(reader, line);
	*end = ' ';
	return status;
}

static int
handover_read_lines(struct handover_reader *reader, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len = getline(&line, &size, file);
	int status = len > 0 && strcmp(line, HANDOVER_FIRST) == 0 ? 0 : -1;

	while (status == 0 && (len = getline(&line, &size, file)) > 0)
		status = handover_read_whole_line(reader, line, (size_t)len);
	if (status == 0 && reader->serving == 0)
		status = -1;
	if (status < 0)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "the program before this one left what this one cannot "
		    "read: '%s'",
		    len > 0 ? line : "");
	free(line);
	return status;
}

/* Its workers see that nobody is there any more, and end. */
static void
handover_let_go(struct generations *generations)
{
	struct endpoint *endpoint, *next;
	struct generation *generation;
	int i;

	TAILQ_FOREACH (generation, &generations->list, entry)
		for (i = 0; i < generation->slot_count; i++)
			generation->slots[i].state = SLOT_EMPTY;
	for (endpoint = TAILQ_FIRST(generations->host.endpoints);
	     endpoint != NULL; endpoint = next) {
		next = TAILQ_NEXT(endpoint, entry);
		if (endpoint->users++ == 0)
			endpoint_release(generations->host.endpoints, endpoint);
		else
			endpoint->users--;
	}
}

int
handover_read(struct handover *handover, int fd)
{
	struct handover_reader reader = { .handover = handover };
	int copy, status = -1;
	FILE *file;

	handover->own.pidfile = handover->own.control = -1;
	handover->stats = handover->limits = -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		copy = -1;
	else
		copy = dup(fd);
	file = copy >= 0 ? fdopen(copy, "r") : NULL;
	if (file == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "handover by the program before this one: %m");
		if (copy >= 0)
			close(copy);
		return -1;
	}
	status = handover_read_lines(&reader, file);
	if (status < 0 && handover->generations != NULL)
		handover_let_go(handover->generations);
	fclose(file);
	return status;
}
