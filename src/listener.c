/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accepting, which is done here and not by an evconnlistener, because there
 * must be a place for a connection before there is the connection. Without one
 * the listener rests, and clients wait in the socket. Whatever accept fails
 * with is taken to pass (accept(2) lists errors of the new connection's own
 * network): the listener rests for a moment, or until a connection ends, and
 * the log says so at most once a second.
 */
#include "listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "approach.h"
#include "conns.h"
#include "gate_place.h"
#include "log.h"
#include "seldom.h"
#include "settings.h"
#include "sock_keepalive.h"

#define LISTENER_REST_MS 100
#define LISTENER_LOG_MS	 1000
#define LISTENER_BATCH	 256 /* then others have their turn */

/* More do not wait in one socket, unless they go on coming. */
#define LISTENER_LAST_MAX 8192

/* Of all listeners: they fail together when descriptors run out. */
static struct seldom listener_errors;

static int (*listener_taker)(const struct listener *listener, int fd);

char *
listener_text(const struct listener *listener, char *buf, size_t size)
{
	return addr_text(
	    &listener->sock.bound.u.sa, listener->sock.bound.len, buf, size);
}

static void
listener_say_error(struct listener *listener, int error)
{
	char address[ADDR_TEXT_SIZE], more[SELDOM_MORE_SIZE];

	if (!seldom_may(&listener_errors, LISTENER_LOG_MS, more))
		return;
	errno = error;
	log_write(BEVHOST_LOG_WARNING, instance_name(listener->instance),
	    "cannot accept on %s: %m%s%s",
	    listener_text(listener, address, sizeof(address)),
	    error == EMFILE ? "; raise the limit of open files (ulimit -n)"
			    : "",
	    more);
}

void
listener_set_taker(int (*take)(const struct listener *listener, int fd))
{
	listener_taker = take;
}

static struct gate *
listener_gate(const struct listener *listener)
{
	return approach_gate(listener->instance->approach);
}

void
listener_return_place(struct listener *listener)
{
	gate_return_place(listener_gate(listener));
}

void
listener_take_other(struct listener *listener, int fd,
    const struct sockaddr *peer, socklen_t peer_len)
{
	gate_take_second_place(listener_gate(listener));
	conns_accept(listener->set, listener->instance, &listener->limits, fd,
	    peer, peer_len);
}

/* Clients wait in the socket meanwhile. */
static void
listener_rest(struct listener *listener, int ms)
{
	struct timeval rest = { .tv_usec = ms * 1000 };

	/* Deaf for good would be worse than a busy loop. */
	if (event_add(listener->resume, &rest) == 0)
		event_del(listener->readable);
}

/* 1, or 0 when none waits, or a negative errno; -EUSERS: there is no place for
   it. */
static int
listener_accept(struct listener *listener, struct gate_waiter *waiter)
{
	struct gate *gate = listener_gate(listener);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int fd, error;

	if (gate_take_place(gate, waiter) < 0)
		return -EUSERS;
	fd = accept4(listener->sock.fd, (struct sockaddr *)&peer, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	error = errno;
	if (fd < 0)
		gate_return_place(gate);
	else if (listener_taker == NULL || !listener_taker(listener, fd))
		conns_accept(listener->set, listener->instance,
		    &listener->limits, fd, (struct sockaddr *)&peer, len);
	if (fd >= 0 || error == EINTR || error == ECONNABORTED)
		return 1;
	return error == EAGAIN ? 0 : -error;
}

/* Returns 0, or -1 when the listener rests. */
static int
listener_accept_some(struct listener *listener)
{
	int count = 0, status = 1;

	/* Only of the first one it is known that it is there: the others do not
	   wait before it is known of them. */
	while (status > 0 && count < LISTENER_BATCH && !listener->paused)
		status = listener_accept(
		    listener, count++ == 0 ? &listener->waiter : NULL);
	if (status == -EUSERS && count > 1)
		return 0;
	if (status >= 0)
		return 0;
	if (status != -EUSERS)
		listener_say_error(listener, -status);
	listener_rest(
	    listener, status == -EUSERS ? GATE_RETRY_MS : LISTENER_REST_MS);
	return -1;
}

static void
listener_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	listener_accept_some(listener);
}

/* Who waits for a place asks for it before it listens again. */
static void
listener_on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	if (listener->paused || (listener->waiter.since_ms != 0 &&
				    listener_accept_some(listener) < 0))
		return;
	if (event_add(listener->readable, NULL) < 0)
		listener_rest(listener, LISTENER_REST_MS);
}

/*
 * What it accepts is to have what this listener's settings say. Not before it
 * accepts: until then the socket is that of a worker with other settings.
 */
static void
listener_set_keepalive(const struct listener *listener)
{
	const struct settings_guard *guard = listener->instance->guard;
	char address[ADDR_TEXT_SIZE];
	int status;

	if (guard == NULL)
		return;
	status = sock_keepalive_set(
	    listener->sock.fd, guard->keepalive, guard->tcp_user_timeout);
	if (status == 0)
		return;
	errno = -status;
	log_write(BEVHOST_LOG_WARNING, instance_name(listener->instance),
	    "no keepalive on %s: %m",
	    listener_text(listener, address, sizeof(address)));
}

void
listener_pause(struct listener *listener)
{
	listener->paused = 1;
	gate_stop_waiting(&listener->waiter);
	if (listener->readable == NULL)
		return;
	event_del(listener->resume);
	event_del(listener->readable);
}

void
listener_resume(struct listener *listener)
{
	listener->paused = 0;
	if (listener->readable == NULL)
		return;
	listener_set_keepalive(listener);
	listener_on_resume(-1, EV_TIMEOUT, listener);
}

void
listener_retry(struct listener *listener)
{
	if (listener->resume != NULL &&
	    event_pending(listener->resume, EV_TIMEOUT, NULL)) {
		event_del(listener->resume);
		event_active(listener->resume, EV_TIMEOUT, 0);
	}
}

void
listener_init(struct listener *listener, const struct sock *sock,
    struct bevhost_instance *instance)
{
	memset(listener, 0, sizeof(*listener));
	listener->sock = *sock;
	listener->instance = instance;
	listener->limits.bound = &listener->sock.bound;
	listener->waiter.log = &listener->limits;
}

int
listener_start(struct listener *listener, struct conns *set)
{
	char address[ADDR_TEXT_SIZE];

	listener->set = set;
	if (!listener->paused)
		listener_set_keepalive(listener);
	listener->resume =
	    evtimer_new(conns_base(set), listener_on_resume, listener);
	listener->readable = event_new(conns_base(set), listener->sock.fd,
	    EV_READ | EV_PERSIST, listener_on_readable, listener);
	if (listener->resume == NULL || listener->readable == NULL ||
	    (!listener->paused && event_add(listener->readable, NULL) < 0)) {
		log_write(BEVHOST_LOG_ERROR, NULL, "cannot listen on %s: %m",
		    listener_text(listener, address, sizeof(address)));
		return -1;
	}
	return 0;
}

void
listener_finish(struct listener *listener)
{
	int count = 0, status = 1;

	while (listener->readable != NULL && !listener->paused && status > 0 &&
	       count++ < LISTENER_LAST_MAX) {
		status = listener_accept(listener, &listener->waiter);
		if (status >= 0 || status == -EUSERS)
			continue;
		/* Of the new connection's own network: the next may be well. */
		listener_say_error(listener, -status);
		status = status != -EMFILE && status != -ENFILE;
	}
	listener_clear(listener);
}

void
listener_clear(struct listener *listener)
{
	gate_stop_waiting(&listener->waiter);
	if (listener->readable != NULL)
		event_free(listener->readable);
	if (listener->resume != NULL)
		event_free(listener->resume);
	listener->readable = NULL;
	listener->resume = NULL;
	sock_close(&listener->sock);
}
