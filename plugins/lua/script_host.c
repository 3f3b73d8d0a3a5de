/* SPDX-License-Identifier: BSD-2-Clause */
/* What a script has of the host: the table bevhost. */
#include "script.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include <lauxlib.h>

static const char *const script_levels[] = { "error", "warning", "notice",
	"info", "debug", NULL };

/* Logging */

static void
script_log(lua_State *L, enum bevhost_level level, const char *text)
{
	struct script_task *task = script_of(L)->running;

	if (task == NULL)
		bevhost_log(level, "%s", text);
	else
		bevhost_conn_log(
		    bevhost_stream_conn(task->conn->stream), level, "%s", text);
}

/* bevhost.log([level,] text) */
static int
script_say(lua_State *L)
{
	int level = BEVHOST_LOG_NOTICE;

	if (!lua_isnoneornil(L, 2)) {
		level = luaL_checkoption(L, 1, NULL, script_levels);
		lua_remove(L, 1);
	}
	if (bevhost_log_enabled((enum bevhost_level)level))
		script_log(
		    L, (enum bevhost_level)level, luaL_tolstring(L, 1, NULL));
	return 0;
}

int
script_print(lua_State *L)
{
	int i, count = lua_gettop(L);
	luaL_Buffer buffer;

	luaL_buffinit(L, &buffer);
	for (i = 1; i <= count; i++) {
		if (i > 1)
			luaL_addchar(&buffer, ' ');
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&buffer);
	}
	luaL_pushresult(&buffer);
	script_log(L, BEVHOST_LOG_NOTICE, lua_tostring(L, -1));
	return 0;
}

/* bevhost */

const char *
script_word(int error)
{
	switch (error) {
	case ETIMEDOUT:
		return "timeout";
	case ECANCELED:
		return "canceled";
	case ENODATA:
		return "eof";
	case ECONNRESET:
		return "reset";
	case ECONNREFUSED:
		return "refused";
	case EMSGSIZE:
		return "too long";
	case EBUSY:
		return "busy";
	case EPIPE:
	case EBADF:
		return "closed";
	case ENOENT:
		return "no such name";
	case ECHILD:
		return "not a child";
	default:
		return strerror(error);
	}
}

int64_t
script_deadline(lua_State *L, int index)
{
	lua_Number seconds;

	if (lua_isnoneornil(L, index))
		return -1;
	seconds = luaL_checknumber(L, index);
	if (!(seconds > 0))
		return 0;
	/* Not sooner than asked for. */
	return seconds > 1e12 ? -1
			      : bevhost_after_ms((int64_t)ceil(seconds * 1000));
}

static int
script_sleep(lua_State *L)
{
	int64_t deadline;
	struct script_task *task;
	int status;

	luaL_checknumber(L, 1);
	deadline = script_deadline(L, 1);
	task = script_wait_begin(L);
	status =
	    deadline == 0 ? bevhost_task_yield() : bevhost_task_sleep(deadline);
	script_wait_end(task);
	if (status < 0)
		return script_failed(L, task, status);
	lua_pushboolean(L, 1);
	return 1;
}

static int
script_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)bevhost_now_ms() / 1000);
	return 1;
}

/* What the connection's memory is now, with garbage: bevhost.memory() */
static int
script_memory(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)script_of(L)->owner->bytes);
	return 1;
}

static void
script_push_params(lua_State *L)
{
	const struct script_param *param = script_of(L)->params;

	lua_newtable(L);
	for (; param != NULL; param = param->next) {
		lua_pushstring(L, param->value);
		lua_setfield(L, -2, param->name);
	}
	script_push_view(L);
}

void
script_push_host(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "connect", script_connect },
		{ "log", script_say },
		{ "memory", script_memory },
		{ "now", script_now },
		{ "sleep", script_sleep },
		{ "spawn", script_spawn },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	script_push_params(L);
	lua_setfield(L, -2, "params");
}
