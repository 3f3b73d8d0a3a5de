/* SPDX-License-Identifier: BSD-2-Clause */
/* For those who fill the settings in, or take them apart. */
#ifndef SETTINGS_EDIT_H
#define SETTINGS_EDIT_H

#include <bevhost/types.h>

#include "settings.h"

/*
 * The scalar settings, one table for the command line, the file, the dump and
 * the manual's test: ended by an entry without a name. The name is that of the
 * long option and of the file's option.
 */
extern const struct bevhost_param settings_params[];
/* Those of a listener that stand for something else there. */
extern const struct bevhost_param settings_listener_params[];

/*
 * Sets the scalar `name` from text. Returns 0, or -1 with why, which names
 * neither, and goes on after the text when it begins with "is ": "is out of
 * range: ...", "it is on or off". An unknown name is -1 too: see
 * settings_has().
 */
int settings_set(struct settings *settings, const char *name, const char *text,
    char *why, size_t size) BEVHOST_MUST_CHECK;
int settings_has(const char *name);
/* Is its value the path of a file or a folder? Of lists, too. */
int settings_is_path(const char *name);

/* The value in force as text that settings_set() takes; "" when unset, which
   only texts, and stack-size, can be. A text is cut to size. Returns buf. */
char *settings_text(
    const struct settings *settings, const char *name, char *buf, size_t size);

/* From text and back, of one whose field is a number. 0, or -1 with why. */
int settings_parse_number(const struct bevhost_param *param, const char *text,
    int64_t *number, char *why, size_t size) BEVHOST_MUST_CHECK;
/* "" when it is unset. Returns buf. */
char *settings_number_text(
    const struct bevhost_param *param, int64_t number, char *buf, size_t size);

/*
 * The scalars that a listener may have of its own, in the order of the tables:
 * next is given what was returned before, or NULL, and returns NULL at the
 * end. find returns NULL when it is none.
 */
const struct bevhost_param *
settings_guard_next(const struct bevhost_param *param);
const struct bevhost_param *settings_guard_find(const char *name);
int64_t *settings_guard_field(
    const struct settings_guard *guard, const struct bevhost_param *param);
/* As settings_set() and settings_text(); "" when it was not given here. */
int settings_guard_set(struct settings_guard *guard, const char *name,
    const char *text, char *why, size_t size) BEVHOST_MUST_CHECK;
char *settings_guard_text(const struct settings_guard *guard,
    const struct bevhost_param *param, char *buf, size_t size);

/*
 * Settings that may have several values, whose order counts; on the command
 * line as often as they are given. A handler that has one of a set has none of
 * those of the set that hold for all. Ended by an entry without a name.
 */
struct settings_list {
	const char *name, *set;
	int once; /* has one value at most */
	const char *help;
	/* NULL: any text will do. 0, or -1 with why. */
	int (*check)(const char *value, char *why, size_t size);
	/* The words that it may be, from 0, and NULL after the last; or NULL:
	   there is no such list. */
	const char *(*word)(int number);
};
extern const struct settings_list settings_lists[];
const struct settings_list *settings_list_find(const char *name);

/*
 * The scalar `name` was given there: in a listener, or in what holds for all,
 * where each option of the host counts. The last call is what holds. Returns 0,
 * or -1 with errno.
 */
int settings_give(struct settings_guard *guard, const char *name,
    const char *where) BEVHOST_MUST_CHECK;
void settings_clear_origins(struct settings_guard *guard);
/* For settings_finish(): what it has inherited, anew. */
int settings_inherit_origins(struct settings_guard *guard,
    const struct settings_guard *all) BEVHOST_MUST_CHECK;

/* Takes nothing. 0, or -1 with why. */
int settings_add_item(struct settings_guard *guard,
    const struct settings_list *list, const char *value, const char *where,
    char *why, size_t size) BEVHOST_MUST_CHECK;
/* Those of its set that a file gave: the command line overrides it. */
void settings_drop_items(
    struct settings_guard *guard, const struct settings_list *list);
/* All that it owns. */
void settings_clear_guard(struct settings_guard *guard);

/*
 * Each returns the new element, or NULL with errno: no memory. A later call for
 * the same list may move its elements. plugin may be NULL for the time being.
 */
struct settings_handler *settings_add_handler(
    struct settings *settings, const char *plugin) BEVHOST_MUST_CHECK;
struct settings_address *settings_add_address(struct settings_handler *handler,
    const char *text, const struct addr_spec *spec) BEVHOST_MUST_CHECK;
struct settings_word *settings_add_word(struct settings_handler *handler,
    const char *key, const char *value, const char *where) BEVHOST_MUST_CHECK;
struct settings_group *settings_add_group(
    struct settings *settings, const char *name) BEVHOST_MUST_CHECK;

/* As of `workers`: 1 to 256, or "auto" (0). 0, or -1 with why. */
int settings_parse_workers(const char *text, int64_t *workers, char *why,
    size_t size) BEVHOST_MUST_CHECK;

/* The whole text of a setting that is one; NULL: it is unset, or none. */
const char *settings_string(
    const struct settings *settings, const struct bevhost_param *param);

/* The last one, with all it has. */
void settings_drop_handler(struct settings *settings);

/* A copy of text, or NULL, in place of *field. Returns 0, or -1 with errno. */
int settings_replace_text(char **field, const char *text) BEVHOST_MUST_CHECK;

#endif
