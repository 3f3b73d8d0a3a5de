/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a file to a state with a function serve. The file is read and compiled
 * while the worker may still read everything; what it says at its top runs once
 * privileges are dropped. What is wrong is said with its line and column.
 */
#include "script.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#define SCRIPT_FILE_MAX ((size_t)16 * 1024 * 1024)

/* Under this key of the registry the compiled file waits for its start. */
static const char script_main_key;

/* The text, as it is handed to Lua byte by byte: so it is known where that
   was when it gave up. */
struct script_source {
	char *text;
	size_t len, at;
	int ended; /* and it was told so */
};

/* The file */

static int
script_read_fd(int fd, struct script_source *source, size_t size)
{
	ssize_t count;

	source->text = malloc(size + 1);
	if (source->text == NULL)
		return -ENOMEM;
	while (source->len < size) {
		count =
		    read(fd, source->text + source->len, size - source->len);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		source->len += (size_t)count;
	}
	return 0;
}

/* A name of a pipe or a device would wait, or never end. */
static int
script_read_file(const char *path, struct script_source *source)
{
	struct stat file;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &file) < 0)
		status = -errno;
	else if (S_ISDIR(file.st_mode))
		status = -EISDIR;
	else if (!S_ISREG(file.st_mode))
		status = -ENODEV;
	else if (file.st_size > (off_t)SCRIPT_FILE_MAX)
		status = -EFBIG;
	else
		status = script_read_fd(fd, source, (size_t)file.st_size);
	close(fd);
	return status;
}

static const char *
script_reader(lua_State *L, void *arg, size_t *size)
{
	struct script_source *source = arg;

	(void)L;
	*size = source->at < source->len;
	source->ended = *size == 0;
	return *size ? source->text + source->at++ : NULL;
}

/* What is no Lua: the mark of UTF-8, and a first line that begins with #. */
static void
script_skip_first(struct script_source *source)
{
	static const char mark[] = "\xef\xbb\xbf";
	const char *end;

	if (source->len >= 3 && memcmp(source->text, mark, 3) == 0)
		source->at = 3;
	if (source->at >= source->len || source->text[source->at] != '#')
		return;
	end = memchr(source->text + source->at, '\n', source->len - source->at);
	source->at = end != NULL ? (size_t)(end - source->text) : source->len;
}

/* What is wrong */

/*
 * Where Lua had got to, if that is in the line that it names: it has read one
 * byte beyond the word that it could not bear, which it quotes at the end.
 * Returns the column of that word, from 1, or 0.
 */
static size_t
script_column(const struct script_source *source, const char *message, int line)
{
	size_t end = source->at - (source->at > 0 && !source->ended), from = 0;
	size_t len, i;
	const char *word = strstr(message, " near '"), *quote;
	int lines = 1;

	for (i = 0; i < end; i++)
		if (source->text[i] == '\n' && ++lines)
			from = i + 1;
	if (lines != line || strstr(message, " near ") == NULL)
		return 0;
	quote = strrchr(message, '\'');
	if (word == NULL || quote <= word + 7)
		return end - from + 1;
	len = (size_t)(quote - (word + 7));
	for (i = end; i >= from + len; i--)
		if (memcmp(source->text + i - len, word + 7, len) == 0)
			return i - len - from + 1;
	return 0;
}

/* NAME:LINE: what, as Lua says it, with the column after the line. */
static void
script_say_wrong(const struct script_source *source, const char *message)
{
	const char *at = strchr(message, ':');
	char *end = NULL;
	long line = 0;
	size_t column = 0;

	/* A name may have a : in it. */
	for (; at != NULL; at = strchr(at + 1, ':')) {
		line = strtol(at + 1, &end, 10);
		if (end > at + 1 && *end == ':')
			break;
	}
	if (at != NULL)
		column = script_column(source, message, (int)line);
	if (column > 0)
		bevhost_error(
		    "%.*s:%zu%s", (int)(end - message), message, column, end);
	else
		bevhost_error("%s", message);
}

/* What lua_pcall() has left, which goes. */
static void
script_say_failed(lua_State *L)
{
	const char *text = lua_type(L, -1) == LUA_TSTRING
			       ? lua_tostring(L, -1)
			       : "an error that is no text";
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		bevhost_error("%s%.*s", text[0] == '\t' ? "    " : "",
		    (int)len - (text[0] == '\t'), text + (text[0] == '\t'));
	}
	lua_pop(L, 1);
}

/* Compiling */

/* Protected. */
static int
script_setup(lua_State *L)
{
	script_open_collect(L);
	script_open_globals(L);
	return 0;
}

static int
script_compile(lua_State *L)
{
	struct script_source *source = lua_touserdata(L, 1);
	const struct script *script = script_of(L);

	lua_pushfstring(L, "@%s", script->path);
	if (lua_load(L, script_reader, source, lua_tostring(L, -1), "t") !=
	    LUA_OK)
		return lua_error(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &script_main_key);
	return 0;
}

static int
script_make_state(struct script *script)
{
	script->cycles = 1;
	script->core.refs = script->own.refs = 1;
	script->owner = &script->core;
	script->L = lua_newstate(script_alloc, script);
	if (script->L == NULL) {
		bevhost_error("not enough memory");
		return -1;
	}
	script_watch(script, script->L);
	lua_pushcfunction(script->L, script_setup);
	if (lua_pcall(script->L, 0, 0, 0) == LUA_OK)
		return 0;
	script_say_failed(script->L);
	return -1;
}

static int
script_read_source(struct script *script, struct script_source *source)
{
	lua_State *L = script->L;

	if (source->len >= 4 && memcmp(source->text, LUA_SIGNATURE, 4) == 0) {
		bevhost_error(
		    "%s: it is compiled: give the source", script->path);
		return -1;
	}
	script_skip_first(source);
	script->owner = &script->own;
	lua_pushcfunction(L, script_compile);
	lua_pushlightuserdata(L, source);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK)
		return 0;
	script_say_wrong(source, lua_tostring(L, -1));
	lua_pop(L, 1);
	return -1;
}

/* C modules want Lua's functions, which came with this plugin alone. */
static void
script_share_lua(void)
{
	Dl_info lua;
	void *shared = NULL;

	/* It stays: this only says who else may see it. */
	if (dladdr((void *)(uintptr_t)lua_newstate, &lua) != 0)
		shared =
		    dlopen(lua.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
	if (shared == NULL)
		bevhost_log(
		    BEVHOST_LOG_WARNING, "modules in C may not find Lua");
}

int
script_read(struct script *script)
{
	struct script_source source = { NULL, 0, 0, 0 };
	int status = script_read_file(script->path, &source);

	/* A sandbox would not let os.date() do it. */
	tzset();
	if (script->allowed >> SCRIPT_ALLOW_MODULES & 1)
		script_share_lua();
	if (status < 0) {
		errno = -status;
		bevhost_error("cannot read '%s': %m", script->path);
	} else {
		status = script_make_state(script);
		if (status == 0)
			status = script_read_source(script, &source);
	}
	free(source.text);
	return status < 0 ? -1 : 0;
}

/* Starting */

static int
script_on_start_error(lua_State *L)
{
	luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
	return 1;
}

/* Protected: what the file says, and what it has to have said. */
static int
script_main(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &script_main_key);
	lua_call(L, 0, 0);
	return 0;
}

static int
script_find_serve(lua_State *L)
{
	script_push_global(L, "serve");
	if (lua_type(L, -1) != LUA_TFUNCTION)
		return luaL_error(L, "%s: it has no function serve(conn)",
		    script_of(L)->path);
	return 0;
}

int
script_start(struct script *script)
{
	lua_State *L = script->L;
	int status;

	if (script->allowed >> SCRIPT_ALLOW_PROCESSES & 1)
		script_note_filters(script);
	script_watch(script, L);
	lua_pushcfunction(L, script_on_start_error);
	lua_pushcfunction(L, script_main);
	status = lua_pcall(L, 0, 0, -2);
	lua_remove(L, status == LUA_OK ? -1 : -2);
	if (status == LUA_OK) {
		lua_pushcfunction(L, script_find_serve);
		status = lua_pcall(L, 0, 0, 0);
	}
	if (status == LUA_OK)
		return 0;
	script_say_failed(L);
	return -1;
}
