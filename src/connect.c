/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bevhost_connect(): a name becomes addresses in a job, and the addresses are
 * tried as RFC 8305 says: families in turn, the next attempt when one fails
 * or 250 ms have passed, the first that connects wins.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bevhost/task.h>

#include "addr.h"
#include "stream.h"
#include "task.h"

#define CONNECT_ADDRS_MAX  16
#define CONNECT_ATTEMPT_MS 250

struct connect_attempt {
	struct connect *race;
	struct event *event;
	int fd;	  /* or -1 */
	int done; /* connected or failed */
	int error;
};

struct connect {
	const char *host;
	unsigned port;
	struct task *task;
	struct addr addrs[CONNECT_ADDRS_MAX], ordered[CONNECT_ADDRS_MAX];
	struct connect_attempt attempts[CONNECT_ADDRS_MAX];
	int addr_count, started;
	int error; /* of the attempt that came furthest, 0 before one failed */
};

/* Resolving */

static int
connect_resolve_job(void *arg)
{
	struct connect *race = arg;
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV,
	};
	struct addrinfo *list, *ai;
	char port[16];
	int error;

	snprintf(port, sizeof(port), "%u", race->port);
	error = getaddrinfo(race->host, port, &hints, &list);
	if (error == EAI_SYSTEM)
		return -errno;
	if (error != 0)
		return error == EAI_AGAIN    ? -EAGAIN
		       : error == EAI_MEMORY ? -ENOMEM
					     : -ENOENT;
	for (ai = list; ai != NULL && race->addr_count < CONNECT_ADDRS_MAX;
	     ai = ai->ai_next) {
		struct addr *addr = &race->addrs[race->addr_count];

		if (ai->ai_addrlen > sizeof(addr->u))
			continue;
		memcpy(&addr->u, ai->ai_addr, ai->ai_addrlen);
		addr->len = ai->ai_addrlen;
		race->addr_count++;
	}
	freeaddrinfo(list);
	return race->addr_count > 0 ? 0 : -ENOENT;
}

/* RFC 8305, section 4: the families take turns, the first one's first. */
static void
connect_interleave(struct connect *race)
{
	int families[2], next[2] = { 0, 0 }, count = 0, turn = 0;

	families[0] = race->addrs[0].u.sa.sa_family;
	families[1] = families[0] == AF_INET ? AF_INET6 : AF_INET;
	for (; count < race->addr_count; turn ^= 1) {
		int i = next[turn];

		while (i < race->addr_count &&
		       race->addrs[i].u.sa.sa_family != families[turn])
			i++;
		next[turn] = i + 1;
		if (i < race->addr_count)
			race->ordered[count++] = race->addrs[i];
	}
	memcpy(race->addrs, race->ordered, sizeof(race->addrs));
}

/* An address as text needs no thread, and no resolver on a small stack. */
static int
connect_parse(struct connect *race)
{
	struct addr *addr = &race->addrs[0];

	if (inet_pton(AF_INET, race->host, &addr->u.in.sin_addr) == 1) {
		addr->u.in.sin_family = AF_INET;
		addr->u.in.sin_port = htons((uint16_t)race->port);
		addr->len = sizeof(addr->u.in);
	} else if (inet_pton(AF_INET6, race->host, &addr->u.in6.sin6_addr) ==
		   1) {
		addr->u.in6.sin6_family = AF_INET6;
		addr->u.in6.sin6_port = htons((uint16_t)race->port);
		addr->len = sizeof(addr->u.in6);
	} else {
		return -1;
	}
	race->addr_count = 1;
	return 0;
}

static int
connect_find_addrs(struct connect *race)
{
	struct addr_spec spec;
	const char *why;
	int status, result;

	if (strncmp(race->host, "unix:", 5) == 0) {
		if (addr_parse(race->host, &spec, &why) < 0)
			return -EINVAL;
		race->addr_count = addr_resolve(&spec, race->addrs, 1, &why);
		return race->addr_count == 1 ? 0 : -EINVAL;
	}
	if (connect_parse(race) == 0)
		return 0;
	status = bevhost_run_job(connect_resolve_job, race, &result);
	if (status == 0)
		status = result;
	if (status == 0)
		connect_interleave(race);
	return status;
}

/* Attempts */

/* Errors of peers tell more than those of the way to them. */
static int
connect_rank(int error)
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
connect_failed(struct connect_attempt *attempt, int error)
{
	struct connect *race = attempt->race;

	attempt->done = 1;
	attempt->error = error;
	if (race->error == 0 || connect_rank(error) > connect_rank(race->error))
		race->error = error;
}

static void
connect_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct connect_attempt *attempt = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		connect_failed(attempt, error);
	else
		attempt->done = 1;
	task_wake_now(attempt->race->task, 0);
}

static int
connect_watch(struct connect_attempt *attempt)
{
	attempt->event = event_new(task_loop_base(), attempt->fd, EV_WRITE,
	    connect_on_writable, attempt);
	return attempt->event != NULL && event_add(attempt->event, NULL) == 0
		   ? 0
		   : -1;
}

static void
connect_start(struct connect *race)
{
	const struct addr *addr = &race->addrs[race->started];
	struct connect_attempt *attempt = &race->attempts[race->started++];
	int on = 1;

	attempt->race = race;
	attempt->fd = socket(addr->u.sa.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (attempt->fd < 0) {
		connect_failed(attempt, errno);
		return;
	}
	if (addr->u.sa.sa_family != AF_UNIX)
		setsockopt(
		    attempt->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(attempt->fd, &addr->u.sa, addr->len) == 0)
		attempt->done = 1;
	else if (errno != EINPROGRESS)
		connect_failed(attempt, errno);
	else if (connect_watch(attempt) < 0)
		connect_failed(attempt, ENOMEM);
}

/* The one that is connected, or NULL. *running gets how many still try. */
static struct connect_attempt *
connect_look(struct connect *race, int *running)
{
	int i;

	*running = 0;
	for (i = 0; i < race->started; i++) {
		struct connect_attempt *attempt = &race->attempts[i];

		if (!attempt->done)
			++*running;
		else if (attempt->error == 0)
			return attempt;
	}
	return NULL;
}

/* Returns the connected descriptor or a negative errno. */
static int
connect_race(struct connect *race, int64_t deadline)
{
	struct connect_attempt *winner;
	int64_t next = 0, until;
	int running, status, fd, failed, seen_failed = 0;

	for (;;) {
		winner = connect_look(race, &running);
		if (winner != NULL) {
			fd = winner->fd;
			winner->fd = -1;
			return fd;
		}
		failed = race->started - running;
		if (race->started < race->addr_count &&
		    (running == 0 || failed > seen_failed ||
			bevhost_now_ms() >= next)) {
			seen_failed = failed;
			connect_start(race);
			next = bevhost_after_ms(CONNECT_ATTEMPT_MS);
			continue;
		}
		if (running == 0)
			return -race->error;
		until = race->started < race->addr_count ? next : -1;
		if (deadline >= 0 && (until < 0 || deadline < until))
			until = deadline;
		status = task_wait(until, "a connection");
		if (status == -ETIMEDOUT && until != deadline)
			continue;
		if (status < 0)
			return status;
	}
}

static void
connect_clear(struct connect *race)
{
	int i;

	for (i = 0; i < race->started; i++) {
		if (race->attempts[i].event != NULL)
			event_free(race->attempts[i].event);
		if (race->attempts[i].fd >= 0)
			close(race->attempts[i].fd);
	}
	free(race);
}

int
bevhost_connect(const char *host, unsigned port, int64_t deadline,
    struct bevhost_stream **stream)
{
	struct connect *race;
	int status = task_check(), fd = -1;

	*stream = NULL;
	if (status < 0)
		return status;
	race = calloc(1, sizeof(*race));
	if (race == NULL)
		return -ENOMEM;
	race->host = host;
	race->port = port;
	race->task = task_current();
	status = port <= 65535 ? connect_find_addrs(race) : -EINVAL;
	if (status == 0)
		status = fd = connect_race(race, deadline);
	connect_clear(race);
	return fd >= 0 ? stream_open(fd, stream) : status;
}
