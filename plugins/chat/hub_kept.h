/* SPDX-License-Identifier: BSD-2-Clause */
/* The last lines of a topic, for those who come later. */
#ifndef CHAT_HUB_KEPT_H
#define CHAT_HUB_KEPT_H

#include <stddef.h>

#include <event2/buffer.h>

#include "hub_log.h"

struct hub_kept {
	struct hub_line *lines; /* a ring, of which `count` are there */
	size_t max, next, count;
};

/* At most so many lines, or 0. Returns 0, or -1 without memory. */
int hub_kept_init(struct hub_kept *kept, size_t max);
/* Also what could not be begun, and is zero. */
void hub_kept_clear(struct hub_kept *kept);

void hub_kept_add(struct hub_kept *kept, const struct hub_line *line);

/* As many of the last as the output takes, and as fill half of what it may be
   behind. */
void hub_kept_send(
    const struct hub_kept *kept, struct evbuffer *output, size_t backlog_bytes);

#endif
