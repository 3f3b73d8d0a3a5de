/* SPDX-License-Identifier: BSD-2-Clause */
/* A pattern of Lua's as an array of items. */
#ifndef SCRIPT_PATTERN_H
#define SCRIPT_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#define SCRIPT_CAPTURES_MAX 32

/* So many fit on the stack; more are an object of Lua's. */
#define SCRIPT_ITEMS_LOCAL 24

enum script_item_kind {
	SCRIPT_ITEM_END,
	/* Those after which the next one simply follows. */
	SCRIPT_ITEM_ONE,      /* a byte of the set */
	SCRIPT_ITEM_BALANCE,  /* %bxy: text */
	SCRIPT_ITEM_FRONTIER, /* %f: set */
	SCRIPT_ITEM_AGAIN,    /* %1: number, from 0 */
	SCRIPT_ITEM_LAST,     /* $ */
	/* Those that match all the rest, too. */
	SCRIPT_ITEM_MOST,  /* * */
	SCRIPT_ITEM_SOME,  /* + */
	SCRIPT_ITEM_LEAST, /* - */
	SCRIPT_ITEM_MAYBE, /* ? */
	SCRIPT_ITEM_OPEN,
	SCRIPT_ITEM_POSITION, /* () */
	SCRIPT_ITEM_CLOSE
};

struct script_item {
	enum script_item_kind kind;
	int number;
	char text[2];
	uint32_t set[8]; /* a bit for each byte */
};

/* Once, before the others. */
void script_pattern_init(void);

/*
 * That of the string at an index, which stays where it is, from its byte `from`
 * on. The items are in local, of SCRIPT_ITEMS_LOCAL, or pushed when they do not
 * fit there. Raises what is wrong with it.
 */
const struct script_item *script_pattern_compile(
    lua_State *L, int index, size_t from, struct script_item *local);

/* 1: it has nothing special. */
int script_pattern_is_plain(const char *text, size_t len);

#endif
