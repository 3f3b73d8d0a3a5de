/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log of a topic. Blocks grow with what is said, from 1 KiB, so that a
 * quiet room is small, to 16 KiB.
 */
#include "hub_log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HUB_BLOCK_MIN 1024
#define HUB_BLOCK_MAX 16384

/*
 * libevent takes 512 bytes for a reference too, of which its own header is 48:
 * what fits into the rest is copied there, and needs no cleanup.
 */
#define HUB_COPY_MAX 464

static struct hub_block *
hub_block_new(size_t size)
{
	struct hub_block *block = malloc(sizeof(*block) + size);

	if (block == NULL)
		return NULL;
	*block = (struct hub_block){ .references = 1, .size = size };
	return block;
}

void
hub_block_take(struct hub_block *block)
{
	block->references++;
}

void
hub_block_return(struct hub_block *block)
{
	if (--block->references == 0)
		free(block);
}

static void
hub_block_on_sent(const void *bytes, size_t len, void *block)
{
	(void)bytes;
	(void)len;
	hub_block_return(block);
}

static int
hub_block_send(
    struct hub_block *block, size_t offset, size_t len, struct evbuffer *output)
{
	const char *bytes = block->bytes + offset;

	if (len <= HUB_COPY_MAX)
		return evbuffer_add(output, bytes, len);
	hub_block_take(block);
	if (evbuffer_add_reference(
		output, bytes, len, hub_block_on_sent, block) == 0)
		return 0;
	hub_block_return(block);
	return -1;
}

/* Places */

void
hub_place_set(struct hub_place *place, struct hub_place to)
{
	if (to.block != NULL)
		to.block->readers++;
	if (place->block != NULL)
		place->block->readers--;
	*place = to;
}

size_t
hub_place_left(struct hub_place place)
{
	const struct hub_block *block;
	size_t left = 0;

	for (block = place.block; block != NULL; block = block->next)
		left += block->used;
	return left - place.offset;
}

/* The log */

int
hub_log_init(struct hub_log *log)
{
	log->first = log->last = hub_block_new(HUB_BLOCK_MIN);
	log->bytes = 0;
	return log->first != NULL ? 0 : -ENOMEM;
}

void
hub_log_trim(struct hub_log *log)
{
	struct hub_block *block = log->first;

	assert(block->readers == 0);
	log->first = block->next;
	log->bytes -= block->used;
	hub_block_return(block);
}

void
hub_log_clear(struct hub_log *log)
{
	while (log->first != NULL)
		hub_log_trim(log);
	log->last = NULL;
}

static int
hub_log_grow(struct hub_log *log, size_t len)
{
	size_t size = 2 * log->last->size;
	struct hub_block *block;

	if (size > HUB_BLOCK_MAX)
		size = HUB_BLOCK_MAX;
	if (size < len)
		size = len;
	block = hub_block_new(size);
	if (block == NULL)
		return -ENOMEM;
	log->last->next = block;
	log->last = block;
	return 0;
}

int
hub_log_append(
    struct hub_log *log, const char *bytes, size_t len, struct hub_line *line)
{
	struct hub_block *block = log->last;

	if (block->size - block->used < len) {
		if (hub_log_grow(log, len) < 0)
			return -ENOMEM;
		block = log->last;
	}
	memcpy(block->bytes + block->used, bytes, len);
	if (line != NULL)
		*line = (struct hub_line){ block, block->used, len };
	block->used += len;
	log->bytes += len;
	return 0;
}

struct hub_place
hub_log_end(const struct hub_log *log)
{
	return (struct hub_place){ log->last, log->last->used };
}

int
hub_log_send(struct hub_place *place, struct evbuffer *output, size_t max)
{
	struct hub_block *block = place->block;
	size_t len, sent = 0;

	for (;;) {
		len = block->used - place->offset;
		if (len > 0 &&
		    hub_block_send(block, place->offset, len, output) < 0)
			return -1;
		place->offset = block->used;
		sent += len;
		if (block->next == NULL || sent >= max)
			return 0;
		block = block->next;
		*place = (struct hub_place){ block, 0 };
	}
}

int
hub_line_send(const struct hub_line *line, struct evbuffer *output)
{
	return hub_block_send(line->block, line->offset, line->len, output);
}
