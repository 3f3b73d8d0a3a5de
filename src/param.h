/* SPDX-License-Identifier: BSD-2-Clause */
/* Declared parameters: texts checked, parsed and stored. Pure. */
#ifndef PARAM_H
#define PARAM_H

#include <bevhost/types.h>

#define PARAM_TEXT_SIZE 512

/*
 * Is the declaration sound (type, range, choices, field, default)? Returns
 * 0, or -1 with why.
 */
int param_check(const struct bevhost_param *param, char *why,
    size_t size) BEVHOST_MUST_CHECK;

/*
 * Parses text as the type says and checks the range. *number gets what is
 * stored for every type but a string: its length there. Returns 0, or -1
 * with why, which names neither key nor value.
 */
int param_parse(const struct bevhost_param *param, const char *text,
    int64_t *number, char *why, size_t size) BEVHOST_MUST_CHECK;

/* Into the field at self, when there is one. text must outlive self. */
void param_store(const struct bevhost_param *param, void *self,
    const char *text, int64_t number);

/* The number as text that param_parse() takes, for every type but a string.
   Returns buf. */
char *param_text(
    const struct bevhost_param *param, int64_t number, char *buf, size_t size);

/* By name in an array that may be NULL, else NULL. */
const struct bevhost_param *
param_find(const struct bevhost_param *params, const char *name);

/* string, integer, ... */
const char *param_type_name(const struct bevhost_param *param);

/* "1 to 10", "one of a, b", or "" when all is allowed. Returns buf. */
char *
param_range_text(const struct bevhost_param *param, char *buf, size_t size);

#endif
