/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stops a script that does not wait: instructions, which Lua counts and
 * memory and patterns are charged for, and processor time, for all that takes
 * long in few instructions. Whoever was stopped is stopped again by its next
 * instruction, so that no pcall() outlives it.
 */
#include "script.h"

#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>

/* Lua tells of so many. */
#define SCRIPT_STEP 1000

/* A script's own beginning is bounded, too. */
#define SCRIPT_LOAD_INSTRUCTIONS 100000000

struct script *
script_of(lua_State *L)
{
	void *script;

	lua_getallocf(L, &script);
	return script;
}

int64_t *
script_left(struct script *script)
{
	return script->running != NULL ? &script->running->left
				       : &script->load_left;
}

static int64_t
script_cpu_ns(void)
{
	struct timespec now = { 0, 0 };

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
script_refill(struct script_task *task)
{
	int64_t all = task->script->instructions;

	if (all == 0)
		all = INT64_MAX / 2;
	task->turn += task->full - task->left;
	task->full = task->left = all;
	task->wall_ms = 0;
}

static void script_on_count(lua_State *L, lua_Debug *at);

_Noreturn void
script_stop(lua_State *L)
{
	struct script *script = script_of(L);
	struct script_task *task = script->running;

	lua_sethook(L, script_on_count, LUA_MASKCOUNT, 1);
	/* Of a coroutine whoever resumed it is stopped, too. */
	if (task != NULL)
		lua_sethook(task->L, script_on_count, LUA_MASKCOUNT, 1);
	if (task != NULL && task->stopped == NULL)
		task->stopped = "too many instructions without a wait (the "
				"limit is instructions)";
	/* What ran is at level 0, unless that is one of our functions. */
	luaL_where(L, 0);
	if (lua_rawlen(L, -1) == 0)
		luaL_where(L, 1);
	lua_pushstring(L, task != NULL ? task->stopped : "it does not end");
	lua_concat(L, 2);
	lua_error(L);
	abort();
}

/* Whoever has used none of the processor was only kept waiting for it. */
static int
script_is_late(struct script_task *task)
{
	int64_t limit_ms = task->script->cpu_time_ms;

	if (limit_ms == 0)
		return 0;
	if (task->wall_ms == 0) {
		task->wall_ms = bevhost_now_ms();
		task->cpu_ns = script_cpu_ns();
		return 0;
	}
	return bevhost_now_ms() - task->wall_ms >= limit_ms &&
	       script_cpu_ns() - task->cpu_ns >= limit_ms * 1000000;
}

void
script_charge(lua_State *L, int64_t instructions)
{
	int64_t *left = script_left(script_of(L));

	if (instructions > 0)
		*left -= instructions < *left + 1 ? instructions : *left + 1;
	if (*left < 0)
		script_stop(L);
}

void
script_spend(lua_State *L, int64_t instructions)
{
	struct script_task *task = script_of(L)->running;

	if (task != NULL && task->stopped == NULL && script_is_late(task))
		task->stopped = "too much processor time without a wait (the "
				"limit is cpu-time)";
	if (task != NULL && task->stopped != NULL)
		script_stop(L);
	script_charge(L, instructions);
}

static void
script_on_count(lua_State *L, lua_Debug *at)
{
	(void)at;
	if (script_of(L)->pressed)
		script_collect(L);
	script_spend(L, SCRIPT_STEP);
}

void
script_watch(struct script *script, lua_State *L)
{
	script->load_left = SCRIPT_LOAD_INSTRUCTIONS;
	if (script->instructions != 0 || script->cpu_time_ms != 0)
		lua_sethook(L, script_on_count, LUA_MASKCOUNT, SCRIPT_STEP);
}
