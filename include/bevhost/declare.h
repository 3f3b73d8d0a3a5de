/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a plugin is made of. <bevhost/plugin.h> includes it.
 */
#ifndef BEVHOST_DECLARE_H
#define BEVHOST_DECLARE_H

#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <event2/bufferevent.h>

#include <bevhost/types.h>

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

/* A timer has fired: see plugin.h. */
typedef void (*bevhost_timer_cb)(struct bevhost_conn *conn, void *state);

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

	const struct bevhost_manifest *manifest; /* see its header; or NULL */
	void (*reserved[2])(void); /* for freeze and thaw: must be NULL */
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
		(plugin).struct_size = sizeof(struct bevhost_plugin);         \
		(plugin).api_version = BEVHOST_API_VERSION;                   \
		(plugin).libevent_version = EVENT__NUMERIC_VERSION;           \
		(plugin).param_size = (uint32_t)sizeof(struct bevhost_param); \
		return &(plugin);                                             \
	}

#endif /* BEVHOST_DECLARE_H */
