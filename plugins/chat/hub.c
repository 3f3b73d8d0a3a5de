/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hub of one process. What a topic has not given out yet begins at
 * `flushed`, for all subscribers but two kinds, which have a place of their
 * own: who is behind, and who was given something in between, such as the
 * answer to a command or nothing instead of its own line.
 */
#include "hub.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hub_kept.h"

/* Who has more to take than this is behind. */
#define HUB_OUTPUT_MAX 1024
/* What it is given at a time, if there is so much; and so no more is said in a
   turn, nor than a part of what one may be behind. */
#define HUB_TAKE_BYTES 16384
#define HUB_TURN_PART  4

struct hub_topic {
	char name[HUB_NAME_SIZE]; /* first: it is looked up by that */
	TAILQ_ENTRY(hub_topic) entry;
	TAILQ_HEAD(, hub_subscriber) subs;
	size_t count;
	struct hub_log log;
	struct hub_place flushed;
	struct hub_kept kept;
	unsigned listed : 1; /* for the turn */
	unsigned busy : 1;   /* not to be freed now */
};

struct hub {
	struct hub_options options;
	struct event *turn, *next; /* the end of this one, and the next one */
	size_t said;		   /* bytes, in this turn */
	unsigned full : 1;	   /* somebody waits for the next one */
	void *topics;		   /* of tsearch() */
	size_t topic_count;
	TAILQ_HEAD(, hub_topic) listed;
};

/* Topics */

static int
hub_compare(const void *a, const void *b)
{
	return strcasecmp(a, b);
}

static struct hub_topic *
hub_find(const struct hub *hub, const char *name)
{
	void *const *found = tfind(name, &hub->topics, hub_compare);

	return found != NULL ? *found : NULL;
}

static void
hub_topic_free(struct hub *hub, struct hub_topic *topic)
{
	if (topic->listed)
		TAILQ_REMOVE(&hub->listed, topic, entry);
	hub_kept_clear(&topic->kept);
	hub_log_clear(&topic->log);
	free(topic);
}

static struct hub_topic *
hub_topic_new(struct hub *hub, const char *name)
{
	struct hub_topic *topic = calloc(1, sizeof(*topic));

	if (topic == NULL)
		return NULL;
	TAILQ_INIT(&topic->subs);
	strncpy(topic->name, name, sizeof(topic->name) - 1);
	if (hub_kept_init(&topic->kept, hub->options.kept_max) < 0 ||
	    hub_log_init(&topic->log) < 0 ||
	    tsearch(topic, &hub->topics, hub_compare) == NULL) {
		hub_topic_free(hub, topic);
		return NULL;
	}
	topic->flushed = hub_log_end(&topic->log);
	hub->topic_count++;
	return topic;
}

static void
hub_topic_end(struct hub *hub, struct hub_topic *topic)
{
	if (topic->count > 0 || topic->busy)
		return;
	tdelete(topic, &hub->topics, hub_compare);
	hub->topic_count--;
	hub_topic_free(hub, topic);
}

/* Subscribers */

static struct hub_place
hub_place_of(const struct hub_subscriber *sub)
{
	return sub->place.block != NULL ? sub->place : sub->topic->flushed;
}

/* It was given everything up to there. */
static void
hub_set_place(struct hub_subscriber *sub, struct hub_place at)
{
	const struct hub_place *flushed = &sub->topic->flushed;

	if (!sub->behind && at.block == flushed->block &&
	    at.offset == flushed->offset)
		at.block = NULL;
	hub_place_set(&sub->place, at);
}

/* What it has not taken. */
static size_t
hub_behind(const struct hub_subscriber *sub)
{
	return hub_place_left(hub_place_of(sub)) +
	       evbuffer_get_length(sub->output);
}

static void
hub_lose(struct hub *hub, struct hub_subscriber *sub, size_t behind)
{
	char name[HUB_NAME_SIZE] = "";

	if (sub->topic != NULL)
		memcpy(name, sub->topic->name, sizeof(name));
	hub->options.ops->lost(sub, behind);
	hub->options.ops->lost_some(hub, name);
}

/*
 * Everything that was published, now, so that what is added next comes after
 * it. Returns 0, or -1 when it is lost.
 */
static int
hub_pump(struct hub *hub, struct hub_subscriber *sub)
{
	struct hub_place at = hub_place_of(sub);
	size_t behind = 0;

	if (evbuffer_get_length(sub->output) > hub->options.backlog_bytes)
		behind = hub_behind(sub);
	else if (hub_log_send(&at, sub->output, SIZE_MAX) == 0) {
		hub_set_place(sub, at);
		return 0;
	}
	hub_lose(hub, sub, behind);
	return -1;
}

/* What begins there, unless it has a place of its own. Returns 0 or -1. */
static int
hub_give(struct hub *hub, struct hub_subscriber *sub, struct hub_place begin)
{
	if (sub->place.block != NULL)
		begin = sub->place;
	if (hub_place_left(begin) > 0 &&
	    evbuffer_get_length(sub->output) > HUB_OUTPUT_MAX) {
		hub_place_set(&sub->place, begin);
		sub->behind = 1;
		hub->options.ops->behind(sub, 1);
		return 0;
	}
	if (hub_log_send(&begin, sub->output, SIZE_MAX) < 0)
		return -1;
	hub_set_place(sub, begin);
	return 0;
}

/* The turn */

/* Those whose place is in the first block. */
static void
hub_topic_lose(struct hub *hub, struct hub_topic *topic)
{
	struct hub_subscriber *sub, *next;

	for (sub = TAILQ_FIRST(&topic->subs); sub != NULL; sub = next) {
		next = TAILQ_NEXT(sub, entry);
		if (sub->place.block == topic->log.first)
			hub->options.ops->lost(sub, hub_behind(sub));
	}
	hub->options.ops->lost_some(hub, topic->name);
}

/* Only those that are behind have a place before `flushed`: the log is kept for
   them, until they have not heard of so much of it, be their place at the end
   of their block. */
static void
hub_topic_trim(struct hub *hub, struct hub_topic *topic)
{
	struct hub_log *log = &topic->log;

	while (log->first != topic->flushed.block) {
		if (log->first->readers > 0) {
			if (log->bytes - log->first->used <=
			    hub->options.backlog_bytes)
				return;
			hub_topic_lose(hub, topic);
		}
		hub_log_trim(log);
	}
}

static void
hub_topic_flush(struct hub *hub, struct hub_topic *topic)
{
	const struct hub_place begin = topic->flushed;
	struct hub_subscriber *sub, *next;
	int lost = 0;

	TAILQ_REMOVE(&hub->listed, topic, entry);
	topic->listed = 0;
	topic->busy = 1;
	topic->flushed = hub_log_end(&topic->log);
	for (sub = TAILQ_FIRST(&topic->subs); sub != NULL; sub = next) {
		next = TAILQ_NEXT(sub, entry);
		if (sub->behind || hub_give(hub, sub, begin) == 0)
			continue;
		hub->options.ops->lost(sub, 0);
		lost = 1;
	}
	if (lost)
		hub->options.ops->lost_some(hub, topic->name);
	hub_topic_trim(hub, topic);
	topic->busy = 0;
	hub_topic_end(hub, topic);
}

static void
hub_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct hub *hub = arg;
	struct hub_topic *topic;

	(void)fd;
	(void)what;
	while ((topic = TAILQ_FIRST(&hub->listed)) != NULL)
		hub_topic_flush(hub, topic);
	if (!hub->full)
		hub->said = 0;
}

/* What was said has been written meanwhile, and who was behind has taken. */
static void
hub_on_next(evutil_socket_t fd, short what, void *arg)
{
	struct hub *hub = arg;

	(void)fd;
	(void)what;
	hub->said = 0;
	hub->full = 0;
	hub->options.ops->next(hub);
}

static void
hub_topic_list(struct hub *hub, struct hub_topic *topic)
{
	if (topic->listed)
		return;
	topic->listed = 1;
	if (TAILQ_EMPTY(&hub->listed))
		event_active(hub->turn, EV_TIMEOUT, 0);
	TAILQ_INSERT_TAIL(&hub->listed, topic, entry);
}

/* What others call */

struct hub *
hub_new(struct event_base *base, const struct hub_options *options)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (hub == NULL)
		return NULL;
	hub->options = *options;
	TAILQ_INIT(&hub->listed);
	hub->turn = event_new(base, -1, 0, hub_on_turn, hub);
	hub->next = event_new(base, -1, 0, hub_on_next, hub);
	if (hub->turn != NULL && hub->next != NULL)
		return hub;
	hub_free(hub);
	return NULL;
}

void
hub_free(struct hub *hub)
{
	if (hub->turn != NULL)
		event_free(hub->turn);
	if (hub->next != NULL)
		event_free(hub->next);
	free(hub);
}

void *
hub_owner(const struct hub *hub)
{
	return hub->options.owner;
}

static void
hub_leave(struct hub *hub, struct hub_subscriber *sub)
{
	const struct hub_place none = { NULL, 0 };
	struct hub_topic *topic = sub->topic;

	hub_place_set(&sub->place, none);
	TAILQ_REMOVE(&topic->subs, sub, entry);
	topic->count--;
	sub->topic = NULL;
	hub_topic_end(hub, topic);
}

int
hub_is_full(struct hub *hub)
{
	const struct timeval at_once = { .tv_sec = 0 };

	if (hub->full)
		return 1;
	if (hub->said < HUB_TAKE_BYTES &&
	    hub->said < hub->options.backlog_bytes / HUB_TURN_PART)
		return 0;
	if (event_add(hub->next, &at_once) < 0)
		return 0;
	hub->full = 1;
	return 1;
}

/* With a place for the one that there always is. */
static int
hub_is_crowded(const struct hub *hub, const char *name)
{
	const char *always = hub->options.always;
	size_t max = hub->options.topics_max;

	if (always != NULL && hub_find(hub, always) == NULL) {
		if (hub_compare(name, always) == 0)
			return 0;
		max--;
	}
	return hub->topic_count >= max;
}

int
hub_subscribe(struct hub *hub, struct hub_subscriber *sub, const char *name)
{
	struct hub_topic *topic = hub_find(hub, name);

	if (topic == NULL && hub_is_crowded(hub, name))
		return -ENOSPC;
	if (topic == NULL)
		topic = hub_topic_new(hub, name);
	if (topic == NULL)
		return -ENOMEM;
	if (sub->topic != NULL && hub_pump(hub, sub) < 0) {
		hub_topic_end(hub, topic);
		return -ENOMEM;
	}
	if (sub->topic != NULL)
		hub_leave(hub, sub);
	hub_kept_send(&topic->kept, sub->output, hub->options.backlog_bytes);
	TAILQ_INSERT_TAIL(&topic->subs, sub, entry);
	topic->count++;
	sub->topic = topic;
	hub_set_place(sub, hub_log_end(&topic->log));
	return 0;
}

void
hub_unsubscribe(struct hub *hub, struct hub_subscriber *sub)
{
	if (sub->topic != NULL)
		hub_leave(hub, sub);
}

int
hub_publish(struct hub *hub, const char *name, const char *line, size_t len,
    struct hub_subscriber *from, int keep)
{
	struct hub_topic *topic = hub_find(hub, name);
	struct hub_line stored;

	if (topic == NULL)
		return 0;
	if (from != NULL && hub_pump(hub, from) < 0)
		return -ENOMEM;
	if (hub_log_append(&topic->log, line, len, &stored) < 0)
		return -ENOMEM;
	hub->said += len;
	hub_topic_list(hub, topic);
	if (from != NULL)
		hub_set_place(from, hub_log_end(&topic->log));
	if (keep)
		hub_kept_add(&topic->kept, &stored);
	if (!topic->busy && hub_place_left(topic->flushed) >
				hub->options.backlog_bytes / HUB_TURN_PART)
		hub_topic_flush(hub, topic);
	return 0;
}

int
hub_tell(
    struct hub *hub, struct hub_subscriber *sub, const char *line, size_t len)
{
	hub->said += len;
	if (sub->topic != NULL && hub_pump(hub, sub) < 0)
		return -ENOMEM;
	if (evbuffer_add(sub->output, line, len) == 0)
		return 0;
	hub_lose(hub, sub, 0);
	return -ENOMEM;
}

void
hub_taken(struct hub *hub, struct hub_subscriber *sub)
{
	struct hub_place at;

	if (!sub->behind)
		return;
	if (sub->topic != NULL) {
		at = sub->place;
		if (hub_log_send(&at, sub->output, HUB_TAKE_BYTES) < 0) {
			hub_lose(hub, sub, 0);
			return;
		}
		hub_place_set(&sub->place, at);
		if (hub_place_left(at) > 0)
			return;
	}
	sub->behind = 0;
	if (sub->topic != NULL)
		hub_set_place(sub, sub->place);
	hub->options.ops->behind(sub, 0);
}

const char *
hub_name(const struct hub_subscriber *sub)
{
	return sub->topic->name;
}

size_t
hub_count(const struct hub_subscriber *sub)
{
	return sub->topic->count;
}

struct hub_subscriber *
hub_first(const struct hub_subscriber *sub)
{
	return TAILQ_FIRST(&sub->topic->subs);
}

struct hub_subscriber *
hub_next(const struct hub_subscriber *sub)
{
	return TAILQ_NEXT(sub, entry);
}
