/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of Lua on the host's tasks: one for each connection, and one for each
 * child that it spawns. Whoever has waited says that it runs again, because
 * others ran in the meantime. What goes wrong is said in the log, with a
 * traceback, and closes the connection.
 */
#include "script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#define SCRIPT_CHILD "bevhost.task"

/* After so many instructions whose waits did not wait others have a turn. */
#define SCRIPT_TURN 100000
/* So many errors of a connection are logged. */
#define SCRIPT_FAILURES_MAX 10
/* So often one that is cancelled may try again. */
#define SCRIPT_VAIN_MAX 1000
/* What is one of them itself. */
#define SCRIPT_WAIT_COST 100

/* What ends a thread without a word: its connection has ended. */
static const char script_over;

/* Running and waiting */

static void
script_task_runs(struct script_task *task)
{
	task->script->running = task;
	task->script->owner = &task->conn->owner;
	task->script->where[0] = '\0';
	/* Who is cancelled waits no more. */
	if (!task->told && task->vain == 0)
		script_refill(task);
}

static void
script_task_rests(struct script *script)
{
	script->running = NULL;
	script->owner = &script->own;
}

/* Nothing waits any more, and nobody else would ever have a turn. */
static void
script_wait_in_vain(lua_State *L, struct script_task *task)
{
	if (++task->vain <= SCRIPT_VAIN_MAX)
		return;
	task->stopped = "it goes on though it is canceled";
	script_stop(L);
}

struct script_task *
script_wait_begin(lua_State *L)
{
	struct script_task *task = script_of(L)->running;

	if (task == NULL)
		luaL_error(L, "only serve() and what it calls may wait");
	if (task->stopped != NULL || task->left < 0)
		script_stop(L);
	if (task->script->pressed)
		script_collect(L);
	task->turn += SCRIPT_WAIT_COST;
	if (task->turn + task->full - task->left > SCRIPT_TURN) {
		int status = bevhost_task_yield();

		script_task_runs(task);
		if (status < 0)
			script_wait_in_vain(L, task);
		else
			task->turn = 0;
	}
	return task;
}

void
script_wait_end(struct script_task *task)
{
	script_task_runs(task);
}

/*
 * A task that is cancelled hears it once, and has the chance to clean up. One
 * that goes on as if nothing had happened would never wait again.
 */
int
script_failed(lua_State *L, struct script_task *task, int status)
{
	if (status == -ENOMEM)
		return luaL_error(L, "not enough memory");
	if (status == -ECANCELED && task->told) {
		script_wait_in_vain(L, task);
		lua_pushlightuserdata(L, (void *)(uintptr_t)&script_over);
		return lua_error(L);
	}
	if (status == -ECANCELED)
		task->told = 1;
	lua_pushnil(L);
	lua_pushstring(L, script_word(-status));
	return 2;
}

/* What went wrong */

static int
script_is_over(lua_State *L, int index)
{
	return lua_islightuserdata(L, index) &&
	       lua_touserdata(L, index) == &script_over;
}

/* The message handler of every thread. */
static int
script_on_error(lua_State *L)
{
	const char *text;

	if (script_is_over(L, 1))
		return 1;
	text = lua_tostring(L, 1);
	if (text == NULL && luaL_callmeta(L, 1, "__tostring"))
		text = lua_tostring(L, -1);
	if (text == NULL)
		text = lua_pushfstring(
		    L, "an error that is a %s", luaL_typename(L, 1));
	luaL_traceback(L, L, text, 1);
	luaL_gsub(L, lua_tostring(L, -1), "\t", "  ");
	return 1;
}

/* Each line by itself; the log escapes what is not printable. */
static void
script_log_lines(struct bevhost_conn *conn, const char *text)
{
	int len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = (int)strcspn(text, "\n");
		bevhost_conn_log(conn, BEVHOST_LOG_ERROR, "%.*s", len, text);
	}
}

static void
script_log_memory(const struct script_task *task, struct bevhost_conn *conn)
{
	const struct script_owner *owner = &task->conn->owner;

	if (task->script->where[0] == '\0') {
		bevhost_conn_set_reason(conn, BEVHOST_REASON_OVERLOAD, NULL);
		bevhost_conn_log(conn, BEVHOST_LOG_ERROR, "not enough memory");
	} else {
		bevhost_conn_log(conn, BEVHOST_LOG_ERROR,
		    "%stoo much memory, of which it holds %zu bytes (the limit "
		    "is memory)",
		    task->script->where, owner->bytes);
	}
}

static void
script_task_log(struct script_task *task, int status)
{
	struct bevhost_conn *conn = bevhost_stream_conn(task->conn->stream);
	const char *text = lua_type(task->L, -1) == LUA_TSTRING
			       ? lua_tostring(task->L, -1)
			       : "an error";

	if (status == LUA_OK || script_is_over(task->L, -1))
		return;
	task->failed = 1;
	bevhost_conn_set_reason(conn, BEVHOST_REASON_ERROR, NULL);
	/* Of hundreds of children, which fail alike, some say enough. */
	task->conn->failures++;
	if (status == LUA_ERRMEM && task->conn->failures <= SCRIPT_FAILURES_MAX)
		script_log_memory(task, conn);
	else if (task->conn->failures <= SCRIPT_FAILURES_MAX)
		script_log_lines(conn, text);
	bevhost_stream_close(task->conn->stream, BEVHOST_CLOSE_FLUSH);
}

/* The life of a thread */

static void
script_task_release(struct script_task *task)
{
	if (--task->refs == 0)
		free(task);
}

/* No allocation: it cannot fail. */
static void
script_task_unanchor(struct script_task *task)
{
	lua_State *L = task->script->L;

	lua_pushnil(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, task);
}

/* The thread on top of the stack lives until the task ends. */
static void
script_task_anchor(lua_State *L, struct script_task *task)
{
	struct script_owner *owner = task->script->owner;

	/* One table of all connections. */
	task->script->owner = &task->script->core;
	task->L = lua_tothread(L, -1);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, task);
	task->script->owner = owner;
}

static void
script_conn_end(struct script_conn *conn)
{
	lua_State *L = conn->script->L;

	if (conn->owner.refs == 1 && conn->has_globals) {
		lua_pushnil(L);
		lua_rawsetp(L, LUA_REGISTRYINDEX, conn);
	}
	script_owner_release(&conn->owner);
}

/* On its own stack; all of it lies there: handler, function, arguments. */
static void
script_task_main(struct script_task *task)
{
	struct script *script = task->script;
	int status;

	script_task_runs(task);
	status = lua_pcall(task->L, task->args, LUA_MULTRET, 1);
	script_task_log(task, status);
	script_stream_forget(task);
	/* What a child returned is awaited, and nobody resumes what is empty.
	 */
	if (task->id == 0)
		lua_settop(task->L, 0);
	script_task_rests(script);
	script_task_unanchor(task);
}

/* Connections */

static struct script_conn *
script_conn_new(struct script *script, struct bevhost_stream *stream)
{
	struct script_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	conn->script = script;
	conn->stream = stream;
	conn->owner.limit = (size_t)script->memory_bytes;
	conn->owner.refs = 1;
	return conn;
}

/* In the main thread, protected. */
static int
script_prepare(lua_State *L)
{
	struct script_task *task = lua_touserdata(L, 1);
	lua_State *thread = lua_newthread(L);
	struct script_stream *stream;

	script_task_anchor(L, task);
	script_watch(task->script, thread);
	lua_pushcfunction(thread, script_on_error);
	script_push_global(L, "serve");
	stream = script_stream_push(L);
	lua_xmove(L, thread, 2);
	script_stream_set(stream, task, task->conn->stream);
	task->args = 1;
	return 0;
}

static int
script_run_conn(struct script *script, struct script_conn *conn)
{
	struct script_task *task = calloc(1, sizeof(*task));
	lua_State *L = script->L;
	int status;

	if (task == NULL)
		return -ENOMEM;
	task->script = script;
	task->conn = conn;
	task->refs = 1;
	script_task_runs(task);
	lua_pushcfunction(L, script_prepare);
	lua_pushlightuserdata(L, task);
	status = lua_pcall(L, 1, 0, 0);
	if (status == LUA_OK) {
		script_task_main(task);
	} else {
		lua_pop(L, 1);
		script_stream_forget(task);
		script_task_rests(script);
		script_task_unanchor(task);
	}
	script_task_release(task);
	return status == LUA_OK ? 0 : -ENOMEM;
}

int
script_run(struct bevhost_stream *stream, void *self)
{
	struct script *script = self;
	struct script_conn *conn = script_conn_new(script, stream);
	int status = conn != NULL ? script_run_conn(script, conn) : -ENOMEM;

	if (status == -ENOMEM) {
		bevhost_conn_set_reason(
		    bevhost_stream_conn(stream), BEVHOST_REASON_OVERLOAD, NULL);
		bevhost_conn_log(bevhost_stream_conn(stream), BEVHOST_LOG_ERROR,
		    "not enough memory");
	}
	if (conn != NULL)
		script_conn_end(conn);
	return status;
}

/* Children */

static int
script_child_main(void *arg)
{
	struct script_task *child = arg;
	struct script_conn *conn = child->conn;

	script_task_main(child);
	script_owner_give(child->script, &conn->owner, SCRIPT_TASK_BYTES);
	child->conn = NULL;
	script_task_release(child);
	script_conn_end(conn);
	return 0;
}

static struct script_task *
script_child_push(lua_State *L, struct script_task *parent)
{
	struct script_task **handle =
	    lua_newuserdatauv(L, sizeof(struct script_task *), 1);

	*handle = NULL;
	luaL_setmetatable(L, SCRIPT_CHILD);
	*handle = calloc(1, sizeof(**handle));
	if (*handle == NULL)
		luaL_error(L, "not enough memory");
	(*handle)->script = parent->script;
	(*handle)->refs = 1;
	return *handle;
}

/* bevhost.spawn(f, ...) */
int
script_spawn(lua_State *L)
{
	struct script_task *parent, *child;
	int args = lua_gettop(L) - 1;
	lua_State *thread;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	parent = script_wait_begin(L);
	child = script_child_push(L, parent);
	lua_insert(L, 1);
	thread = lua_newthread(L);
	script_watch(child->script, thread);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, 1);
	script_task_anchor(L, child);
	lua_pop(L, 1);
	if (!lua_checkstack(thread, args + 2) ||
	    script_owner_take(
		child->script, &parent->conn->owner, SCRIPT_TASK_BYTES) < 0) {
		script_task_unanchor(child);
		return luaL_error(L, "not enough memory");
	}
	lua_pushcfunction(thread, script_on_error);
	lua_xmove(L, thread, args + 1);
	child->args = args;
	child->conn = parent->conn;
	child->id = bevhost_task_spawn(script_child_main, child);
	if (child->id < 0) {
		script_owner_give(
		    child->script, &parent->conn->owner, SCRIPT_TASK_BYTES);
		script_task_unanchor(child);
		return script_failed(L, parent, (int)child->id);
	}
	child->refs++;
	parent->conn->owner.refs++;
	return 1;
}

static struct script_task *
script_check_child(lua_State *L)
{
	return *(struct script_task **)luaL_checkudata(L, 1, SCRIPT_CHILD);
}

/* child:await([seconds]): true and what it returned, or nil and why. */
static int
script_child_await(lua_State *L)
{
	struct script_task *child = script_check_child(L);
	int64_t deadline = script_deadline(L, 2);
	struct script_task *task = script_wait_begin(L);
	int status = bevhost_task_await(child->id, NULL, deadline), count;

	script_wait_end(task);
	if (status < 0)
		return script_failed(L, task, status);
	/* Below is the handler; or nothing, if the script resumed its thread.
	 */
	count = lua_gettop(child->L) - 1;
	if (count < 0)
		count = 0;
	if (count > 0 && !child->failed && script_is_over(child->L, -1))
		return script_failed(L, task, -ECANCELED);
	luaL_checkstack(L, count + 1, "too many results");
	if (child->failed)
		lua_pushnil(L);
	else
		lua_pushboolean(L, 1);
	lua_xmove(child->L, L, count);
	return count + 1;
}

static int
script_child_cancel(lua_State *L)
{
	bevhost_task_cancel(script_check_child(L)->id);
	return 0;
}

static int
script_child_gc(lua_State *L)
{
	struct script_task **handle = luaL_checkudata(L, 1, SCRIPT_CHILD);

	if (*handle != NULL)
		script_task_release(*handle);
	*handle = NULL;
	return 0;
}

void
script_open_task(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "await", script_child_await },
		{ "cancel", script_child_cancel },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, SCRIPT_CHILD);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, script_child_gc);
	lua_setfield(L, -2, "__gc");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
