/* SPDX-License-Identifier: BSD-2-Clause */
/* string.find, match, gmatch and gsub over matches whose steps are counted. */
#include "script_match.h"

#include <string.h>

#include <lauxlib.h>

#include "script.h"

/* string.find and string.match */

/* Where to begin, from 0; beyond the end: -1. */
static ptrdiff_t
script_check_begin(lua_State *L, int index, size_t len)
{
	lua_Integer begin = luaL_optinteger(L, index, 1);

	if (begin < 0)
		begin = begin + (lua_Integer)len < 0
			    ? 1
			    : begin + (lua_Integer)len + 1;
	else if (begin == 0)
		begin = 1;
	return begin - 1 > (lua_Integer)len ? -1 : (ptrdiff_t)(begin - 1);
}

static int
script_search(lua_State *L, int is_find)
{
	struct script_item local[SCRIPT_ITEMS_LOCAL];
	struct script_match match;
	const char *from, *to = NULL;
	ptrdiff_t begin;

	lua_settop(L, 3);
	script_match_init(L, &match, 1, 2, 1, local);
	begin = script_check_begin(L, 3, (size_t)(match.end - match.begin));
	if (begin < 0) {
		luaL_pushfail(L);
		return 1;
	}
	for (from = match.begin + begin; to == NULL; from++) {
		to = script_match_from(&match, from);
		if (to == NULL && (match.anchored || from == match.end)) {
			luaL_pushfail(L);
			return 1;
		}
	}
	from--;
	if (!is_find)
		return script_push_captures(&match, from, to);
	lua_pushinteger(L, from - match.begin + 1);
	lua_pushinteger(L, to - match.begin);
	return script_push_captures(&match, NULL, NULL) + 2;
}

static int
script_find_plain(lua_State *L, const char *pattern, size_t pattern_len)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len), *found = NULL;
	ptrdiff_t begin = script_check_begin(L, 3, len);

	if (begin >= 0) {
		script_charge(L, (int64_t)len / 64);
		found = memmem(
		    text + begin, len - (size_t)begin, pattern, pattern_len);
	}
	if (found == NULL) {
		luaL_pushfail(L);
		return 1;
	}
	lua_pushinteger(L, found - text + 1);
	lua_pushinteger(L, found - text + (ptrdiff_t)pattern_len);
	return 2;
}

static int
script_find(lua_State *L)
{
	size_t len;
	const char *pattern = luaL_checklstring(L, 2, &len);

	if (lua_toboolean(L, 4) || script_pattern_is_plain(pattern, len))
		return script_find_plain(L, pattern, len);
	return script_search(L, 1);
}

static int
script_match(lua_State *L)
{
	return script_search(L, 0);
}

/* string.gmatch: text, pattern, where it goes on and where the last ended. */

static int
script_gmatch_next(lua_State *L)
{
	struct script_item local[SCRIPT_ITEMS_LOCAL];
	struct script_match match;
	const char *from, *to, *last;

	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, lua_upvalueindex(2));
	script_match_init(L, &match, 1, 2, 0, local);
	from = match.begin + lua_tointeger(L, lua_upvalueindex(3));
	last = match.begin + lua_tointeger(L, lua_upvalueindex(4));
	for (; from <= match.end; from++) {
		to = script_match_from(&match, from);
		if (to == NULL || to == last)
			continue;
		lua_pushinteger(L, to - match.begin);
		lua_copy(L, -1, lua_upvalueindex(3));
		lua_copy(L, -1, lua_upvalueindex(4));
		return script_push_captures(&match, from, to);
	}
	return 0;
}

static int
script_gmatch(lua_State *L)
{
	size_t len;
	ptrdiff_t begin;

	luaL_checklstring(L, 1, &len);
	luaL_checkstring(L, 2);
	begin = script_check_begin(L, 3, len);
	lua_settop(L, 2);
	lua_pushinteger(L, begin < 0 ? (lua_Integer)len + 1 : begin);
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, script_gmatch_next, 4);
	return 1;
}

/* string.gsub */

static void
script_add_text(struct script_match *match, luaL_Buffer *buffer,
    const char *from, const char *to)
{
	size_t len, i;
	const char *text = lua_tolstring(match->L, 3, &len);

	for (i = 0; i < len; i++) {
		if (text[i] != '%') {
			luaL_addchar(buffer, text[i]);
			continue;
		}
		i++;
		if (i < len && text[i] == '%') {
			luaL_addchar(buffer, '%');
		} else if (i < len && text[i] == '0') {
			luaL_addlstring(buffer, from, (size_t)(to - from));
		} else if (i < len && text[i] >= '1' && text[i] <= '9') {
			script_push_capture(match, text[i] - '1', from, to);
			luaL_tolstring(match->L, -1, NULL);
			lua_remove(match->L, -2);
			luaL_addvalue(buffer);
		} else {
			luaL_error(match->L,
			    "invalid use of '%%' in replacement string");
		}
	}
}

/* By a table or a function. Whatever ran meanwhile has its own steps. */
static void
script_add_value(struct script_match *match, luaL_Buffer *buffer,
    const char *from, const char *to)
{
	lua_State *L = match->L;

	if (lua_isfunction(L, 3)) {
		lua_pushvalue(L, 3);
		lua_call(L, script_push_captures(match, from, to), 1);
		match->left = script_left(script_of(L));
	} else {
		script_push_capture(match, 0, from, to);
		lua_gettable(L, 3);
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		lua_pushlstring(L, from, (size_t)(to - from));
	} else if (!lua_isstring(L, -1)) {
		luaL_error(L, "invalid replacement value (a %s)",
		    luaL_typename(L, -1));
	}
	luaL_addvalue(buffer);
}

static void
script_check_replacement(lua_State *L)
{
	int type = lua_type(L, 3);

	if (type == LUA_TNUMBER)
		lua_tostring(L, 3);
	else if (type != LUA_TSTRING && type != LUA_TTABLE &&
		 type != LUA_TFUNCTION)
		luaL_typeerror(L, 3, "string/function/table");
}

static int
script_gsub(lua_State *L)
{
	struct script_item local[SCRIPT_ITEMS_LOCAL];
	struct script_match match;
	const char *from, *to, *last = NULL;
	lua_Integer most, count = 0;
	luaL_Buffer buffer;

	lua_settop(L, 4);
	script_match_init(L, &match, 1, 2, 1, local);
	script_check_replacement(L);
	most = luaL_optinteger(L, 4, LUA_MAXINTEGER);
	luaL_buffinit(L, &buffer);
	for (from = match.begin; count < most;) {
		to = script_match_from(&match, from);
		if (to != NULL && to != last) {
			count++;
			if (lua_type(L, 3) == LUA_TSTRING)
				script_add_text(&match, &buffer, from, to);
			else
				script_add_value(&match, &buffer, from, to);
			from = last = to;
		} else if (from < match.end) {
			luaL_addchar(&buffer, *from++);
		} else {
			break;
		}
		if (match.anchored)
			break;
	}
	luaL_addlstring(&buffer, from, (size_t)(match.end - from));
	luaL_pushresult(&buffer);
	lua_pushinteger(L, count);
	return 2;
}

void
script_open_match(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "find", script_find },
		{ "gmatch", script_gmatch },
		{ "gsub", script_gsub },
		{ "match", script_match },
		{ NULL, NULL },
	};

	script_pattern_init();
	luaL_setfuncs(L, functions, 0);
}
