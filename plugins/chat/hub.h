/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who hears what. A topic is a log of lines, and a subscriber a place in it:
 * a line is stored once, however many it is for. This is all that chat knows
 * of it, and all that changes when the others are in another process: a line
 * is published by the name of its topic, and nothing here tells whether those
 * who hear it are near.
 *
 * What is published in a turn of the loop goes to each subscriber as one
 * piece, at the end of the turn, and is no more than who reads can take until
 * the next one: then whoever speaks has to wait. Whoever has not taken what
 * came before is given nothing until it has; when the log has gone on without
 * it for too long it is lost.
 */
#ifndef CHAT_HUB_H
#define CHAT_HUB_H

#include <stddef.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "hub_log.h"

#define HUB_NAME_SIZE 25

struct hub;
struct hub_topic;

/* Embedded in whoever subscribes, who sets `output` and zeroes the rest. */
struct hub_subscriber {
	TAILQ_ENTRY(hub_subscriber) entry;
	struct evbuffer *output;
	struct hub_topic *topic; /* or NULL */
	struct hub_place place;	 /* if it has one of its own */
	unsigned behind : 1;	 /* hears nothing until hub_taken() */
};

/* Called from the turn, or from a call below. */
struct hub_ops {
	/* hub_taken() is to be called when output is empty, or no more. */
	void (*behind)(struct hub_subscriber *sub, int behind);
	/* So many bytes behind, which is too far, or 0: its output takes
	   nothing. It unsubscribes, and no other does. */
	void (*lost)(struct hub_subscriber *sub, size_t behind);
	/* Some were lost of those that heard this topic; what is published now
	   goes to the others. */
	void (*lost_some)(struct hub *hub, const char *name);
	/* hub_is_full() was 1, and this is the next turn. */
	void (*next)(struct hub *hub);
};

struct hub_options {
	size_t topics_max;
	size_t backlog_bytes; /* kept of a topic for those that are behind */
	size_t kept_max;      /* lines that a new subscriber is given first */
	const char *always;   /* a topic that there is room for; must live */
	const struct hub_ops *ops;
	void *owner;
};

/* NULL: no memory. Freed when nobody subscribes any more. */
struct hub *hub_new(struct event_base *base, const struct hub_options *options);
void hub_free(struct hub *hub);
void *hub_owner(const struct hub *hub);

/*
 * To this topic instead of the one before; the last of the lines that were kept
 * of it are put into the output, but not so many that it were behind. Returns
 * 0, -ENOSPC when there are too many topics, or -ENOMEM; then nothing has
 * changed.
 */
int
hub_subscribe(struct hub *hub, struct hub_subscriber *sub, const char *name);
/* It hears nothing more, not even what was published in this turn. */
void hub_unsubscribe(struct hub *hub, struct hub_subscriber *sub);

/* So much was said in this turn that nothing further should be: the next one
   will be told. */
int hub_is_full(struct hub *hub);

/*
 * A line, with its end, for all who subscribe but `from`, which may be NULL.
 * With `keep` also for those who will. A topic that nobody subscribes to is
 * none. Returns 0 or -ENOMEM.
 */
int hub_publish(struct hub *hub, const char *name, const char *line, size_t len,
    struct hub_subscriber *from, int keep);

/* For that subscriber alone, after all that was published before. Returns 0 or
   -ENOMEM: or its output takes nothing any more. */
int hub_tell(
    struct hub *hub, struct hub_subscriber *sub, const char *line, size_t len);

/* The output of one that is behind is empty. */
void hub_taken(struct hub *hub, struct hub_subscriber *sub);

/* The topic that one subscribes to: its name, and who else does. */
const char *hub_name(const struct hub_subscriber *sub);
size_t hub_count(const struct hub_subscriber *sub);
struct hub_subscriber *hub_first(const struct hub_subscriber *sub);
struct hub_subscriber *hub_next(const struct hub_subscriber *sub);

#endif
