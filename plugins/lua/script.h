/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the plugin have in common. A script is an instance: one
 * Lua state, in which each task of each connection has a thread.
 *
 * Each such thread runs on a stack of the host's tasks, and conn:read() and its
 * like simply call what waits there. Lua's own lua_yieldk() and lua_resume()
 * would do without the stack, but every wait would cost a throw: 61 ns a round
 * trip, where switching stacks takes 21, measured side by side; nothing could
 * wait inside of a sort's or a gsub's function; and connecting and children,
 * which are for tasks alone, would have to be made again. In return a Lua
 * thread is only ever used on its own C stack, and an error never leaves it:
 * each begins with a lua_pcall().
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include <bevhost/task.h>

/* Lua calls nothing deeper than 200 C functions; the deepest are those of
   string.gsub, by its function, and of load. Touched pages alone cost. */
#define SCRIPT_STACK_BYTES ((size_t)1024 * 1024)

/* What a task or a stream costs outside of Lua's memory, about. */
#define SCRIPT_TASK_BYTES   ((size_t)16 * 1024)
#define SCRIPT_STREAM_BYTES ((size_t)4 * 1024)

/* Who pays for memory: the script itself, or a connection. */
struct script_owner {
	size_t bytes, limit; /* limit 0: none */
	size_t due;	     /* with more, garbage is looked for */
	unsigned cycle;	     /* of the collector's, when that was set */
	unsigned refs;	     /* with 0, and with no bytes, it is freed */
};

enum script_allow {
	SCRIPT_ALLOW_FILES,
	SCRIPT_ALLOW_PROCESSES,
	SCRIPT_ALLOW_MODULES
};

/* param=NAME=VALUE */
struct script_param {
	struct script_param *next;
	char *value; /* after the '\0' of the name */
	char name[];
};

struct script {
	const char *path;
	int64_t memory_bytes, instructions, cpu_time_ms;
	unsigned allowed; /* bits, by enum script_allow */
	struct script_param *params;
	lua_State *L;		     /* the main thread: it never waits */
	struct script_task *running; /* or NULL: the script is loaded */
	struct script_owner *owner;  /* of what is allocated now */
	struct script_owner core;    /* of what Lua and this plugin share */
	struct script_owner own;     /* of what the script made at its start */
	size_t bytes;		     /* of all */
	int64_t load_left;	     /* instructions, while it is loaded */
	unsigned cycles;	/* of the collector's, that ended, from 1 */
	unsigned hurried;	/* that was cycles when one was begun */
	int status_fd, filters; /* of system calls, at the start */
	unsigned knows_filters : 1;
	unsigned pressed : 1; /* the collector may have to hurry, or not */
	char where[128];      /* that a limit of memory was met */
};

struct script_conn {
	struct script_owner owner; /* first: freed when nothing is left of it */
	struct script *script;
	struct bevhost_stream *stream;
	unsigned failures; /* of its tasks */
	unsigned has_globals : 1;
};

/* A thread of Lua on a task of the host's: of a connection, or a child. */
struct script_task {
	struct script *script;
	struct script_conn *conn;
	lua_State *L;
	struct script_stream *streams; /* those that it opened */
	int64_t id;		       /* of a child */
	int64_t left, full;	       /* instructions before it must wait */
	int64_t turn;		       /* those since others had theirs */
	int64_t wall_ms, cpu_ns;       /* when it began, or 0: not noted yet */
	const char *stopped;	       /* why, if a limit stopped it */
	int args, vain;		       /* waits after it was cancelled */
	unsigned refs;
	unsigned told : 1; /* that it is cancelled */
	unsigned failed : 1;
};

/* As a userdata. */
struct script_stream {
	struct bevhost_stream *stream; /* NULL: closed */
	struct script_task *task;
	struct script_stream *next, **link;
	struct script_owner *owner; /* who pays for an outbound one, or NULL */
};

/* script_memory.c: for lua_newstate(), with the script. */
void *script_alloc(void *script, void *block, size_t old_size, size_t size);
/* For what is not Lua's. 0, or -ENOMEM beyond the limit. */
int script_owner_take(
    struct script *script, struct script_owner *owner, size_t bytes);
void script_owner_give(
    struct script *script, struct script_owner *owner, size_t bytes);
void script_owner_release(struct script_owner *owner);

/* script_collect.c: after script_owner_take() has set script->pressed. */
void script_collect(lua_State *L);
/* It has more than was due, or another cycle has ended. */
void script_collect_due(struct script *script, struct script_owner *owner);
void script_open_collect(lua_State *L);

/* script_limits.c */
struct script *script_of(lua_State *L);
/* Counts, or stops the thread by an error. */
void script_charge(lua_State *L, int64_t instructions);
/* The same, and looks at the clock. */
void script_spend(lua_State *L, int64_t instructions);
/* What is left to charge, for those who count themselves. */
int64_t *script_left(struct script *script);
_Noreturn void script_stop(lua_State *L);
/* The limits of a thread begin anew: it was just made, or has waited. */
void script_watch(struct script *script, lua_State *L);
void script_refill(struct script_task *task);

/* script_task.c: the plugin's run. */
int script_run(struct bevhost_stream *stream, void *script);
/* The task that may wait now, or an error. */
struct script_task *script_wait_begin(lua_State *L);
void script_wait_end(struct script_task *task);
/* Pushes nil and a word for a negative errno; raises what nobody may miss. */
int script_failed(lua_State *L, struct script_task *task, int status);
int script_spawn(lua_State *L);
void script_open_task(lua_State *L);

/* script_stream.c */
void script_open_stream(lua_State *L);
/* Pushes a new one, closed as yet. */
struct script_stream *script_stream_push(lua_State *L);
void script_stream_set(struct script_stream *stream, struct script_task *task,
    struct bevhost_stream *host);
/* Those of a task that ends. */
void script_stream_forget(struct script_task *task);
void script_stream_unlink(struct script_stream *stream);
/* The first argument, or an error. */
struct script_stream *script_check_stream(lua_State *L);

/* script_close.c: methods, and what they have in common. */
void script_stream_close(struct script_stream *stream, enum bevhost_close how);
int script_close(lua_State *L);
int script_stream_leave(lua_State *L);
int script_set_reason(lua_State *L);
int script_connect(lua_State *L);

/* script_string.c: find, match, gmatch and gsub, into the table on top. */
void script_open_match(lua_State *L);

/* script_globals.c: what a script finds, but not more than it may use. */
void script_open_globals(lua_State *L);
/* The global of that name as the script has made it: pushed. */
void script_push_global(lua_State *L, const char *name);
/* The table on top becomes a view of it, through which nobody can write. */
void script_push_view(lua_State *L);
/* Raises that. Metatables of what is shared have the key. */
int script_refuse_write(lua_State *L);
extern const char script_guarded;

/* script_text.c: load */
int script_load(lua_State *L);

/* script_wrap.c: in the library on top, what takes the place of Lua's own. */
void script_wrap_programs(lua_State *L, const char *name);
/* For those: before there may be a sandbox. */
void script_note_filters(struct script *script);
void script_wrap_base(lua_State *L);
void script_wrap_coroutine(lua_State *L);
void script_wrap_string(lua_State *L);
void script_wrap_table(lua_State *L);

/* script_host.c: the table bevhost, and print. */
void script_push_host(lua_State *L);
int script_print(lua_State *L);
/* What scripts call an errno. */
const char *script_word(int error);
/* Seconds at an index, or for ever, as a deadline. */
int64_t script_deadline(lua_State *L, int index);

/* script_load.c. Each returns 0, or -1 after bevhost_error(). */
int script_read(struct script *script);
int script_start(struct script *script);

#endif
