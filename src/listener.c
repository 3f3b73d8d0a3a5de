/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accepting. Whatever accept fails with is taken to pass (accept(2) lists
 * errors of the new connection's own network): the listener rests for a
 * moment, or until a connection ends, and the log says so at most once a
 * second.
 */
#include "listener.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <event2/listener.h>

#include "clock.h"
#include "conns.h"
#include "log.h"

#define LISTENER_REST_MS 100
#define LISTENER_LOG_MS	 1000

/* More do not wait in one socket, unless they go on coming. */
#define LISTENER_LAST_MAX 8192

/* Of all listeners: they fail together when descriptors run out. */
static int64_t listener_error_ms; /* when one was logged */
static uint64_t listener_errors_unsaid;

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
	char address[ADDR_TEXT_SIZE], more[64] = "";
	int64_t now = clock_ms();

	if (listener_error_ms != 0 &&
	    now - listener_error_ms < LISTENER_LOG_MS) {
		listener_errors_unsaid++;
		return;
	}
	if (listener_errors_unsaid > 0)
		snprintf(more, sizeof(more), " (and %ju times since the last)",
		    (uintmax_t)listener_errors_unsaid);
	listener_errors_unsaid = 0;
	listener_error_ms = now;
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

void
listener_take(struct listener *listener, int fd, const struct sockaddr *peer,
    socklen_t peer_len)
{
	conns_accept(listener->set, listener->instance, fd, peer, peer_len);
}

static void
listener_on_accept(struct evconnlistener *evlistener, evutil_socket_t fd,
    struct sockaddr *peer, int peer_len, void *arg)
{
	struct listener *listener = arg;

	(void)evlistener;
	if (listener_taker != NULL && listener_taker(listener, fd))
		return;
	listener_take(listener, fd, peer, (socklen_t)peer_len);
}

static void
listener_on_error(struct evconnlistener *evlistener, void *arg)
{
	struct timeval rest = { .tv_usec = LISTENER_REST_MS * 1000 };
	struct listener *listener = arg;

	listener_say_error(listener, EVUTIL_SOCKET_ERROR());
	/* Deaf for good would be worse than a busy loop. */
	if (event_add(listener->resume, &rest) == 0)
		evconnlistener_disable(evlistener);
}

static void
listener_on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct timeval rest = { .tv_usec = LISTENER_REST_MS * 1000 };
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	if (listener->paused)
		return;
	if (evconnlistener_enable(listener->evlistener) < 0)
		event_add(listener->resume, &rest);
}

void
listener_pause(struct listener *listener)
{
	listener->paused = 1;
	if (listener->evlistener == NULL)
		return;
	event_del(listener->resume);
	evconnlistener_disable(listener->evlistener);
}

void
listener_resume(struct listener *listener)
{
	listener->paused = 0;
	if (listener->evlistener != NULL)
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
}

int
listener_start(struct listener *listener, struct conns *set)
{
	char address[ADDR_TEXT_SIZE];

	listener->set = set;
	listener->resume =
	    evtimer_new(conns_base(set), listener_on_resume, listener);
	/* Created disabled: a failed enable would else go unseen. */
	listener->evlistener =
	    evconnlistener_new(conns_base(set), listener_on_accept, listener,
		LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, listener->sock.fd);
	if (listener->resume == NULL || listener->evlistener == NULL ||
	    (!listener->paused &&
		evconnlistener_enable(listener->evlistener) < 0)) {
		log_write(BEVHOST_LOG_ERROR, NULL, "cannot listen on %s: %m",
		    listener_text(listener, address, sizeof(address)));
		return -1;
	}
	evconnlistener_set_error_cb(listener->evlistener, listener_on_error);
	return 0;
}

/* Returns 0 when there is no more to take, or what can not be taken. */
static int
listener_accept(struct listener *listener)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int fd = accept4(listener->sock.fd, (struct sockaddr *)&peer, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		conns_accept(listener->set, listener->instance, fd,
		    (struct sockaddr *)&peer, len);
		return 1;
	}
	if (errno == EAGAIN)
		return 0;
	/* Of the new connection's own network: the next one may be well. */
	if (errno != EINTR && errno != ECONNABORTED)
		listener_say_error(listener, errno);
	return errno != EMFILE && errno != ENFILE;
}

void
listener_finish(struct listener *listener)
{
	int count = 0;

	if (listener->evlistener != NULL && !listener->paused) {
		evconnlistener_disable(listener->evlistener);
		while (count++ < LISTENER_LAST_MAX && listener_accept(listener))
			;
	}
	listener_clear(listener);
}

void
listener_clear(struct listener *listener)
{
	if (listener->evlistener != NULL)
		evconnlistener_free(listener->evlistener);
	if (listener->resume != NULL)
		event_free(listener->resume);
	listener->evlistener = NULL;
	listener->resume = NULL;
	sock_close(&listener->sock);
}
