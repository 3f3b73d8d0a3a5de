/* SPDX-License-Identifier: BSD-2-Clause */
/* For those who fill the settings in, or take them apart. */
#ifndef SETTINGS_EDIT_H
#define SETTINGS_EDIT_H

#include "settings.h"

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
