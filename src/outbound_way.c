/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is under way to a connection that has callbacks: a dial, then what is
 * to be sent before all else, then a handshake. One time bounds all of it.
 */
#include "outbound_way.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dial.h"
#include "step_tls.h"

/* What the buffer of a new socket takes. */
#define OUTBOUND_WAY_PREFACE_MAX 4096

struct outbound_way {
	struct event_base *base;
	/* One of the two, over fd. */
	struct dial *dial;
	struct step_tls *step;
	int fd;
	int64_t deadline_ms; /* by bevhost_now_ms(), or 0: none */
	const struct bevhost_authorities *authorities;
	outbound_way_done_fn *done;
	void *arg;
	char *tls_name; /* behind the preface */
	size_t preface_size;
	char preface[];
};

void
outbound_way_cancel(struct outbound_way *way)
{
	if (way->dial != NULL)
		dial_cancel(way->dial);
	if (way->step != NULL)
		step_tls_cancel(way->step);
	if (way->fd >= 0)
		close(way->fd);
	free(way);
}

static void
outbound_way_succeed(struct outbound_way *way, struct tls_stream *stream)
{
	way->done(way->arg, 0, NULL, way->fd, stream);
	free(way);
}

static void
outbound_way_fail(struct outbound_way *way, int status, const char *why)
{
	if (way->fd >= 0)
		close(way->fd);
	way->done(way->arg, status, why, -1, NULL);
	free(way);
}

static int
outbound_way_status_of(enum bevhost_reason reason)
{
	switch (reason) {
	case BEVHOST_REASON_TIMEOUT:
		return -ETIMEDOUT;
	case BEVHOST_REASON_RESET:
		return -ECONNRESET;
	case BEVHOST_REASON_OVERLOAD:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

static void
outbound_way_on_tls(void *arg, enum bevhost_reason reason, const char *why,
    struct tls_stream *stream)
{
	struct outbound_way *way = arg;

	way->step = NULL;
	if (stream != NULL)
		outbound_way_succeed(way, stream);
	else
		outbound_way_fail(way, outbound_way_status_of(reason), why);
}

/* In what is left of the time. */
static void
outbound_way_shake_hands(struct outbound_way *way)
{
	int64_t left_ms = 0;

	if (way->deadline_ms > 0) {
		left_ms = way->deadline_ms - bevhost_now_ms();
		if (left_ms <= 0)
			left_ms = 1;
	}
	way->step = step_tls_connect(way->base, way->fd, way->authorities,
	    way->tls_name, left_ms, outbound_way_on_tls, way);
	if (way->step == NULL)
		outbound_way_fail(way, -ENOMEM, NULL);
}

/* 0, or a negative errno. */
static int
outbound_way_send_preface(const struct outbound_way *way)
{
	ssize_t len;

	if (way->preface_size == 0)
		return 0;
	len = send(way->fd, way->preface, way->preface_size, MSG_NOSIGNAL);
	if (len < 0)
		return -errno;
	return (size_t)len == way->preface_size ? 0 : -ENOBUFS;
}

static void
outbound_way_on_dialed(void *arg, int fd)
{
	struct outbound_way *way = arg;
	int status = fd;

	way->dial = NULL;
	way->fd = fd;
	if (fd >= 0)
		status = outbound_way_send_preface(way);
	if (status < 0)
		outbound_way_fail(way, status, NULL);
	else if (way->authorities != NULL)
		outbound_way_shake_hands(way);
	else
		outbound_way_succeed(way, NULL);
}

static int
outbound_way_is_possible(const struct bevhost_target *target)
{
	return target->struct_size >= sizeof(*target) && target->host != NULL &&
	       target->preface_size <= OUTBOUND_WAY_PREFACE_MAX &&
	       (target->authorities == NULL || target->tls_name != NULL ||
		   strncmp(target->host, "unix:", 5) != 0);
}

static struct outbound_way *
outbound_way_new(const struct bevhost_target *target)
{
	const char *name =
	    target->tls_name != NULL ? target->tls_name : target->host;
	size_t size = strlen(name) + 1;
	struct outbound_way *way =
	    calloc(1, sizeof(*way) + target->preface_size + size);

	if (way == NULL)
		return NULL;
	way->preface_size = target->preface_size;
	if (way->preface_size > 0)
		memcpy(way->preface, target->preface, way->preface_size);
	way->tls_name = way->preface + way->preface_size;
	memcpy(way->tls_name, name, size);
	way->authorities = target->authorities;
	way->fd = -1;
	if (target->timeout_ms > 0)
		way->deadline_ms = bevhost_now_ms() + target->timeout_ms;
	return way;
}

struct outbound_way *
outbound_way_start(struct event_base *base, const struct bevhost_target *target,
    outbound_way_done_fn *done, void *arg)
{
	struct outbound_way *way;

	if (!outbound_way_is_possible(target)) {
		errno = EINVAL;
		return NULL;
	}
	way = outbound_way_new(target);
	if (way == NULL)
		return NULL;
	way->base = base;
	way->done = done;
	way->arg = arg;
	way->dial = dial_start(target->host, target->port,
	    target->timeout_ms > 0 ? target->timeout_ms : -1,
	    outbound_way_on_dialed, way);
	if (way->dial != NULL)
		return way;
	free(way);
	errno = ENOMEM;
	return NULL;
}
