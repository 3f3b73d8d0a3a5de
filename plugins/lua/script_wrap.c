/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions in the place of Lua's own: those that would run long without an
 * instruction, reach what is shared, or call something of the script's where
 * Lua counts no instructions: it counts none in what is called because a count
 * has raised an error.
 */
#include "script.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

static int
script_setmetatable(lua_State *L)
{
	int type = lua_type(L, 2);

	luaL_checktype(L, 1, LUA_TTABLE);
	if (type != LUA_TNIL && type != LUA_TTABLE)
		return luaL_typeerror(L, 2, "nil or table");
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	if (type == LUA_TTABLE) {
		/* It would run whenever garbage is looked for, unlimited. */
		lua_pushstring(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "there is no __gc here");
	}
	lua_settop(L, 2);
	lua_setmetatable(L, 1);
	return 1;
}

static int
script_rawset(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkany(L, 2);
	luaL_checkany(L, 3);
	lua_settop(L, 3);
	if (lua_getmetatable(L, 1)) {
		if (lua_rawgetp(L, -1, &script_guarded) != LUA_TNIL)
			return script_refuse_write(L);
		lua_pop(L, 2);
	}
	lua_rawset(L, 1);
	return 1;
}

/* A message handler of the script's, the upvalue: not for who was stopped. */
static int
script_handle(lua_State *L)
{
	struct script_task *task = script_of(L)->running;

	lua_settop(L, 1);
	if (task != NULL && task->stopped != NULL)
		return 1;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, LUA_MULTRET);
	return lua_gettop(L);
}

static int
script_xpcall_end(lua_State *L, int status, lua_KContext context)
{
	lua_pushboolean(L, status == LUA_OK || status == LUA_YIELD);
	lua_replace(L, (int)context);
	return lua_gettop(L) - (int)context + 1;
}

/* xpcall(f, handler, ...) */
static int
script_xpcall(lua_State *L)
{
	int count = lua_gettop(L), status;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	/* Its place is where the results are told apart from. */
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, script_handle, 1);
	lua_replace(L, 2);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	lua_insert(L, 3);
	lua_insert(L, 4);
	status = lua_pcallk(L, count - 2, LUA_MULTRET, 2, 3, script_xpcall_end);
	return script_xpcall_end(L, status, 3);
}

/* The function that is the upvalue, once its loop has been paid for. */
static int
script_call_charged(lua_State *L, lua_Integer count)
{
	script_charge(L, count);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

static int
script_table_move(lua_State *L)
{
	lua_Integer first = luaL_checkinteger(L, 2);
	lua_Integer last = luaL_checkinteger(L, 3);

	if (last < first)
		return script_call_charged(L, 0);
	/* Lua refuses more. */
	return script_call_charged(L,
	    first > 0 || last < LUA_MAXINTEGER + first ? last - first + 1 : 0);
}

/* insert, remove and sort: as long as the table says that it is. */
static int
script_table_length(lua_State *L)
{
	return script_call_charged(L, lua_istable(L, 1) ? luaL_len(L, 1) : 0);
}

/* Of nothing it would be repeated for ever. */
static int
script_string_rep(lua_State *L)
{
	size_t len, separator_len = 0;

	luaL_checklstring(L, 1, &len);
	luaL_optlstring(L, 3, "", &separator_len);
	if (len + separator_len > 0)
		return script_call_charged(L, 0);
	luaL_checkinteger(L, 2);
	lua_pushliteral(L, "");
	return 1;
}

/* coroutine.wrap and close: what closes variables is not called any more for
   who was stopped. */

static int
script_resume_wrapped(lua_State *L)
{
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	struct script_task *task = script_of(L)->running;
	int count = lua_gettop(L), status = LUA_ERRRUN;

	if (lua_status(co) == LUA_OK && lua_gettop(co) == 0)
		return luaL_error(L, "cannot resume dead coroutine");
	if (!lua_checkstack(co, count))
		return luaL_error(L, "too many arguments to resume");
	lua_xmove(L, co, count);
	status = lua_resume(co, L, count, &count);
	if (status == LUA_OK || status == LUA_YIELD) {
		luaL_checkstack(L, count, "too many results to resume");
		lua_xmove(co, L, count);
		return count;
	}
	if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD &&
	    (task == NULL || task->stopped == NULL))
		lua_resetthread(co);
	lua_xmove(co, L, 1);
	if (lua_type(L, -1) == LUA_TSTRING && status != LUA_ERRMEM) {
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

/* The upvalue is coroutine.create. */
static int
script_coroutine_wrap(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	lua_pushcclosure(L, script_resume_wrapped, 1);
	return 1;
}

static int
script_coroutine_close(lua_State *L)
{
	struct script_task *task = script_of(L)->running;

	if (task != NULL && task->stopped != NULL)
		script_stop(L);
	return script_call_charged(L, 0);
}

/* io.popen and os.execute */

/* How many filters of system calls there are, as the kernel says. */
static int
script_count_filters(const struct script *script)
{
	char text[4096], *at;
	ssize_t len = pread(script->status_fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return 0;
	text[len] = '\0';
	at = strstr(text, "Seccomp_filters:");
	return at != NULL ? atoi(at + strlen("Seccomp_filters:")) : 0;
}

void
script_note_filters(struct script *script)
{
	script->status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	script->knows_filters = script->status_fd >= 0;
	if (script->knows_filters)
		script->filters = script_count_filters(script);
}

/* The worker would end by it. */
static int
script_run_program(lua_State *L)
{
	const struct script *script = script_of(L);

	if (script->knows_filters &&
	    script_count_filters(script) > script->filters)
		return luaL_error(L, "a sandbox runs no programs");
	return script_call_charged(L, 0);
}

/* Libraries */

static void
script_wrap(lua_State *L, const char *name, lua_CFunction function)
{
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, function, 1);
	lua_setfield(L, -2, name);
}

void
script_wrap_programs(lua_State *L, const char *name)
{
	script_wrap(L, name, script_run_program);
}

void
script_wrap_base(lua_State *L)
{
	static const luaL_Reg own[] = {
		{ "load", script_load },
		{ "print", script_print },
		{ "rawset", script_rawset },
		{ "setmetatable", script_setmetatable },
		{ "warn", script_print },
		{ "xpcall", script_xpcall },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, own, 0);
}

void
script_wrap_coroutine(lua_State *L)
{
	lua_getfield(L, -1, "create");
	lua_setfield(L, -2, "wrap");
	script_wrap(L, "wrap", script_coroutine_wrap);
	script_wrap(L, "close", script_coroutine_close);
}

void
script_wrap_string(lua_State *L)
{
	script_wrap(L, "rep", script_string_rep);
}

void
script_wrap_table(lua_State *L)
{
	script_wrap(L, "insert", script_table_length);
	script_wrap(L, "move", script_table_move);
	script_wrap(L, "remove", script_table_length);
	script_wrap(L, "sort", script_table_length);
}
