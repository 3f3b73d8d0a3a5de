/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When garbage is looked for. Lua waits until all of its memory has doubled,
 * but long before that a connection among thousands has come to its own limit;
 * then all is gone through at once, while everybody waits. So a connection that
 * holds half of what it may has the collector begin, which goes on in small
 * steps as memory is asked for, fast enough to end before the limit.
 */
#include "script.h"

#include <stdint.h>

#include <lauxlib.h>

/* As Lua has it: so many bytes are gone through, or up to three times as many,
   for each that is asked for. Lua knows no more than 1020. */
#define SCRIPT_PACE	100
#define SCRIPT_PACE_MIN 25
#define SCRIPT_PACE_MAX 1000

void
script_collect_due(struct script *script, struct script_owner *owner)
{
	if (owner->cycle == script->cycles) {
		script->pressed = 1;
		return;
	}
	/* One has ended: what there is is not garbage, for what is known. */
	owner->cycle = script->cycles;
	owner->due = owner->limit == 0
			 ? SIZE_MAX
			 : owner->bytes + (owner->limit - owner->bytes) / 2;
}

/* To end before the limit: the nearer that comes, the faster. */
static void
script_collect_pace(lua_State *L, const struct script_owner *owner)
{
	size_t left = owner->limit - owner->bytes;
	size_t pace = script_of(L)->bytes / (left + 1);

	if (pace < SCRIPT_PACE_MIN)
		pace = SCRIPT_PACE_MIN;
	else if (pace > SCRIPT_PACE_MAX)
		pace = SCRIPT_PACE_MAX;
	lua_gc(L, LUA_GCINC, 0, (int)pace, 0);
}

void
script_collect(lua_State *L)
{
	struct script *script = script_of(L);

	script->pressed = 0;
	if (script->owner->bytes > script->owner->due) {
		script_collect_pace(L, script->owner);
		if (script->hurried != script->cycles)
			lua_gc(L, LUA_GCSTEP, 0);
		script->hurried = script->cycles;
	} else if (script->hurried != script->cycles) {
		lua_gc(L, LUA_GCINC, 0, SCRIPT_PACE, 0);
	}
}

/* Garbage itself: found once in each cycle, at its end, and lost again. Lua
   lets nobody set its pace from here. */
static int
script_on_cycle(lua_State *L)
{
	script_of(L)->cycles++;
	script_of(L)->pressed = 1;
	lua_getmetatable(L, 1);
	lua_setmetatable(L, 1);
	return 0;
}

void
script_open_collect(lua_State *L)
{
	lua_newuserdatauv(L, 0, 0);
	lua_newtable(L);
	lua_pushcfunction(L, script_on_cycle);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}
