/* SPDX-License-Identifier: BSD-2-Clause */
/* For those who fill the settings in, or take them apart. */
#ifndef SETTINGS_EDIT_H
#define SETTINGS_EDIT_H

#include "settings.h"

/*
 * The scalar settings, one table for the command line, the file, the dump and
 * the manual's test: ended by an entry without a name. The name is that of the
 * long option and of the file's option.
 */
extern const struct bevhost_param settings_params[];

/*
 * Sets the scalar `name` from text. Returns 0, or -1 with why, which names
 * neither, and goes on after the text when it begins with "is ": "is out of
 * range: ...", "it is on or off". An unknown name is -1 too: see
 * settings_has().
 */
int settings_set(struct settings *settings, const char *name, const char *text,
    char *why, size_t size) BEVHOST_MUST_CHECK;
int settings_has(const char *name);

/* The value in force as text that settings_set() takes; "" when unset, which
   only texts, and stack-size, can be. A text is cut to size. Returns buf. */
char *settings_text(
    const struct settings *settings, const char *name, char *buf, size_t size);

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
