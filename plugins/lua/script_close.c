/* SPDX-License-Identifier: BSD-2-Clause */
/* How a connection ends by a script: its close, and what is said of it. */
#include "script.h"

#include <string.h>

#include <lauxlib.h>

void
script_stream_close(struct script_stream *stream, enum bevhost_close how)
{
	struct bevhost_stream *host = stream->stream;

	if (host == NULL)
		return;
	/* What is said to a client's afterwards is that it closes. */
	if (bevhost_stream_conn(host) == NULL)
		script_stream_unlink(stream);
	bevhost_stream_close(host, how);
}

/* conn:close(["now"]) */
int
script_close(lua_State *L)
{
	static const char *const hows[] = { "flush", "now", NULL };
	int how = luaL_checkoption(L, 2, "flush", hows);

	script_stream_close(script_check_stream(L),
	    how == 0 ? BEVHOST_CLOSE_FLUSH : BEVHOST_CLOSE_NOW);
	return 0;
}

/* local conn <close> = ... */
int
script_stream_leave(lua_State *L)
{
	script_stream_close(script_check_stream(L), BEVHOST_CLOSE_FLUSH);
	return 0;
}

/* A word of enum bevhost_reason, or 0. */
static enum bevhost_reason
script_find_reason(const char *word)
{
	unsigned reason;

	for (reason = BEVHOST_REASON_PEER; reason <= BEVHOST_REASON_LIFETIME;
	     reason++)
		if (strcmp(word,
			bevhost_reason_name((enum bevhost_reason)reason)) == 0)
			return (enum bevhost_reason)reason;
	return BEVHOST_REASON_NONE;
}

/* conn:set_reason(reason [, text]) */
int
script_set_reason(lua_State *L)
{
	struct bevhost_stream *stream = script_check_stream(L)->stream;
	struct bevhost_conn *conn =
	    stream != NULL ? bevhost_stream_conn(stream) : NULL;
	enum bevhost_reason reason = script_find_reason(luaL_checkstring(L, 2));
	const char *text = luaL_optstring(L, 3, NULL);

	luaL_argcheck(L, reason != BEVHOST_REASON_NONE, 2,
	    "it is no reason: see bevhost-close(3)");
	luaL_argcheck(L, stream == NULL || conn != NULL, 1,
	    "only a client's connection has one");
	if (conn != NULL)
		bevhost_conn_set_reason(
		    conn, reason, text != NULL ? "%s" : NULL, text);
	return 0;
}
