/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a plugin is made of and what it may call. C99 and later, C++11 and
 * later. The guide to it is the manual page bevhost-plugin(3).
 *
 * Every function here is called from the loop's thread: from a callback of
 * the plugin, or from an event on the base that `start` was given.
 *
 * API changes, newest first:
 *   1  the first.
 */
#ifndef BEVHOST_PLUGIN_H
#define BEVHOST_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/bufferevent.h>

#include <bevhost/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The API that a plugin is written for: define it before the include. */
#ifndef BEVHOST_API_VERSION
#define BEVHOST_API_VERSION 1
#endif
#if BEVHOST_API_VERSION != 1
#error "this <bevhost/plugin.h> knows BEVHOST_API_VERSION 1 only"
#endif

struct bevhost_conn;	  /* one accepted connection */
struct bevhost_instance;  /* a plugin configured for its listeners */
struct bevhost_timer;	  /* a timer that ends with its connection */
struct bevhost_generator; /* the head of a generator's frame */
struct bevhost_stream;	  /* a task's waiting view of a connection */

/*
 * A plugin. Only `name` and one model must be set: one of read, write and
 * event, or generate, or run. It lives as long as the process and is the same
 * for all its instances.
 *
 * The calls of an instance, in order: create, config for each KEY=VALUE,
 * ready, start, self_test; then its connections; then stop and destroy. Those
 * that return int return 0, or -1 after bevhost_error(), which ends the start.
 *
 * The calls of a connection, in order: admit, open; then read, write, event,
 * drain as they come; then close, once and last if open returned 0, from the
 * loop and never inside a call that the handler made.
 */
struct bevhost_plugin {
	uint32_t struct_size, api_version, libevent_version, param_size;

	const char *name;		    /* lower case, digits and - */
	const char *version;		    /* its own, or NULL */
	const char *summary;		    /* one line, or NULL */
	const struct bevhost_param *params; /* or NULL: config takes all */
	const char *bare_param; /* the key of a first word without KEY= */
	size_t self_size;	/* zeroed memory for self, unless create */
	size_t state_size;	/* zeroed memory for each state: open finds
				   it in *state; freed after close */

	int (*create)(struct bevhost_instance *instance, void **self);
	/* value has passed the checks of its declaration. */
	int (*config)(void *self, const char *key, const char *value);
	int (*ready)(void *self); /* all is known; still privileged */
	int (*start)(void *self, struct event_base *base);
	void (*stop)(void *self); /* after the last connection's close */
	void (*destroy)(void *self);

	/* 1 takes the connection, 0 refuses it before it cost anything. */
	int (*admit)(void *self, const struct bevhost_conn *conn);
	/* 0, or -1: the connection is closed, and close is not called. */
	int (*open)(void *self, struct bevhost_conn *conn,
	    struct bufferevent *bev, void **state);
	/*
	 * As libevent documents them, with the state as their argument. No
	 * event: end of file flushes and closes, errors and timeouts close.
	 */
	bufferevent_data_cb read, write;
	bufferevent_event_cb event;
	/*
	 * The host stops, or other code takes over: please finish. Called once.
	 * Without it a connection is closed when it is idle: no input waits,
	 * the output is sent, reading is enabled, and it has no pending timer
	 * and no hold. The host's time is limited.
	 */
	void (*drain)(void *state);
	void (*close)(void *state, enum bevhost_reason reason);

	/*
	 * The other models, one of which may stand in place of read, write and
	 * event: a generator with its frame's size (<bevhost/generator.h>), or
	 * an async function with its stack's size, 0 for the host's default
	 * (<bevhost/task.h>). For these drain gets the frame or the stream, and
	 * close the frame or NULL.
	 */
	enum bevhost_op (*generate)(struct bevhost_generator *generator);
	size_t frame_size;
	int (*run)(struct bevhost_stream *stream, void *self);
	size_t stack_size;

	/* After every instance's start, before anything is accepted: can it do
	   its work? -1 ends the start, or takes a reload back. */
	int (*self_test)(void *self);

	/* For freeze and thaw, manifest: must be NULL. */
	void (*reserved[3])(void);
};

/* The one symbol that a plugin exports. Fills in the first four fields. */
#ifdef __cplusplus
#define BEVHOST_EXTERN_C extern "C"
#else
#define BEVHOST_EXTERN_C
#endif
#define BEVHOST_PLUGIN(plugin)                                                \
	BEVHOST_EXTERN_C BEVHOST_EXPORT struct bevhost_plugin *               \
	bevhost_plugin_init(void);                                            \
	struct bevhost_plugin *bevhost_plugin_init(void)                      \
	{                                                                     \
		(plugin).struct_size = (uint32_t)sizeof(plugin);              \
		(plugin).api_version = BEVHOST_API_VERSION;                   \
		(plugin).libevent_version = EVENT__NUMERIC_VERSION;           \
		(plugin).param_size = (uint32_t)sizeof(struct bevhost_param); \
		return &(plugin);                                             \
	}

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/*
 * Connections
 *
 * A handler never calls bufferevent_free, bufferevent_setcb,
 * bufferevent_setfd or a function for rate limits on its bev; all else works
 * as libevent documents it.
 */

/* The connection of a bev that open, read, write or event was given. */
struct bevhost_conn *bevhost_conn_of(struct bufferevent *bev);

/* Valid until close returns. NULL in admit. */
struct bufferevent *bevhost_conn_bev(const struct bevhost_conn *conn);

/* What create or self_size made, and what open or state_size made. */
void *bevhost_conn_self(const struct bevhost_conn *conn);
void *bevhost_conn_state(const struct bevhost_conn *conn);

/* A number that no other connection of this worker has or had; from 1. */
uint64_t bevhost_conn_id(const struct bevhost_conn *conn);

/*
 * Ends the connection with reason `handler`. Returns at once; afterwards
 * nothing of the handler is called but close, and writes to the bev fail.
 * A second call does nothing, except that NOW overtakes FLUSH.
 */
void bevhost_conn_close(struct bevhost_conn *conn, enum bevhost_close how);

/* 1 once the connection has a reason to close, else 0. */
int bevhost_conn_is_closing(const struct bevhost_conn *conn);

/* Replaces read, write and event, each of which may be NULL; not the state. */
void
bevhost_conn_set_callbacks(struct bevhost_conn *conn, bufferevent_data_cb read,
    bufferevent_data_cb write, bufferevent_event_cb event);

/*
 * Reading pauses while more than `bytes` wait to be sent, and goes on when
 * half of them are gone. 1 MiB unless set; 0 turns it off.
 */
void bevhost_conn_set_write_watermark(struct bevhost_conn *conn, size_t bytes);

/*
 * Keeps conn, bev and state, and puts close off until as many calls of
 * release: for work that outlives a callback. The connection may end in the
 * meantime (see bevhost_conn_is_closing). Release is called from the loop.
 */
void bevhost_conn_hold(struct bevhost_conn *conn);
void bevhost_conn_release(struct bevhost_conn *conn);

/*
 * Addresses. The peer is the far end of the socket, the client the far end
 * for whom it speaks. The result lives as long as the connection; *len gets
 * its size in bytes. A peer on a unix socket has no name: AF_UNIX alone.
 */
const struct sockaddr *
bevhost_conn_client(const struct bevhost_conn *conn, socklen_t *len);
const struct sockaddr *
bevhost_conn_peer(const struct bevhost_conn *conn, socklen_t *len);
/* Copies into *addr. Returns its size, or a negative errno. */
int bevhost_conn_local(
    const struct bevhost_conn *conn, struct sockaddr_storage *addr);
/* Writes 192.0.2.1:80, [2001:db8::1]:80 or unix: and returns buf. */
#define BEVHOST_ADDRESS_SIZE 128
char *bevhost_conn_client_text(
    const struct bevhost_conn *conn, char *buf, size_t size);

/*
 * Timers of a connection: none fires once it closes, and all are freed with
 * it. The callback gets the connection's state.
 */
typedef void (*bevhost_timer_cb)(struct bevhost_conn *conn, void *state);
/* NULL with errno when there is no memory or the connection closes. */
struct bevhost_timer *bevhost_timer_new(
    struct bevhost_conn *conn, bevhost_timer_cb cb) BEVHOST_MUST_CHECK;
/* Once, `timeout_ms` milliseconds from now (0 or more), or a negative errno.
   A running one starts anew. */
int bevhost_timer_start(struct bevhost_timer *timer, int64_t timeout_ms);
void bevhost_timer_stop(struct bevhost_timer *timer);
void bevhost_timer_free(struct bevhost_timer *timer);

/*
 * Instances
 */

/* How the log calls it: its plugin's name. */
const char *bevhost_instance_name(const struct bevhost_instance *instance);

/*
 * Log. One line, no newline at its end; %m is strerror(errno), and errno is
 * kept. The host adds the plugin whose callback runs and the connection, and
 * escapes what is not printable. An event of the plugin's own runs without
 * the host knowing: there, say whose line it is, or use bevhost_conn_log.
 */
void bevhost_log(enum bevhost_level level, const char *format, ...)
    BEVHOST_PRINTF(2, 3);
void bevhost_conn_log(const struct bevhost_conn *conn, enum bevhost_level level,
    const char *format, ...) BEVHOST_PRINTF(3, 4);
/* Says why a call returns -1; as bevhost_log(BEVHOST_LOG_ERROR, ...). */
void bevhost_error(const char *format, ...) BEVHOST_PRINTF(1, 2);
/* 1 when the level is shown: spares the work of making its text. */
int bevhost_log_enabled(enum bevhost_level level);

/* Milliseconds of the monotonic clock, and the moment that is ms from now:
   for the deadlines of generators and tasks. */
int64_t bevhost_now_ms(void);
int64_t bevhost_after_ms(int64_t ms);

/* The word for a reason: peer, handler, reset, ... */
const char *bevhost_reason_name(enum bevhost_reason reason);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* BEVHOST_PLUGIN_H */
