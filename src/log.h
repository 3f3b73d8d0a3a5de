/* SPDX-License-Identifier: BSD-2-Clause */
/* The one writer of the log: whole lines on standard error. */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>
#include <stddef.h>

#include <bevhost/base.h>

/* Messages above this level are not shown. BEVHOST_LOG_NOTICE at first. */
void log_set_level(enum bevhost_level level);
int log_enabled(enum bevhost_level level);

/*
 * One line: "bevhost: ", prefix if not NULL and ": ", then the text, with
 * every byte that is not printable ASCII escaped. %m works, errno is kept.
 */
void log_write(enum bevhost_level level, const char *prefix, const char *format,
    ...) BEVHOST_PRINTF(3, 4);
void log_vwrite(enum bevhost_level level, const char *prefix,
    const char *format, va_list args) BEVHOST_PRINTF(3, 0);

/* The same line from a signal handler, whatever the level: takes no lock. */
void log_write_safe(const char *text, size_t len);

/*
 * Whoever wants to know what is said: gets the text of each error, without
 * "bevhost: ", before it is written. It is not when that returns 1: to say it
 * is left to who listens. NULL is nobody.
 */
void log_set_listener(int (*on_error)(const char *text));

/*
 * Whence comes what is being done, "FILE:LINE", or NULL: every line begins with
 * it, after "bevhost: ", until it is set anew. It must live as long. Returns
 * what was set before.
 */
const char *log_set_where(const char *where);

/*
 * Copies bytes to buf as printable ASCII: \n, \t and the like, \xNN, and \\
 * for a backslash if `quote`. Never more than size (1 or more), always ended by
 * '\0', and
 * "..." stands for what had no room. Returns the length.
 */
size_t
log_escape(char *buf, size_t size, const void *bytes, size_t len, int quote);

#endif
