/* SPDX-License-Identifier: BSD-2-Clause */
/* Where scalars were given, for those who say what is wrong with them. */
#ifndef SETTINGS_ORIGIN_H
#define SETTINGS_ORIGIN_H

#include <stddef.h>

struct settings_guard;
struct settings_item;

/* It is no scalar, but is given as one. */
#define SETTINGS_TLS_SECTION "tls"

/* Where a scalar was given. */
struct settings_origin {
	const char *name; /* of the table */
	char *where;	  /* "FILE:LINE", or NULL: the command line */
	int inherited;	  /* by a handler, from what holds for all */
};

/*
 * Where the scalar `name` was given that is in force: NULL is the command line,
 * or that nobody gave it. In what holds for all these are all scalars of the
 * host.
 */
const char *
settings_where(const struct settings_guard *guard, const char *name);
/* Was it given at all; for a listener: by itself, or on the command line, which
   is everybody's own? */
int settings_is_given(const struct settings_guard *guard, const char *name);
int settings_is_own(const struct settings_guard *guard, const char *name);

/* A scalar of a listener as an item, for settings_say(); its value is buf. */
struct settings_item settings_scalar(const struct settings_guard *guard,
    const char *name, char *buf, size_t size);

#endif
