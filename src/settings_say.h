/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong with an option, in one form for all: the option as it was
 * written, on the command line or in a file.
 */
#ifndef SETTINGS_SAY_H
#define SETTINGS_SAY_H

#include <stdarg.h>

#include <bevhost/base.h>

struct settings_item;

/* How an option is written there, where a literal text names it. */
#define SETTINGS_SPELL(where, name) ((where) != NULL ? (name) : "--" name)

/* Minus the exit status of a start for what is wrong there. */
int settings_status(const char *where);
/* EX_USAGE and EX_CONFIG, of either sign, become what is due there; any other
   status stays. */
int settings_blame(int status, const char *where);

/*
 * Logs "FILE:LINE: NAME = 'VALUE': ..." or "--NAME=VALUE: ...". What begins
 * with "is " goes on after the value. Returns settings_status(), for the
 * caller to return.
 */
int settings_say(enum bevhost_level level, const struct settings_item *item,
    const char *format, ...) BEVHOST_PRINTF(3, 4);
int settings_vsay(enum bevhost_level level, const struct settings_item *item,
    const char *format, va_list args) BEVHOST_PRINTF(3, 0);
/* The same of an option that is in no settings. */
int settings_say_error(
    const char *name, const char *value, const char *where, const char *why);

#endif
