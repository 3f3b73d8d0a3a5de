/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lua's patterns, as its manual describes them, in the place of its own: those
 * take any time without an instruction, ("a"):rep(30):find(("a*"):rep(30) ..
 * "b") for years. Here each step is charged as one. A pattern is compiled to an
 * array of items, which script_pattern.c does, and matched by going back.
 */
#include "script_match.h"

#include <string.h>

#include <lauxlib.h>

#include "script.h"

#define SCRIPT_DEPTH_MAX 200

static void
script_step(struct script_match *match)
{
	if (--*match->left < 0)
		script_stop(match->L);
}

static int
script_fits(const struct script_item *item, unsigned char byte)
{
	return item->set[byte / 32] >> byte % 32 & 1;
}

/* Does one byte fit at `at`? */
static int
script_fits_at(
    struct script_match *match, const struct script_item *item, const char *at)
{
	script_step(match);
	return at < match->end && script_fits(item, (unsigned char)*at);
}

static const char *script_match_at(
    struct script_match *match, const struct script_item *item, const char *at);

/* As many as there are, then fewer. */
static const char *
script_match_most(struct script_match *match, const struct script_item *item,
    const char *at, const char *least)
{
	const char *last = at, *found = NULL;

	while (script_fits_at(match, item, last))
		last++;
	for (; last >= least && found == NULL; last--)
		found = script_match_at(match, item + 1, last);
	return found;
}

/* As few as will do. */
static const char *
script_match_least(
    struct script_match *match, const struct script_item *item, const char *at)
{
	const char *found;

	for (;; at++) {
		found = script_match_at(match, item + 1, at);
		if (found != NULL || !script_fits_at(match, item, at))
			return found;
	}
}

/* From x to the y that balances it; NULL for none. */
static const char *
script_match_balance(
    struct script_match *match, const struct script_item *item, const char *at)
{
	int open = 1;

	if (at == match->end || *at != item->text[0])
		return NULL;
	for (at++; at < match->end; at++) {
		script_step(match);
		if (*at == item->text[1] && --open == 0)
			return at + 1;
		if (*at == item->text[0] && *at != item->text[1])
			open++;
	}
	return NULL;
}

static int
script_is_frontier(const struct script_match *match,
    const struct script_item *item, const char *at)
{
	unsigned char before = at > match->begin ? (unsigned char)at[-1] : 0;
	unsigned char after = at < match->end ? (unsigned char)*at : 0;

	return !script_fits(item, before) && script_fits(item, after);
}

static const char *
script_match_again(
    struct script_match *match, const struct script_item *item, const char *at)
{
	const struct script_capture *capture = &match->captures[item->number];

	if (item->number >= match->count || capture->len < 0)
		luaL_error(
		    match->L, "invalid capture index %%%d", item->number + 1);
	*match->left -= capture->len / 64;
	if (match->end - at < capture->len ||
	    memcmp(at, capture->at, (size_t)capture->len) != 0)
		return NULL;
	return at + capture->len;
}

static const char *
script_match_open(struct script_match *match, const struct script_item *item,
    const char *at, ptrdiff_t len)
{
	const char *found;

	if (match->count == SCRIPT_CAPTURES_MAX)
		luaL_error(match->L, "too many captures");
	match->captures[match->count].at = at;
	match->captures[match->count].len = len;
	match->count++;
	found = script_match_at(match, item + 1, at);
	if (found == NULL)
		match->count--;
	return found;
}

static const char *
script_match_close(
    struct script_match *match, const struct script_item *item, const char *at)
{
	const char *found;
	int i = match->count - 1;

	while (i >= 0 && match->captures[i].len != SCRIPT_OPEN)
		i--;
	if (i < 0)
		luaL_error(match->L, "invalid pattern capture");
	match->captures[i].len = at - match->captures[i].at;
	found = script_match_at(match, item + 1, at);
	if (found == NULL)
		match->captures[i].len = SCRIPT_OPEN;
	return found;
}

/* Those that repeat a byte or go on after a capture: they match the rest. */
static const char *
script_match_rest(
    struct script_match *match, const struct script_item *item, const char *at)
{
	const char *found;

	switch (item->kind) {
	case SCRIPT_ITEM_MOST:
		return script_match_most(match, item, at, at);
	case SCRIPT_ITEM_SOME:
		return script_match_most(match, item, at, at + 1);
	case SCRIPT_ITEM_LEAST:
		return script_match_least(match, item, at);
	case SCRIPT_ITEM_MAYBE:
		found = script_fits_at(match, item, at)
			    ? script_match_at(match, item + 1, at + 1)
			    : NULL;
		return found != NULL ? found
				     : script_match_at(match, item + 1, at);
	case SCRIPT_ITEM_OPEN:
		return script_match_open(match, item, at, SCRIPT_OPEN);
	case SCRIPT_ITEM_POSITION:
		return script_match_open(match, item, at, SCRIPT_POSITION);
	default:
		return script_match_close(match, item, at);
	}
}

/* Those after which the next item simply follows: the end of what they took. */
static const char *
script_match_one(
    struct script_match *match, const struct script_item *item, const char *at)
{
	switch (item->kind) {
	case SCRIPT_ITEM_ONE:
		return script_fits_at(match, item, at) ? at + 1 : NULL;
	case SCRIPT_ITEM_BALANCE:
		return script_match_balance(match, item, at);
	case SCRIPT_ITEM_FRONTIER:
		return script_is_frontier(match, item, at) ? at : NULL;
	case SCRIPT_ITEM_AGAIN:
		return script_match_again(match, item, at);
	default: /* SCRIPT_ITEM_LAST */
		return at == match->end ? at : NULL;
	}
}

/* The end of the match of item and all after it, or NULL. */
static const char *
script_match_at(
    struct script_match *match, const struct script_item *item, const char *at)
{
	script_step(match);
	for (; at != NULL && item->kind != SCRIPT_ITEM_END; item++) {
		if (item->kind <= SCRIPT_ITEM_LAST) {
			at = script_match_one(match, item, at);
			continue;
		}
		if (++match->depth > SCRIPT_DEPTH_MAX)
			luaL_error(match->L, "pattern too complex");
		at = script_match_rest(match, item, at);
		match->depth--;
		return at;
	}
	return at;
}

const char *
script_match_from(struct script_match *match, const char *at)
{
	match->count = match->depth = 0;
	return script_match_at(match, match->items, at);
}

/* What was found */

/* Pushes capture i, or all of it when there are none. */
void
script_push_capture(
    struct script_match *match, int i, const char *from, const char *to)
{
	const struct script_capture *capture = &match->captures[i];

	if (i >= match->count && i > 0)
		luaL_error(match->L, "invalid capture index %%%d", i + 1);
	if (i >= match->count)
		lua_pushlstring(match->L, from, (size_t)(to - from));
	else if (capture->len == SCRIPT_POSITION)
		lua_pushinteger(match->L, capture->at - match->begin + 1);
	else if (capture->len < 0)
		luaL_error(match->L, "unfinished capture");
	else
		lua_pushlstring(match->L, capture->at, (size_t)capture->len);
}

/* Returns how many. With from NULL, none when there are no captures. */
int
script_push_captures(
    struct script_match *match, const char *from, const char *to)
{
	int i, count = match->count > 0 ? match->count : from != NULL;

	luaL_checkstack(match->L, count, "too many captures");
	for (i = 0; i < count; i++)
		script_push_capture(match, i, from, to);
	return count;
}

void
script_match_init(lua_State *L, struct script_match *match, int text,
    int pattern, int caret, struct script_item *local)
{
	size_t len;

	match->L = L;
	match->begin = luaL_checklstring(L, text, &len);
	match->end = match->begin + len;
	match->left = script_left(script_of(L));
	match->anchored = caret && luaL_checkstring(L, pattern)[0] == '^';
	match->items =
	    script_pattern_compile(L, pattern, match->anchored ? 1 : 0, local);
}
