/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers may not read keys any more once they serve, so the master looks at
 * the files, and what is in them is for a reload to say. A file is looked at by
 * its name: a program that renews certificates may replace a link or a folder
 * on the way to it.
 */
#include "renewal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "generations.h"
#include "log.h"
#include "settings_guard.h"
#include "slot_limits.h"
#include "tls.h"

#define RENEWAL_LOOK_MS	   1000
#define RENEWAL_QUIET	   2  /* looks at which nothing moves */
#define RENEWAL_GONE	   10 /* until it is said */
#define RENEWAL_TICKETS_MS (60 * 60 * INT64_C(1000))

/* All zero: it is not there. */
struct renewal_state {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct renewal_file {
	char *path;
	struct renewal_state read, last; /* by a generation; at the last look */
};

struct renewal_list {
	struct renewal_file *files;
	int count;
};

static struct renewal {
	struct generations *generations;
	struct event *look;
	void (*on_changed)(void *arg);
	void *arg;
	struct renewal_list now, next; /* of the one that serves, or will */
	int number;		       /* of the generation of now */
	int quiet, gone;	       /* looks */
} renewal;

static void
renewal_look_at(const char *path, struct renewal_state *state)
{
	struct stat st;

	memset(state, 0, sizeof(*state));
	if (stat(path, &st) < 0)
		return;
	state->device = st.st_dev;
	state->inode = st.st_ino;
	state->size = st.st_size;
	state->changed = st.st_mtim;
}

static int
renewal_is_same(
    const struct renewal_state *one, const struct renewal_state *two)
{
	return one->device == two->device && one->inode == two->inode &&
	       one->size == two->size &&
	       one->changed.tv_sec == two->changed.tv_sec &&
	       one->changed.tv_nsec == two->changed.tv_nsec;
}

static void
renewal_clear_list(struct renewal_list *list)
{
	int i;

	for (i = 0; i < list->count; i++)
		free(list->files[i].path);
	free(list->files);
	memset(list, 0, sizeof(*list));
}

/* Without memory a file is not watched. */
static void
renewal_add(struct renewal_list *list, const char *path)
{
	struct renewal_file *files, *file;
	int i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->files[i].path, path) == 0)
			return;
	files =
	    reallocarray(list->files, (size_t)list->count + 1, sizeof(*files));
	if (files == NULL)
		return;
	list->files = files;
	file = &files[list->count];
	file->path = strdup(path);
	if (file->path == NULL)
		return;
	renewal_look_at(path, &file->read);
	file->last = file->read;
	list->count++;
}

void
renewal_plan(const struct settings *settings)
{
	const struct settings_guard *guard;
	int i, j;

	renewal_clear_list(&renewal.next);
	for (i = 0; i < settings->handler_count; i++) {
		guard = &settings->handlers[i].guard;
		for (j = 0; j < guard->item_count; j++)
			if (tls_is_file(guard->items[j].name))
				renewal_add(
				    &renewal.next, guard->items[j].value);
	}
	/* Whatever becomes of it, they are looked into now. */
	for (i = 0; i < renewal.now.count; i++)
		renewal_look_at(
		    renewal.now.files[i].path, &renewal.now.files[i].read);
}

/* Has anything moved since the last look? */
static int
renewal_moves(void)
{
	struct renewal_file *file = renewal.now.files;
	struct renewal_state state;
	int i, moves = 0;

	for (i = 0; i < renewal.now.count; i++, file++) {
		renewal_look_at(file->path, &state);
		moves += !renewal_is_same(&state, &file->last);
		file->last = state;
	}
	return moves;
}

/* The first that is another than what was read, or NULL. */
static struct renewal_file *
renewal_changed(void)
{
	int i;

	for (i = 0; i < renewal.now.count; i++)
		if (!renewal_is_same(
			&renewal.now.files[i].read, &renewal.now.files[i].last))
			return &renewal.now.files[i];
	return NULL;
}

static const struct renewal_file *
renewal_missing(void)
{
	int i;

	for (i = 0; i < renewal.now.count; i++)
		if (renewal.now.files[i].last.inode == 0)
			return &renewal.now.files[i];
	return NULL;
}

static void
renewal_check(void)
{
	const struct renewal_file *missing, *changed;
	int i;

	renewal.quiet = renewal_moves() ? 0 : renewal.quiet + 1;
	changed = renewal_changed();
	if (changed == NULL || renewal.quiet < RENEWAL_QUIET)
		return;
	missing = renewal_missing();
	if (missing != NULL) {
		if (++renewal.gone == RENEWAL_GONE)
			log_write(BEVHOST_LOG_WARNING, NULL,
			    "%s is gone: what was in it is served on",
			    missing->path);
		return;
	}
	renewal.gone = 0;
	log_write(BEVHOST_LOG_NOTICE, NULL, "%s has changed: reloading",
	    changed->path);
	for (i = 0; i < renewal.now.count; i++)
		renewal.now.files[i].read = renewal.now.files[i].last;
	renewal.on_changed(renewal.arg);
}

static void
renewal_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct generations *generations = renewal.generations;

	(void)fd;
	(void)what;
	(void)arg;
	slot_tickets_rotate(RENEWAL_TICKETS_MS);
	if (generations_is_busy(generations))
		return;
	if (generations_number(generations) != renewal.number) {
		renewal_clear_list(&renewal.now);
		renewal.now = renewal.next;
		memset(&renewal.next, 0, sizeof(renewal.next));
		renewal.number = generations_number(generations);
		renewal.gone = 0;
	}
	renewal_check();
}

int
renewal_start(struct event_base *base, struct generations *generations,
    void (*on_changed)(void *arg), void *arg)
{
	const struct timeval often = { .tv_sec = RENEWAL_LOOK_MS / 1000 };

	renewal.generations = generations;
	renewal.on_changed = on_changed;
	renewal.arg = arg;
	renewal.look = event_new(base, -1, EV_PERSIST, renewal_on_look, NULL);
	return renewal.look != NULL ? event_add(renewal.look, &often) : -1;
}

void
renewal_stop(void)
{
	if (renewal.look != NULL)
		event_free(renewal.look);
	renewal_clear_list(&renewal.now);
	renewal_clear_list(&renewal.next);
	memset(&renewal, 0, sizeof(renewal));
}
