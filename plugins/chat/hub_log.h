/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines one after the other, in blocks. A block lives as long as the log has
 * it, or an output that it was put into: so what it holds is stored once, for
 * the socket too.
 */
#ifndef CHAT_HUB_LOG_H
#define CHAT_HUB_LOG_H

#include <stddef.h>

#include <event2/buffer.h>

struct hub_block {
	struct hub_block *next;
	size_t references;
	size_t readers; /* places in it that count: see hub_place_set() */
	size_t size, used;
	char bytes[];
};

struct hub_log {
	struct hub_block *first, *last;
	size_t bytes; /* that are in its blocks */
};

/* A place in a log. block NULL: none. */
struct hub_place {
	struct hub_block *block;
	size_t offset;
};

/* A line of a log that is kept. */
struct hub_line {
	struct hub_block *block;
	size_t offset, len;
};

/* 0 or -ENOMEM. */
int hub_log_init(struct hub_log *log);
void hub_log_clear(struct hub_log *log);

/* In one block. Returns 0, with *line when it is not NULL, which holds no
   reference; or -ENOMEM. */
int hub_log_append(
    struct hub_log *log, const char *bytes, size_t len, struct hub_line *line);
struct hub_place hub_log_end(const struct hub_log *log);

/* Its first block, which is not the last and has no place in it that counts, is
   forgotten. */
void hub_log_trim(struct hub_log *log);

void hub_block_take(struct hub_block *block);
void hub_block_return(struct hub_block *block);

/* Puts *place into the count of its block, and takes the old one out. */
void hub_place_set(struct hub_place *place, struct hub_place to);
/* The bytes from there to the end of the log. */
size_t hub_place_left(struct hub_place place);

/*
 * Adds what follows the place to an output, at most `max` bytes if there is
 * more than one block, and returns how far that is in *place. 0, or -1: it
 * takes nothing.
 */
int hub_log_send(struct hub_place *place, struct evbuffer *output, size_t max);
/* The same for one line. */
int hub_line_send(const struct hub_line *line, struct evbuffer *output);

#endif
