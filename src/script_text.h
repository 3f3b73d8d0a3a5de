/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes that a line of a conversation stands for. */
#ifndef SCRIPT_TEXT_H
#define SCRIPT_TEXT_H

#include <stddef.h>

#include <bevhost/base.h>

#define SCRIPT_TEXT_LINE 1000 /* bytes that one line stands for, at most */

/*
 * What follows > or <: " TEXT", with eol after it; "- TEXT", without; "x HEX".
 * *bytes is to be freed, and has a '\0' after its *len bytes. 0, or -1 with
 * why.
 */
int script_text_bytes(const char *text, const char *eol, char **bytes,
    size_t *len, char *why, size_t size) BEVHOST_MUST_CHECK;

/* The other way: the line for some bytes, without its sign, in as many lines
   as they have; calls put for each. */
void script_text_lines(const char *bytes, size_t len, const char *eol,
    void (*put)(const char *line, void *arg), void *arg);

#endif
