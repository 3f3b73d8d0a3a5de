/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load(): Lua counts no instructions while it parses, and some texts it parses
 * in the square of their length. So a text is handed over in small pieces, and
 * each is paid for.
 */
#include "script.h"

#include <lauxlib.h>

#define SCRIPT_PIECE	 128
#define SCRIPT_BYTE_COST 1

/* Where the text is that the function at 1 has returned last. */
#define SCRIPT_TEXT_INDEX 5

struct script_text {
	const char *at;
	size_t left;
	int is_function;
};

/* Asks the function; without more, nothing is left. */
static void
script_text_more(lua_State *L, struct script_text *text)
{
	luaL_checkstack(L, 2, "too many nested functions");
	lua_pushvalue(L, 1);
	lua_call(L, 0, 1);
	if (!lua_isnil(L, -1) && !lua_isstring(L, -1))
		luaL_error(L, "reader function must return a string");
	lua_replace(L, SCRIPT_TEXT_INDEX);
	text->at = lua_tolstring(L, SCRIPT_TEXT_INDEX, &text->left);
}

static const char *
script_text_read(lua_State *L, void *arg, size_t *size)
{
	struct script_text *text = arg;
	const char *piece;

	if (text->left == 0 && text->is_function)
		script_text_more(L, text);
	*size = text->left < SCRIPT_PIECE ? text->left : SCRIPT_PIECE;
	script_spend(L, (int64_t)*size * SCRIPT_BYTE_COST);
	piece = text->at;
	text->left -= *size;
	text->at += *size;
	return *size > 0 ? piece : NULL;
}

/* load(text or function [, name [, mode [, env]]]), whatever the mode: what is
   compiled may do anything to Lua. */
int
script_load(lua_State *L)
{
	struct script_text text = { NULL, 0, 0 };
	int has_env = !lua_isnone(L, 4), status;
	const char *name;

	text.at = lua_tolstring(L, 1, &text.left);
	text.is_function = text.at == NULL;
	if (text.is_function)
		luaL_checktype(L, 1, LUA_TFUNCTION);
	name = luaL_optstring(L, 2, text.is_function ? "=(load)" : text.at);
	lua_settop(L, SCRIPT_TEXT_INDEX);
	status = lua_load(L, script_text_read, &text, name, "t");
	if (status != LUA_OK) {
		luaL_pushfail(L);
		lua_insert(L, -2);
		return 2;
	}
	if (has_env) {
		lua_pushvalue(L, 4);
		if (lua_setupvalue(L, -2, 1) == NULL)
			lua_pop(L, 1);
	}
	return 1;
}
