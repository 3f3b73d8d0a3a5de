/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The step that takes a PROXY protocol header off a descriptor, between accept
 * and TLS or the handler. It knows no connection.
 *
 * Bytes are looked at with MSG_PEEK, and read as soon as they are certain to be
 * of a header, never more of them. Only the first bytes of what may be none
 * stay in the kernel, and keep the descriptor readable: hence its event is
 * edge-triggered, and where the loop has no such events a timer looks again.
 */
#include "step_proxy.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "clock.h"
#include "log.h"
#include "proxyhdr.h"

#define STEP_PROXY_AGAIN_MS	 50
#define STEP_PROXY_LINES	 10 /* in the log, each second */
#define STEP_PROXY_LINES_EACH_MS 1000

enum step_proxy_next {
	STEP_PROXY_MORE, /* look again */
	STEP_PROXY_WAIT, /* until the descriptor is readable */
	STEP_PROXY_GONE	 /* the step is: on_done was called */
};

struct step_proxy {
	struct event *readable, *deadline, *again; /* again may be NULL */
	void (*on_done)(
	    void *arg, enum bevhost_reason reason, struct proxyhdr *header);
	void *arg;
	unsigned char *bytes; /* of the header, which have been read */
	size_t len;
	int fd;
	int required;
};

void
step_proxy_cancel(struct step_proxy *step)
{
	if (step->readable != NULL)
		event_free(step->readable);
	if (step->deadline != NULL)
		event_free(step->deadline);
	if (step->again != NULL)
		event_free(step->again);
	free(step->bytes);
	free(step);
}

static enum step_proxy_next
step_proxy_end(struct step_proxy *step, enum bevhost_reason reason,
    struct proxyhdr *header)
{
	struct step_proxy done = *step;

	step_proxy_cancel(step);
	done.on_done(done.arg, reason, header);
	return STEP_PROXY_GONE;
}

/* A peer that connects in a loop must not fill the log. Is there room? */
static int
step_proxy_may_say(void)
{
	static int64_t since_ms;
	static unsigned said, unsaid;
	int64_t now_ms = clock_ms();

	if (said > 0 && now_ms - since_ms < STEP_PROXY_LINES_EACH_MS) {
		if (said < STEP_PROXY_LINES) {
			said++;
			return 1;
		}
		unsaid++;
		return 0;
	}
	if (unsaid > 0)
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "%u more PROXY headers were refused", unsaid);
	since_ms = now_ms;
	said = 1;
	unsaid = 0;
	return 1;
}

static void
step_proxy_say(int fd, const char *why)
{
	char peer[ADDR_TEXT_SIZE] = "a peer that has gone";
	struct addr addr = { .len = sizeof(addr.u) };

	if (!step_proxy_may_say())
		return;
	if (getpeername(fd, &addr.u.sa, &addr.len) == 0)
		addr_text(&addr.u.sa, addr.len, peer, sizeof(peer));
	log_write(BEVHOST_LOG_WARNING, NULL, "%s: PROXY header refused: %s",
	    peer, why);
}

void
step_proxy_say_stranger(int fd)
{
	step_proxy_say(fd, "no proxy-from has the address of this peer");
}

static enum step_proxy_next
step_proxy_refuse(struct step_proxy *step, const char *why)
{
	step_proxy_say(step->fd, why);
	return step_proxy_end(step, BEVHOST_REASON_PROXY, NULL);
}

static enum step_proxy_next
step_proxy_no_memory(struct step_proxy *step)
{
	step_proxy_say(step->fd, "no memory");
	return step_proxy_end(step, BEVHOST_REASON_OVERLOAD, NULL);
}

static enum step_proxy_next
step_proxy_fail(struct step_proxy *step, int error)
{
	return step_proxy_end(step,
	    error == ECONNRESET || error == EPIPE ? BEVHOST_REASON_RESET
						  : BEVHOST_REASON_ERROR,
	    NULL);
}

/* The end of the input, maybe with bytes before it that were not read. */
static enum step_proxy_next
step_proxy_eof(struct step_proxy *step, size_t peeked)
{
	if (!step->required && step->len == 0)
		return step_proxy_end(step, BEVHOST_REASON_NONE, NULL);
	/* Somebody only looked whether we are there: not worth a line. */
	if (step->len + peeked == 0)
		return step_proxy_end(step, BEVHOST_REASON_PROXY, NULL);
	return step_proxy_refuse(step, "the peer ended before its end");
}

static int
step_proxy_peer_ended(const struct step_proxy *step)
{
	struct pollfd poll_fd = { .fd = step->fd, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) > 0;
}

/* Bytes that are there already: none is missing. 0 or -errno. */
static int
step_proxy_consume(struct step_proxy *step, unsigned char *bytes, size_t len)
{
	ssize_t n;

	do
		n = recv(step->fd, bytes, len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* Reads what is certain to be of the header, and keeps it. */
static enum step_proxy_next
step_proxy_keep(struct step_proxy *step, size_t len)
{
	unsigned char *bytes = realloc(step->bytes, step->len + len);
	int error;

	if (bytes == NULL)
		return step_proxy_no_memory(step);
	step->bytes = bytes;
	error = step_proxy_consume(step, bytes + step->len, len);
	if (error < 0)
		return step_proxy_fail(step, -error);
	step->len += len;
	return STEP_PROXY_MORE;
}

static enum step_proxy_next
step_proxy_whole(struct step_proxy *step, unsigned char *bytes, size_t size)
{
	int error =
	    step_proxy_consume(step, bytes + step->len, size - step->len);
	struct proxyhdr *header;
	const char *why;

	if (error < 0)
		return step_proxy_fail(step, -error);
	header = proxyhdr_new(bytes, size, &why);
	if (header != NULL)
		return step_proxy_end(step, BEVHOST_REASON_NONE, header);
	if (why == NULL)
		return step_proxy_no_memory(step);
	return step_proxy_refuse(step, why);
}

/* So few bytes may be a header's or none's: they stay where they are. */
static enum step_proxy_next
step_proxy_leave(struct step_proxy *step, size_t len)
{
	static const struct timeval again = { 0, STEP_PROXY_AGAIN_MS * 1000 };

	if (step_proxy_peer_ended(step))
		return step_proxy_eof(step, len);
	if (step->again != NULL) {
		event_del(step->readable);
		if (event_add(step->again, &again) < 0)
			return step_proxy_no_memory(step);
	}
	return STEP_PROXY_WAIT;
}

static enum step_proxy_next
step_proxy_take(struct step_proxy *step, unsigned char *bytes, size_t len)
{
	const char *why;
	size_t size;

	switch (proxyhdr_scan(bytes, step->len + len, &size, &why)) {
	case PROXYHDR_MAYBE:
		if (!step->required)
			return step_proxy_leave(step, len);
		/* FALLTHROUGH */
	case PROXYHDR_PARTIAL:
		return step_proxy_keep(step, len);
	case PROXYHDR_WHOLE:
		return step_proxy_whole(step, bytes, size);
	case PROXYHDR_NONE:
		if (!step->required)
			return step_proxy_end(step, BEVHOST_REASON_NONE, NULL);
		/* FALLTHROUGH */
	case PROXYHDR_WRONG:
		break;
	}
	return step_proxy_refuse(step, why);
}

static enum step_proxy_next
step_proxy_look(struct step_proxy *step)
{
	unsigned char bytes[PROXYHDR_SIZE_MAX];
	ssize_t n;

	/* Less than all of a header that is taken, so that there is room. */
	assert(step->len < sizeof(bytes));
	if (step->len > 0)
		memcpy(bytes, step->bytes, step->len);
	n = recv(
	    step->fd, bytes + step->len, sizeof(bytes) - step->len, MSG_PEEK);
	if (n > 0)
		return step_proxy_take(step, bytes, (size_t)n);
	if (n == 0)
		return step_proxy_eof(step, 0);
	if (errno == EINTR)
		return STEP_PROXY_MORE;
	return errno == EAGAIN ? STEP_PROXY_WAIT : step_proxy_fail(step, errno);
}

static enum step_proxy_next
step_proxy_look_all(struct step_proxy *step)
{
	enum step_proxy_next next;

	do
		next = step_proxy_look(step);
	while (next == STEP_PROXY_MORE);
	return next;
}

static void
step_proxy_on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	step_proxy_look_all(arg);
}

static void
step_proxy_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct step_proxy *step = arg;

	(void)fd;
	(void)what;
	if (event_add(step->readable, NULL) < 0)
		step_proxy_no_memory(step);
}

static void
step_proxy_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct step_proxy *step = arg;

	(void)fd;
	(void)what;
	/* What came in time counts, though the loop was late. */
	if (step_proxy_look_all(step) == STEP_PROXY_GONE)
		return;
	if (step->required || step->len > 0)
		step_proxy_refuse(step, "it did not come in time");
	else
		step_proxy_end(step, BEVHOST_REASON_NONE, NULL);
}

static int
step_proxy_add(
    struct step_proxy *step, struct event_base *base, int64_t timeout_ms)
{
	const struct timeval timeout = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
	};
	int has_edges = (event_base_get_features(base) & EV_FEATURE_ET) != 0;
	short what = EV_READ | EV_PERSIST;

	if (has_edges)
		what |= EV_ET;
	step->readable =
	    event_new(base, step->fd, what, step_proxy_on_readable, step);
	step->deadline = evtimer_new(base, step_proxy_on_deadline, step);
	if (!has_edges)
		step->again = evtimer_new(base, step_proxy_on_again, step);
	if (step->readable == NULL || step->deadline == NULL ||
	    (!has_edges && step->again == NULL) ||
	    event_add(step->readable, NULL) < 0)
		return -1;
	return timeout_ms > 0 ? event_add(step->deadline, &timeout) : 0;
}

struct step_proxy *
step_proxy_start(struct event_base *base, int fd, int required,
    int64_t timeout_ms,
    void (*on_done)(
	void *arg, enum bevhost_reason reason, struct proxyhdr *header),
    void *arg)
{
	struct step_proxy *step = calloc(1, sizeof(*step));

	if (step == NULL)
		return NULL;
	step->fd = fd;
	step->required = required;
	step->on_done = on_done;
	step->arg = arg;
	if (step_proxy_add(step, base, timeout_ms) == 0)
		return step;
	step_proxy_cancel(step);
	return NULL;
}
