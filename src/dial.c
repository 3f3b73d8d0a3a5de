/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A name becomes addresses, and the addresses are tried as RFC 8305 says:
 * families in turn, the next attempt when one fails or 250 ms have passed, the
 * first that connects wins. Whoever dials may leave meanwhile.
 */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "addr.h"
#include "names.h"

#define DIAL_ADDRS_MAX	NAMES_ADDRS_MAX
#define DIAL_ATTEMPT_MS 250

struct dial_attempt {
	struct dial *dial;
	struct event *event;
	int fd; /* or -1 */
	int failed;
};

struct dial {
	struct names_wait names;
	struct event *next;	/* the next attempt is due, or the end */
	struct event *deadline; /* or NULL */
	void (*done)(void *arg, int fd);
	void *arg;
	unsigned port;
	int addr_count, started, failed;
	int error;	    /* of the attempt that came furthest, or 0 */
	int result;	    /* a descriptor or a negative errno; -EINPROGRESS */
	unsigned named : 1; /* its addresses are those of a name */
	struct dial_attempt attempts[DIAL_ADDRS_MAX];
	struct addr addrs[DIAL_ADDRS_MAX];
	char host[];
};

static struct event_base *dial_base;

void
dial_loop_init(struct event_base *base)
{
	dial_base = base;
}

static void
dial_free(struct dial *dial)
{
	int i;

	for (i = 0; i < dial->started; i++) {
		if (dial->attempts[i].event != NULL)
			event_free(dial->attempts[i].event);
		if (dial->attempts[i].fd >= 0)
			close(dial->attempts[i].fd);
	}
	if (dial->next != NULL)
		event_free(dial->next);
	if (dial->deadline != NULL)
		event_free(dial->deadline);
	free(dial);
}

/* The loop says it, as it may be known before anybody can hear of it. */
static void
dial_end(struct dial *dial, int result)
{
	if (dial->result != -EINPROGRESS)
		return;
	dial->result = result;
	event_del(dial->next);
	event_active(dial->next, EV_TIMEOUT, 1);
}

/* Resolving */

/* RFC 8305, section 4: the families take turns, the first one's first. */
static void
dial_interleave(struct dial *dial)
{
	struct addr ordered[DIAL_ADDRS_MAX];
	int families[2], next[2] = { 0, 0 }, count = 0, turn = 0;

	families[0] = dial->addrs[0].u.sa.sa_family;
	families[1] = families[0] == AF_INET ? AF_INET6 : AF_INET;
	for (; count < dial->addr_count; turn ^= 1) {
		int i = next[turn];

		while (i < dial->addr_count &&
		       dial->addrs[i].u.sa.sa_family != families[turn])
			i++;
		next[turn] = i + 1;
		if (i < dial->addr_count)
			ordered[count++] = dial->addrs[i];
	}
	memcpy(dial->addrs, ordered, (size_t)count * sizeof(ordered[0]));
}

/* Attempts */

/* Errors of peers tell more than those of the way to them. */
static int
dial_rank(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
		return 3;
	case ETIMEDOUT:
		return 2;
	case EHOSTUNREACH:
		return 1;
	default:
		return 0;
	}
}

static void
dial_attempt_failed(struct dial_attempt *attempt, int error)
{
	struct dial *dial = attempt->dial;

	attempt->failed = 1;
	dial->failed++;
	if (attempt->event != NULL)
		event_del(attempt->event);
	if (dial->error == 0 || dial_rank(error) > dial_rank(dial->error))
		dial->error = error;
}

static void
dial_attempt_succeeded(struct dial_attempt *attempt)
{
	if (attempt->event != NULL)
		event_free(attempt->event);
	attempt->event = NULL;
	dial_end(attempt->dial, attempt->fd);
	attempt->fd = -1;
}

static void dial_go_on(struct dial *dial);

static void
dial_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct dial_attempt *attempt = arg;
	struct dial *dial = attempt->dial;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		dial_attempt_succeeded(attempt);
	} else {
		dial_attempt_failed(attempt, error);
		dial_go_on(dial);
	}
}

static int
dial_watch(struct dial_attempt *attempt)
{
	attempt->event = event_new(
	    dial_base, attempt->fd, EV_WRITE, dial_on_writable, attempt);
	return attempt->event != NULL && event_add(attempt->event, NULL) == 0
		   ? 0
		   : -1;
}

static void
dial_attempt(struct dial *dial)
{
	const struct addr *addr = &dial->addrs[dial->started];
	struct dial_attempt *attempt = &dial->attempts[dial->started++];
	int on = 1;

	attempt->dial = dial;
	attempt->fd = socket(addr->u.sa.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (attempt->fd < 0) {
		dial_attempt_failed(attempt, errno);
		return;
	}
	if (addr->u.sa.sa_family != AF_UNIX)
		setsockopt(
		    attempt->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(attempt->fd, &addr->u.sa, addr->len) == 0)
		dial_attempt_succeeded(attempt);
	else if (errno != EINPROGRESS)
		dial_attempt_failed(attempt, errno);
	else if (dial_watch(attempt) < 0)
		dial_attempt_failed(attempt, ENOMEM);
}

/* What its name was found to mean has led nowhere. */
static void
dial_doubt(const struct dial *dial)
{
	if (dial->named)
		names_doubt(dial->host);
}

/* One more attempt, and others for those that fail at once. */
static void
dial_go_on(struct dial *dial)
{
	const struct timeval wait = { .tv_usec = DIAL_ATTEMPT_MS * 1000 };
	int failed;

	do {
		failed = dial->failed;
		if (dial->started == dial->addr_count)
			break;
		dial_attempt(dial);
		if (dial->result != -EINPROGRESS)
			return;
	} while (dial->failed > failed);
	if (dial->failed == dial->addr_count) {
		dial_doubt(dial);
		dial_end(dial, -dial->error);
	} else if (dial->started < dial->addr_count)
		event_add(dial->next, &wait);
}

static void
dial_on_next(evutil_socket_t fd, short what, void *arg)
{
	struct dial *dial = arg;
	int result = dial->result;

	(void)fd;
	(void)what;
	if (result == -EINPROGRESS) {
		dial_go_on(dial);
		return;
	}
	dial->done(dial->arg, result);
	dial_free(dial);
}

/* Now that they are known. */
static void
dial_try_addrs(struct dial *dial, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (dial->addrs[i].u.sa.sa_family == AF_INET6)
			dial->addrs[i].u.in6.sin6_port =
			    htons((uint16_t)dial->port);
		else
			dial->addrs[i].u.in.sin_port =
			    htons((uint16_t)dial->port);
	dial->addr_count = count;
	dial->named = 1;
	dial_interleave(dial);
	dial_go_on(dial);
}

static void
dial_on_found(struct names_wait *wait, int status, const struct addr *addrs)
{
	size_t offset = offsetof(struct dial, names);
	struct dial *dial = (struct dial *)(void *)((char *)wait - offset);

	if (status < 0) {
		dial_end(dial, status);
		return;
	}
	memcpy(dial->addrs, addrs, (size_t)status * sizeof(*addrs));
	dial_try_addrs(dial, status);
}

static void
dial_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct dial *dial = arg;
	void (*done)(void *arg, int fd) = dial->done;
	void *owner = dial->arg;

	(void)fd;
	(void)what;
	dial_doubt(dial);
	dial_cancel(dial);
	done(owner, -ETIMEDOUT);
}

/* Beginning */

/* An address as text needs no thread, and no resolver. */
static int
dial_parse(struct dial *dial)
{
	struct addr *addr = &dial->addrs[0];

	if (inet_pton(AF_INET, dial->host, &addr->u.in.sin_addr) == 1) {
		addr->u.in.sin_family = AF_INET;
		addr->u.in.sin_port = htons((uint16_t)dial->port);
		addr->len = sizeof(addr->u.in);
	} else if (inet_pton(AF_INET6, dial->host, &addr->u.in6.sin6_addr) ==
		   1) {
		addr->u.in6.sin6_family = AF_INET6;
		addr->u.in6.sin6_port = htons((uint16_t)dial->port);
		addr->len = sizeof(addr->u.in6);
	} else {
		return -1;
	}
	dial->addr_count = 1;
	return 0;
}

static int
dial_parse_unix(struct dial *dial)
{
	struct addr_spec spec;
	const char *why;

	if (addr_parse(dial->host, &spec, &why) < 0)
		return -EINVAL;
	dial->addr_count = addr_resolve(&spec, dial->addrs, 1, &why);
	return dial->addr_count == 1 ? 0 : -EINVAL;
}

static void
dial_begin(struct dial *dial)
{
	int status = 0;

	if (dial->port > 65535)
		status = -EINVAL;
	else if (strncmp(dial->host, "unix:", 5) == 0)
		status = dial_parse_unix(dial);
	else if (dial_parse(dial) < 0)
		status = names_find(dial->host, dial->addrs, &dial->names);
	if (status == -EINPROGRESS)
		return;
	if (status < 0)
		dial_end(dial, status);
	else if (status > 0)
		dial_try_addrs(dial, status);
	else
		dial_go_on(dial);
}

static int
dial_make_timers(struct dial *dial, int64_t timeout_ms)
{
	struct timeval timeout = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
	};

	dial->next = evtimer_new(dial_base, dial_on_next, dial);
	if (dial->next == NULL)
		return -1;
	if (timeout_ms < 0)
		return 0;
	dial->deadline = evtimer_new(dial_base, dial_on_deadline, dial);
	return dial->deadline != NULL ? event_add(dial->deadline, &timeout)
				      : -1;
}

struct dial *
dial_start(const char *host, unsigned port, int64_t timeout_ms,
    void (*done)(void *arg, int fd), void *arg)
{
	size_t size = strlen(host) + 1;
	struct dial *dial = calloc(1, sizeof(*dial) + size);

	if (dial == NULL)
		return NULL;
	memcpy(dial->host, host, size);
	dial->port = port;
	dial->done = done;
	dial->arg = arg;
	dial->result = -EINPROGRESS;
	dial->names.on_found = dial_on_found;
	if (dial_make_timers(dial, timeout_ms) < 0) {
		dial_free(dial);
		errno = ENOMEM;
		return NULL;
	}
	dial_begin(dial);
	return dial;
}

int
dial_take(struct dial *dial)
{
	int result = dial->result;

	if (result != -EINPROGRESS)
		dial_free(dial);
	return result;
}

void
dial_cancel(struct dial *dial)
{
	if (dial->result >= 0)
		close(dial->result);
	event_del(dial->next);
	if (dial->deadline != NULL)
		event_del(dial->deadline);
	names_leave(&dial->names);
	dial_free(dial);
}
