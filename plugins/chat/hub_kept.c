/* SPDX-License-Identifier: BSD-2-Clause */
#include "hub_kept.h"

#include <stdlib.h>

int
hub_kept_init(struct hub_kept *kept, size_t max)
{
	kept->lines = max > 0 ? calloc(max, sizeof(*kept->lines)) : NULL;
	kept->max = max;
	kept->next = kept->count = 0;
	return max > 0 && kept->lines == NULL ? -1 : 0;
}

void
hub_kept_clear(struct hub_kept *kept)
{
	while (kept->count > 0)
		hub_block_return(kept->lines[--kept->count].block);
	free(kept->lines);
}

void
hub_kept_add(struct hub_kept *kept, const struct hub_line *line)
{
	struct hub_line *place;

	if (kept->max == 0)
		return;
	place = &kept->lines[kept->next];
	if (kept->count == kept->max)
		hub_block_return(place->block);
	else
		kept->count++;
	*place = *line;
	hub_block_take(line->block);
	kept->next = (kept->next + 1) % kept->max;
}

/* The one before those that came later, of which there are so many. */
static const struct hub_line *
hub_kept_line(const struct hub_kept *kept, size_t later)
{
	return &kept->lines[(kept->next + kept->max - later - 1) % kept->max];
}

void
hub_kept_send(
    const struct hub_kept *kept, struct evbuffer *output, size_t backlog_bytes)
{
	size_t have = evbuffer_get_length(output), later = 0;
	size_t may = have < backlog_bytes ? (backlog_bytes - have) / 2 : 0;

	while (later < kept->count && hub_kept_line(kept, later)->len <= may)
		may -= hub_kept_line(kept, later++)->len;
	while (later-- > 0)
		if (hub_line_send(hub_kept_line(kept, later), output) < 0)
			return;
}
