/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a script finds: Lua's libraries without what reaches beyond it, and
 * bevhost. All connections have the same, so none may change it: libraries are
 * behind a view that cannot be written to, and a global that a connection sets
 * is its own.
 */
#include "script.h"

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

/* Keys of the registry, and of metatables whose objects rawset leaves alone. */
static const char script_globals_key;
const char script_guarded;

/* Views */

int
script_refuse_write(lua_State *L)
{
	return luaL_error(L, "cannot set '%s': it is shared by all connections",
	    lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
}

static int
script_view_pairs(lua_State *L)
{
	lua_getglobal(L, "next");
	lua_pushvalue(L, lua_upvalueindex(1));
	return 2;
}

/* The metatable on top is of something that nobody changes. */
static void
script_guard(lua_State *L)
{
	lua_pushboolean(L, 1);
	lua_rawsetp(L, -2, &script_guarded);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

/* The table on top becomes a view of it. */
void
script_push_view(lua_State *L)
{
	lua_newtable(L);
	lua_createtable(L, 0, 5);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, script_refuse_write);
	lua_setfield(L, -2, "__newindex");
	lua_pushvalue(L, -3);
	lua_pushcclosure(L, script_view_pairs, 1);
	lua_setfield(L, -2, "__pairs");
	script_guard(L);
	lua_setmetatable(L, -2);
	lua_remove(L, -2);
}

/* Globals */

/* Those of the connection that runs are a table in the registry. */
static struct script_conn *
script_globals_owner(lua_State *L)
{
	struct script *script = script_of(L);

	return script->running != NULL ? script->running->conn : NULL;
}

static int
script_get_global(lua_State *L)
{
	struct script_conn *conn = script_globals_owner(L);

	if (conn != NULL && conn->has_globals) {
		lua_rawgetp(L, LUA_REGISTRYINDEX, conn);
		lua_pushvalue(L, 2);
		if (lua_rawget(L, -2) != LUA_TNIL)
			return 1;
	}
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	return 1;
}

static int
script_set_global(lua_State *L)
{
	struct script_conn *conn = script_globals_owner(L);
	struct script_owner *owner = script_of(L)->owner;

	lua_settop(L, 3);
	if (conn == NULL) {
		lua_rawset(L, lua_upvalueindex(1));
		return 0;
	}
	if (!conn->has_globals) {
		lua_newtable(L);
		script_of(L)->owner = &conn->script->core;
		lua_rawsetp(L, LUA_REGISTRYINDEX, conn);
		script_of(L)->owner = owner;
		conn->has_globals = 1;
	}
	lua_rawgetp(L, LUA_REGISTRYINDEX, conn);
	lua_insert(L, 2);
	lua_rawset(L, 2);
	return 0;
}

void
script_push_global(lua_State *L, const char *name)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &script_globals_key);
	lua_pushstring(L, name);
	lua_rawget(L, -2);
	lua_remove(L, -2);
}

/* The table on top has all: in its place comes what scripts get to see. */
static void
script_set_globals(lua_State *L)
{
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &script_globals_key);
	lua_newtable(L);
	lua_createtable(L, 0, 4);
	lua_pushvalue(L, -3);
	lua_pushcclosure(L, script_get_global, 1);
	lua_setfield(L, -2, "__index");
	lua_pushvalue(L, -3);
	lua_pushcclosure(L, script_set_global, 1);
	lua_setfield(L, -2, "__newindex");
	script_guard(L);
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, LUA_GNAME);
	lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

/* Libraries */

static void
script_remove(lua_State *L, const char *const *names)
{
	for (; *names != NULL; names++) {
		lua_pushnil(L);
		lua_setfield(L, -2, *names);
	}
}

static int
script_allows(const struct script *script, enum script_allow what)
{
	return script->allowed >> what & 1;
}

static void
script_open_math(lua_State *L)
{
	static const char *const never[] = { "randomseed", NULL };

	script_remove(L, never);
}

static void
script_open_os(lua_State *L)
{
	static const char *const never[] = { "exit", "setlocale", NULL };
	static const char *const files[] = { "remove", "rename", "tmpname",
		NULL };
	static const char *const processes[] = { "execute", "getenv", NULL };

	script_remove(L, never);
	if (!script_allows(script_of(L), SCRIPT_ALLOW_FILES))
		script_remove(L, files);
	if (!script_allows(script_of(L), SCRIPT_ALLOW_PROCESSES))
		script_remove(L, processes);
	else
		script_wrap_programs(L, "execute");
}

static void
script_open_io(lua_State *L)
{
	static const char *const processes[] = { "popen", NULL };

	if (!script_allows(script_of(L), SCRIPT_ALLOW_PROCESSES))
		script_remove(L, processes);
	else
		script_wrap_programs(L, "popen");
	luaL_getmetatable(L, LUA_FILEHANDLE);
	script_guard(L);
	lua_pop(L, 1);
}

static void
script_open_base(lua_State *L)
{
	static const char *const never[] = { "collectgarbage", NULL };
	static const char *const files[] = { "dofile", "loadfile", NULL };

	script_remove(L, never);
	if (!script_allows(script_of(L), SCRIPT_ALLOW_FILES))
		script_remove(L, files);
	script_wrap_base(L);
}

static void
script_open_string(lua_State *L)
{
	static const char *const never[] = { "dump", NULL };

	script_remove(L, never);
	script_open_match(L);
	script_wrap_string(L);
	/* What ("x"):upper() is found by. */
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	script_guard(L);
	lua_pop(L, 2);
}

/* A library, as a view in the table of globals on top. */
static void
script_open(lua_State *L, const char *name, lua_CFunction open,
    void (*change)(lua_State *L))
{
	luaL_requiref(L, name, open, 0);
	if (change != NULL)
		change(L);
	script_push_view(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, name);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_insert(L, -2);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

void
script_open_globals(lua_State *L)
{
	const struct script *script = script_of(L);

	script_open_stream(L);
	script_open_task(L);
	luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
	script_open_base(L);
	script_open(L, LUA_COLIBNAME, luaopen_coroutine, script_wrap_coroutine);
	script_open(L, LUA_MATHLIBNAME, luaopen_math, script_open_math);
	script_open(L, LUA_OSLIBNAME, luaopen_os, script_open_os);
	script_open(L, LUA_STRLIBNAME, luaopen_string, script_open_string);
	script_open(L, LUA_TABLIBNAME, luaopen_table, script_wrap_table);
	script_open(L, LUA_UTF8LIBNAME, luaopen_utf8, NULL);
	if (script_allows(script, SCRIPT_ALLOW_FILES) ||
	    script_allows(script, SCRIPT_ALLOW_PROCESSES))
		script_open(L, LUA_IOLIBNAME, luaopen_io, script_open_io);
	if (script_allows(script, SCRIPT_ALLOW_MODULES)) {
		luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 1);
		lua_pop(L, 1);
	}
	script_push_host(L);
	script_push_view(L);
	lua_setfield(L, -2, "bevhost");
	script_set_globals(L);
	lua_pop(L, 1);
}
