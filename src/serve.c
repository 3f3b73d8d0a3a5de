/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Brings up in order what a process serves, and passes on what becomes of it:
 * whoever is above needs to know neither listeners nor instances.
 */
#include "serve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "listener.h"
#include "load.h"
#include "log.h"
#include "worker.h"

struct serve {
	struct load load;
	struct listener *listeners;
	int listener_count;
	struct worker worker;
};

int
serve_load(struct serve **serve, const struct settings *settings,
    const char *worker_group)
{
	int status;

	*serve = calloc(1, sizeof(**serve));
	if (*serve != NULL)
		(*serve)->listeners =
		    calloc(SERVE_LISTENERS_MAX, sizeof(*(*serve)->listeners));
	if (*serve == NULL || (*serve)->listeners == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%m");
		return EX_OSERR;
	}
	status = load_all(&(*serve)->load, settings, worker_group);
	plugin_forget_provided();
	return status;
}

void
serve_provide(const char *word, const char *path, int fd)
{
	plugin_provide(word, path, fd);
}

int
serve_open_code(
    const struct serve *serve, int n, int *handler, const char **path)
{
	return n < serve->load.count
		   ? load_open_code(&serve->load, n, handler, path)
		   : -2;
}

int
serve_listen(struct serve *serve, int handler, const struct sock *sock)
{
	struct bevhost_instance *instance = load_find(&serve->load, handler);

	if (instance == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "a socket for handler %d, which is not there", handler);
		return EX_SOFTWARE;
	}
	if (serve->listener_count == SERVE_LISTENERS_MAX) {
		log_write(BEVHOST_LOG_ERROR, NULL, "more than %d listeners",
		    SERVE_LISTENERS_MAX);
		return EX_USAGE;
	}
	listener_init(
	    &serve->listeners[serve->listener_count++], sock, instance);
	return 0;
}

int
serve_ready(struct serve *serve)
{
	return load_ready(&serve->load);
}

int
serve_start(struct serve *serve, const struct serve_managed *managed)
{
	struct worker_settings settings;

	load_worker_settings(&serve->load, &settings);
	if (managed != NULL) {
		settings.managed = 1;
		settings.beat = managed->beat;
		settings.counters = managed->counters;
	}
	return worker_init(&serve->worker, &settings, serve->load.instances,
		   serve->load.count, serve->listeners,
		   serve->listener_count) < 0
		   ? EX_CONFIG
		   : 0;
}

const struct load *
serve_loaded(const struct serve *serve)
{
	return &serve->load;
}

static int
serve_has_socket(const struct serve *serve, const struct sock *sock)
{
	struct stat one, two;
	int i;

	if (fstat(sock->fd, &one) < 0)
		return 1;
	for (i = 0; i < serve->listener_count; i++)
		if (serve->listeners[i].sock.fd >= 0 &&
		    fstat(serve->listeners[i].sock.fd, &two) == 0 &&
		    one.st_ino == two.st_ino)
			return 1;
	return 0;
}

/* Somebody may have paused its handler. */
static int
serve_is_paused(
    const struct serve *serve, const struct bevhost_instance *instance)
{
	int i;

	for (i = 0; i < serve->listener_count; i++)
		if (serve->listeners[i].instance == instance &&
		    serve->listeners[i].paused)
			return 1;
	return 0;
}

int
serve_borrow(struct serve *serve, int handler, const struct sock *sock)
{
	struct bevhost_instance *instance = load_find(&serve->load, handler);
	struct listener *listener = &serve->listeners[serve->listener_count];

	if (instance == NULL || serve->listener_count == SERVE_LISTENERS_MAX ||
	    serve->worker.drain.phase != DRAIN_NOT ||
	    serve_has_socket(serve, sock))
		return -1;
	listener_init(listener, sock, instance);
	if (serve_is_paused(serve, instance))
		listener_pause(listener);
	serve->worker.listener_count = ++serve->listener_count;
	/* One that cannot start is there without accepting, and is cleared as
	   the others are. */
	(void)!listener_start(listener, serve->worker.conns);
	return 0;
}

struct event_base *
serve_base(struct serve *serve)
{
	return serve->worker.base;
}

int
serve_run(struct serve *serve)
{
	return worker_run(&serve->worker) < 0 ? EX_SOFTWARE : 0;
}

void
serve_accept(struct serve *serve)
{
	int i;

	if (serve->worker.drain.phase != DRAIN_NOT)
		return;
	for (i = 0; i < serve->listener_count; i++)
		listener_resume(&serve->listeners[i]);
}

void
serve_pause(struct serve *serve, int handler)
{
	const struct bevhost_instance *instance =
	    load_find(&serve->load, handler);
	int i;

	for (i = 0; i < serve->listener_count; i++)
		if (serve->listeners[i].instance == instance)
			listener_pause(&serve->listeners[i]);
}

void
serve_leave(struct serve *serve, const char *address)
{
	char text[ADDR_TEXT_SIZE];
	int i;

	for (i = 0; i < serve->listener_count; i++) {
		listener_text(&serve->listeners[i], text, sizeof(text));
		if (strcmp(text, address) == 0)
			serve->listeners[i].leaving = 1;
	}
}

static int (*serve_taker)(const char *address, int fd);

static int
serve_ask_taker(const struct listener *listener, int fd)
{
	char text[ADDR_TEXT_SIZE];

	return serve_taker(listener_text(listener, text, sizeof(text)), fd);
}

void
serve_set_taker(int (*take)(const char *address, int fd))
{
	serve_taker = take;
	listener_set_taker(take != NULL ? serve_ask_taker : NULL);
}

/* The first that is bound there: they are all the same. */
static struct listener *
serve_find(struct serve *serve, const char *address)
{
	char text[ADDR_TEXT_SIZE];
	int i;

	for (i = 0; i < serve->listener_count; i++)
		if (strcmp(
			listener_text(&serve->listeners[i], text, sizeof(text)),
			address) == 0)
			return &serve->listeners[i];
	return NULL;
}

void
serve_return_place(struct serve *serve, const char *address)
{
	struct listener *listener = serve_find(serve, address);

	if (listener != NULL)
		listener_return_place(listener);
}

void
serve_take(struct serve *serve, const char *address, int fd)
{
	struct listener *listener = serve_find(serve, address);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	/* A peer that has gone has no name, and wants nothing more. */
	if (listener == NULL || serve->worker.drain.phase == DRAIN_CUT ||
	    getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		close(fd);
	else
		listener_take_other(
		    listener, fd, (struct sockaddr *)&peer, len);
}

void
serve_retire(struct serve *serve, int64_t timeout_ms)
{
	worker_retire(&serve->worker, timeout_ms);
}

void
serve_drain(struct serve *serve)
{
	worker_drain(&serve->worker);
}

void
serve_drain_within(struct serve *serve, int64_t timeout_ms, int64_t spread_ms)
{
	serve->worker.drain.timeout_ms = timeout_ms;
	serve->worker.drain.spread_ms = spread_ms;
	worker_drain(&serve->worker);
}

void
serve_stop(struct serve *serve)
{
	worker_stop(&serve->worker);
}

const struct addr *
serve_address(const struct serve *serve, int n, const char **plugin)
{
	if (n >= serve->listener_count)
		return NULL;
	*plugin = instance_name(serve->listeners[n].instance);
	return &serve->listeners[n].sock.bound;
}

void
serve_clear(struct serve *serve)
{
	int i;

	if (serve == NULL || worker_clear(&serve->worker) < 0)
		return;
	for (i = 0; i < serve->listener_count; i++)
		listener_clear(&serve->listeners[i]);
	load_clear(&serve->load);
	free(serve->listeners);
	free(serve);
}
