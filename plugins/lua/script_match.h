/* SPDX-License-Identifier: BSD-2-Clause */
/* A match of a pattern in a text. */
#ifndef SCRIPT_MATCH_H
#define SCRIPT_MATCH_H

#include "script_pattern.h"

/* Where a capture stands; a negative length says that it is none yet. */
enum { SCRIPT_OPEN = -1, SCRIPT_POSITION = -2 };

struct script_capture {
	const char *at;
	ptrdiff_t len;
};

struct script_match {
	lua_State *L;
	const struct script_item *items; /* the last is an SCRIPT_ITEM_END */
	const char *begin, *end;
	int64_t *left;
	int depth, count;
	int anchored; /* it began with ^ */
	struct script_capture captures[SCRIPT_CAPTURES_MAX];
};

/* Of the strings at two indices, which stay there; caret: whether ^ anchors.
   Items as in script_pattern.h. */
void script_match_init(lua_State *L, struct script_match *match, int text,
    int pattern, int caret, struct script_item *local);

/* The end of the match that begins at `at`, or NULL. */
const char *script_match_from(struct script_match *match, const char *at);

/* Pushes capture i, from 0; 0 is all of it when there are none. */
void script_push_capture(
    struct script_match *match, int i, const char *from, const char *to);

/* Returns how many. With from NULL, none when there are no captures. */
int script_push_captures(
    struct script_match *match, const char *from, const char *to);

#endif
