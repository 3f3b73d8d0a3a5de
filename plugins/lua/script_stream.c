/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn:read() and its like: a connection, or one that the script has made, as
 * an object of Lua. Bytes go from the input's buffer into a string at once,
 * after the wait: nobody who waits holds memory for what may come.
 */
#include "script.h"

#include <errno.h>
#include <string.h>

#include <lauxlib.h>

#include <event2/buffer.h>

#define SCRIPT_CONN "bevhost.conn"

/* Unless the script says otherwise. */
#define SCRIPT_READ_MAX 65536
#define SCRIPT_LINE_MAX 8192
#define SCRIPT_MOST	((size_t)8 * 1024 * 1024)

/* With more than that owed, nothing is added. */
#define SCRIPT_OWED_MAX ((size_t)1024 * 1024)

struct script_stream *
script_check_stream(lua_State *L)
{
	return luaL_checkudata(L, 1, SCRIPT_CONN);
}

static size_t
script_check_count(lua_State *L, int index, lua_Integer otherwise)
{
	lua_Integer count = luaL_optinteger(L, index, otherwise);

	luaL_argcheck(L, count > 0 && count <= (lua_Integer)SCRIPT_MOST, index,
	    "it is not from 1 to 8388608");
	return (size_t)count;
}

static struct evbuffer *
script_input(struct bevhost_stream *stream)
{
	return bufferevent_get_input(bevhost_stream_bev(stream));
}

/* Does reading make sense now? 0 or a negative errno. */
static int
script_may_read(struct bevhost_stream *stream)
{
	return (int)bevhost_stream_read(stream, NULL, 0, 0);
}

/* The first bytes of the input, as a string. */
static int
script_take(lua_State *L, struct bevhost_stream *stream, size_t len, size_t end)
{
	struct evbuffer *input = script_input(stream);
	const char *bytes =
	    (const char *)evbuffer_pullup(input, (ev_ssize_t)len);

	if (bytes == NULL && len > 0)
		return luaL_error(L, "not enough memory");
	lua_pushlstring(L, bytes, len - end);
	evbuffer_drain(input, len);
	return 1;
}

/*
 * Until there are so many bytes: returns how many there are, fewer when no more
 * come, or a negative errno.
 */
static ssize_t
script_await_input(
    struct bevhost_stream *stream, size_t count, int64_t deadline)
{
	ssize_t len = script_may_read(stream);
	size_t have;

	while (len >= 0) {
		have = evbuffer_get_length(script_input(stream));
		if (have >= count)
			return (ssize_t)have;
		len = bevhost_stream_wait(stream, deadline);
		if (len == 0)
			return (ssize_t)have;
	}
	return len;
}

/* Until the separator is there: returns the length to its end, or an errno. */
static ssize_t
script_await_separator(struct bevhost_stream *stream, const char *separator,
    size_t separator_len, size_t most, int64_t deadline)
{
	struct evbuffer *input = script_input(stream);
	ssize_t len = script_may_read(stream);
	struct evbuffer_ptr from, found;
	size_t have, scanned = 0;

	while (len >= 0) {
		have = evbuffer_get_length(input);
		if (have - scanned >= separator_len) {
			evbuffer_ptr_set(
			    input, &from, scanned, EVBUFFER_PTR_SET);
			found = evbuffer_search(
			    input, separator, separator_len, &from);
			if (found.pos >= 0 &&
			    (size_t)found.pos + separator_len <= most)
				return found.pos + (ssize_t)separator_len;
			scanned = have - separator_len + 1;
			if (found.pos >= 0)
				return -EMSGSIZE;
		}
		if (have >= most)
			return -EMSGSIZE;
		len = bevhost_stream_wait(stream, deadline);
		if (len == 0)
			return -ENODATA;
		/* Somebody else may have read in the meantime. */
		if (len > 0 && (size_t)len < have)
			scanned = 0;
	}
	return len;
}

/* Waits as a method does: those below differ in what for. */
struct script_call {
	struct script_task *task;
	struct bevhost_stream *stream;
	int64_t deadline;
};

/* 1, or 0 after nil and why were pushed. */
static int
script_call_begin(lua_State *L, struct script_call *call, int timeout)
{
	struct script_stream *stream = script_check_stream(L);

	call->deadline = script_deadline(L, timeout);
	call->task = script_wait_begin(L);
	/* It may have been closed while others had their turn. */
	call->stream = stream->stream;
	if (call->stream != NULL)
		return 1;
	script_failed(L, call->task, -EBADF);
	return 0;
}

/* conn:read([most [, seconds]]) */
static int
script_read_some(lua_State *L)
{
	size_t most = script_check_count(L, 2, SCRIPT_READ_MAX);
	struct script_call call;
	ssize_t len;

	if (!script_call_begin(L, &call, 3))
		return 2;
	len = script_await_input(call.stream, 1, call.deadline);
	script_wait_end(call.task);
	if (len <= 0)
		return script_failed(
		    L, call.task, len == 0 ? -ENODATA : (int)len);
	return script_take(
	    L, call.stream, (size_t)len < most ? (size_t)len : most, 0);
}

/* conn:read_exactly(count [, seconds]) */
static int
script_read_exactly(lua_State *L)
{
	size_t count = script_check_count(L, 2, 0);
	struct script_call call;
	ssize_t len;

	if (!script_call_begin(L, &call, 3))
		return 2;
	len = script_await_input(call.stream, count, call.deadline);
	script_wait_end(call.task);
	if (len >= 0 && (size_t)len < count)
		len = -ENODATA;
	if (len < 0)
		return script_failed(L, call.task, (int)len);
	return script_take(L, call.stream, count, 0);
}

/* conn:read_until(separator [, seconds [, most]]) */
static int
script_read_until(lua_State *L)
{
	size_t separator_len, most = script_check_count(L, 4, SCRIPT_LINE_MAX);
	const char *separator = luaL_checklstring(L, 2, &separator_len);
	struct script_call call;
	ssize_t len;

	luaL_argcheck(L, separator_len > 0, 2, "it is empty");
	if (!script_call_begin(L, &call, 3))
		return 2;
	len = script_await_separator(
	    call.stream, separator, separator_len, most, call.deadline);
	script_wait_end(call.task);
	if (len < 0)
		return script_failed(L, call.task, (int)len);
	return script_take(L, call.stream, (size_t)len, 0);
}

/* How much of its end is no part of a line: \n or \r\n. */
static size_t
script_line_end(struct bevhost_stream *stream, size_t len)
{
	char end[2] = { 0, 0 };
	struct evbuffer_ptr at;
	size_t count = len < 2 ? len : 2;

	evbuffer_ptr_set(
	    script_input(stream), &at, len - count, EVBUFFER_PTR_SET);
	evbuffer_copyout_from(script_input(stream), &at, end, count);
	return count == 2 && end[0] == '\r' ? 2 : 1;
}

/* conn:read_line([seconds [, most]]); the last line may lack its end. */
static int
script_read_line(lua_State *L)
{
	size_t most = script_check_count(L, 3, SCRIPT_LINE_MAX), have;
	struct script_call call;
	ssize_t len;

	if (!script_call_begin(L, &call, 2))
		return 2;
	len = script_await_separator(call.stream, "\n", 1, most, call.deadline);
	script_wait_end(call.task);
	if (len > 0)
		return script_take(L, call.stream, (size_t)len,
		    script_line_end(call.stream, (size_t)len));
	have = len == -ENODATA ? evbuffer_get_length(script_input(call.stream))
			       : 0;
	if (have == 0)
		return script_failed(L, call.task, (int)len);
	return script_take(L, call.stream, have, 0);
}

/* for line in conn:lines([seconds [, most]]) */
static int
script_next_line(lua_State *L)
{
	int i;

	lua_settop(L, 0);
	for (i = 1; i <= 3; i++)
		lua_pushvalue(L, lua_upvalueindex(i));
	return script_read_line(L);
}

static int
script_lines(lua_State *L)
{
	script_check_stream(L);
	lua_settop(L, 3);
	lua_pushcclosure(L, script_next_line, 3);
	return 1;
}

/* Writing */

static int
script_done(lua_State *L, struct script_task *task, int status)
{
	script_wait_end(task);
	if (status < 0)
		return script_failed(L, task, status);
	lua_pushboolean(L, 1);
	return 1;
}

/* conn:write(text [, seconds]) */
static int
script_write(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 2, &len);
	struct script_call call;
	struct evbuffer *output;
	int status = 0;

	if (!script_call_begin(L, &call, 3))
		return 2;
	output = bufferevent_get_output(bevhost_stream_bev(call.stream));
	/* One before has not waited for long enough. */
	if (evbuffer_get_length(output) > SCRIPT_OWED_MAX)
		status = bevhost_stream_drain(call.stream, call.deadline);
	if (status == 0)
		status =
		    bevhost_stream_write(call.stream, text, len, call.deadline);
	return script_done(L, call.task, status);
}

/* conn:drain([seconds]) */
static int
script_drain(lua_State *L)
{
	struct script_call call;

	if (!script_call_begin(L, &call, 2))
		return 2;
	return script_done(
	    L, call.task, bevhost_stream_drain(call.stream, call.deadline));
}

/* conn:write_eof([seconds]) */
static int
script_write_eof(lua_State *L)
{
	struct script_call call;

	if (!script_call_begin(L, &call, 2))
		return 2;
	return script_done(
	    L, call.task, bevhost_stream_write_eof(call.stream, call.deadline));
}

/* The life of a stream */

void
script_stream_unlink(struct script_stream *stream)
{
	if (stream->stream == NULL)
		return;
	stream->stream = NULL;
	*stream->link = stream->next;
	if (stream->next != NULL)
		stream->next->link = stream->link;
	if (stream->owner != NULL) {
		script_owner_give(
		    stream->task->script, stream->owner, SCRIPT_STREAM_BYTES);
		stream->owner = NULL;
	}
}

void
script_stream_forget(struct script_task *task)
{
	while (task->streams != NULL)
		script_stream_unlink(task->streams);
}

struct script_stream *
script_stream_push(lua_State *L)
{
	struct script_stream *stream = lua_newuserdatauv(L, sizeof(*stream), 0);

	memset(stream, 0, sizeof(*stream));
	luaL_setmetatable(L, SCRIPT_CONN);
	return stream;
}

void
script_stream_set(struct script_stream *stream, struct script_task *task,
    struct bevhost_stream *host)
{
	stream->stream = host;
	stream->task = task;
	stream->next = task->streams;
	stream->link = &task->streams;
	if (stream->next != NULL)
		stream->next->link = &stream->next;
	task->streams = stream;
}

/* One that the script has made and lost is closed; a client's is not its. */
static int
script_stream_gc(lua_State *L)
{
	struct script_stream *stream = script_check_stream(L);

	if (stream->owner != NULL)
		script_stream_close(stream, BEVHOST_CLOSE_FLUSH);
	script_stream_unlink(stream);
	return 0;
}

/* bevhost.connect(host, port [, seconds]) */
int
script_connect(lua_State *L)
{
	const char *host = luaL_checkstring(L, 1);
	lua_Integer port = luaL_optinteger(L, 2, 0);
	int64_t deadline = script_deadline(L, 3);
	struct script_task *task;
	struct script_owner *owner;
	struct script_stream *stream;
	struct bevhost_stream *made = NULL;
	int status;

	luaL_argcheck(L, port >= 0 && port <= 65535, 2, "it is no port");
	task = script_wait_begin(L);
	owner = &task->conn->owner;
	stream = script_stream_push(L);
	if (script_owner_take(task->script, owner, SCRIPT_STREAM_BYTES) < 0)
		return luaL_error(L, "not enough memory");
	status = bevhost_connect(host, (unsigned)port, deadline, &made);
	script_wait_end(task);
	if (status < 0) {
		script_owner_give(task->script, owner, SCRIPT_STREAM_BYTES);
		return script_failed(L, task, status);
	}
	stream->owner = owner;
	script_stream_set(stream, task, made);
	return 1;
}

/* What a connection has beside its methods, which are the upvalue. */
static int
script_index(lua_State *L)
{
	struct script_stream *stream = script_check_stream(L);
	struct bevhost_conn *conn;
	char text[BEVHOST_ADDRESS_SIZE];
	const char *name;

	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
		return 1;
	name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	conn =
	    stream->stream != NULL ? bevhost_stream_conn(stream->stream) : NULL;
	if (conn == NULL)
		return 1;
	if (strcmp(name, "client") == 0)
		lua_pushstring(
		    L, bevhost_conn_client_text(conn, text, sizeof(text)));
	else if (strcmp(name, "id") == 0)
		lua_pushinteger(L, (lua_Integer)bevhost_conn_id(conn));
	return 1;
}

void
script_open_stream(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "close", script_close },
		{ "drain", script_drain },
		{ "lines", script_lines },
		{ "read", script_read_some },
		{ "read_exactly", script_read_exactly },
		{ "read_line", script_read_line },
		{ "read_until", script_read_until },
		{ "set_reason", script_set_reason },
		{ "write", script_write },
		{ "write_eof", script_write_eof },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, SCRIPT_CONN);
	luaL_newlib(L, methods);
	lua_pushcclosure(L, script_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, script_stream_gc);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, script_stream_leave);
	lua_setfield(L, -2, "__close");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
