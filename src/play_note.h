/* SPDX-License-Identifier: BSD-2-Clause */
/* The transcript of a play: what was sent, what came, and what was wrong. */
#ifndef PLAY_NOTE_H
#define PLAY_NOTE_H

#include <stddef.h>

#include <bevhost/base.h>

struct play_result;

/* A line. When there is no more room, the first lines go. */
void play_note(struct play_result *result, const char *format, ...)
    BEVHOST_PRINTF(2, 3);
/* A word, and the name of whom it concerns, if that has one. */
void
play_note_word(struct play_result *result, const char *word, const char *name);
/* name, sign and the bytes, as far as a line has room for them. */
void play_note_bytes(struct play_result *result, const char *name,
    const char *sign, const char *bytes, size_t len);
/* The first thing that is wrong counts. Returns -1. */
int play_wrong(struct play_result *result, const char *format, ...)
    BEVHOST_PRINTF(2, 3);
/* bytes in quotes, cut to what is worth reading. Returns buf. */
char *play_quote(char *buf, size_t size, const char *bytes, size_t len);

#endif
