/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process serves: instances of plugins, the listeners that they have,
 * and the worker that runs both.
 */
#ifndef SERVE_H
#define SERVE_H

#include <stdint.h>

#include <bevhost/base.h>

#define SERVE_LISTENERS_MAX 4096

struct addr;
struct counters;
struct event_base;
struct serve;
struct settings;
struct sock;

/*
 * There is one in a process. Unless another thing is said, what returns an int
 * returns 0 or a sysexits code, having logged; serve_clear() is due either way.
 */

/* Of a worker group, or all when it is NULL; settings must outlive it. */
int serve_load(struct serve **serve, const struct settings *settings,
    const char *worker_group) BEVHOST_MUST_CHECK;

/* As plugin_provide(), before all others. */
void serve_provide(const char *word, const char *path, int fd);

/* As load_open_code(); -2 after the last. */
int serve_open_code(
    const struct serve *serve, int n, int *handler, const char **path);

/* Takes sock: its connections go to that handler of the settings. */
int serve_listen(struct serve *serve, int handler,
    const struct sock *sock) BEVHOST_MUST_CHECK;

/* No more sockets come: asks each instance whether it could serve. */
int serve_ready(struct serve *serve) BEVHOST_MUST_CHECK;

/* What a worker of a master has, and one alone has not. */
struct serve_managed {
	volatile int64_t *beat;
	struct counters *counters;
};

/* Makes the worker and starts everything; it accepts unless it is managed. */
int serve_start(struct serve *serve,
    const struct serve_managed *managed) BEVHOST_MUST_CHECK;

/* What it has loaded, for confine(). */
struct load;
const struct load *serve_loaded(const struct serve *serve);

struct event_base *serve_base(struct serve *serve);

/* Serves until it is stopped. */
int serve_run(struct serve *serve) BEVHOST_MUST_CHECK;

/*
 * Takes one more socket while it serves. Returns -1, and leaves sock, when it
 * has that one already, has not the handler, or is about to end.
 */
int serve_borrow(struct serve *serve, int handler, const struct sock *sock);

/* A managed one accepts from now on. */
void serve_accept(struct serve *serve);
/* Accepts no more for a handler. */
void serve_pause(struct serve *serve, int handler);
/* Nobody goes on with the sockets that are bound to this address. */
void serve_leave(struct serve *serve, const char *address);

/*
 * Before a connection is one: whether another process takes it, of which
 * `take` says 1 then, having sent or closed fd; it gets the listener's address
 * as text. NULL: nobody.
 */
void serve_set_taker(int (*take)(const char *address, int fd));
/* One that was sent has a place in the other process: it needs none here. */
void serve_return_place(struct serve *serve, const char *address);
/* A connection that another process accepted at this address; closes fd when
   it has no listener there. */
void serve_take(struct serve *serve, const char *address, int fd);

/* As the worker_* of the same names. */
void serve_retire(struct serve *serve, int64_t timeout_ms);
void serve_drain(struct serve *serve);
void
serve_drain_within(struct serve *serve, int64_t timeout_ms, int64_t spread_ms);
void serve_stop(struct serve *serve);

/* Where its n-th listener is bound, and the plugin; NULL after the last. */
const struct addr *
serve_address(const struct serve *serve, int n, const char **plugin);

/* Stops and frees all but what handlers hold on to. NULL is nothing. */
void serve_clear(struct serve *serve);

#endif
