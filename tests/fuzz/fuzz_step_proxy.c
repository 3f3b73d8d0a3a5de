/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PROXY header taken off a socket, in pieces. An input is a byte of flags and
 * one that says how long the pieces are, then what the peer sends. What is left
 * in the socket is all that follows the header.
 */
#include "step_proxy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "fuzz.h"
#include "proxyhdr.h"

enum { FUZZ_STEP_REQUIRED = 1, FUZZ_STEP_END = 2, FUZZ_STEP_LEAVE = 4 };

#define FUZZ_STEP_MAX 8192

static struct event_base *fuzz_base;

struct fuzz_step {
	int done;
	enum bevhost_reason reason;
	struct proxyhdr *header;
};

static void
fuzz_step_on_done(
    void *arg, enum bevhost_reason reason, struct proxyhdr *header)
{
	struct fuzz_step *result = arg;

	assert(!result->done);
	assert(header == NULL || reason == BEVHOST_REASON_NONE);
	result->done = 1;
	result->reason = reason;
	result->header = header;
}

static void
fuzz_step_check_rest(
    const struct fuzz_step *result, int fd, const uint8_t *data, size_t size)
{
	static uint8_t rest[FUZZ_STEP_MAX];
	ssize_t len = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
	const char *why;
	size_t begin = 0;

	if (result->header != NULL)
		assert(
		    proxyhdr_scan(data, size, &begin, &why) == PROXYHDR_WHOLE);
	if (len < 0)
		len = 0;
	assert((size_t)len == size - begin &&
	       memcmp(rest, data + begin, (size_t)len) == 0);
}

static size_t
fuzz_step_send(const struct fuzz_step *result, int fd, const uint8_t *data,
    size_t size, size_t piece)
{
	size_t sent = 0, len;

	while (sent < size && !result->done) {
		len = size - sent < piece ? size - sent : piece;
		assert(
		    send(fd, data + sent, len, MSG_NOSIGNAL) == (ssize_t)len);
		sent += len;
		event_base_loop(fuzz_base, EVLOOP_NONBLOCK);
	}
	return sent;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_step result = { .done = 0 };
	struct step_proxy *step;
	int fds[2], flags, next = fuzz_next_fd(), i;
	size_t sent;

	if (fuzz_base == NULL) {
		fuzz_base = event_base_new();
		next = fuzz_next_fd();
	}
	if (size < 2 || size > FUZZ_STEP_MAX)
		return 0;
	flags = data[0];
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	step = step_proxy_start(fuzz_base, fds[0], flags & FUZZ_STEP_REQUIRED,
	    60000, fuzz_step_on_done, &result);
	assert(step != NULL && !result.done);
	sent = fuzz_step_send(
	    &result, fds[1], data + 2, size - 2, (size_t)data[1] + 1);
	if (flags & FUZZ_STEP_END)
		shutdown(fds[1], SHUT_WR);
	if (flags & FUZZ_STEP_LEAVE)
		close(fds[1]);
	for (i = 0; i < 3 && !result.done; i++)
		event_base_loop(fuzz_base, EVLOOP_NONBLOCK);
	if (!result.done)
		step_proxy_cancel(step);
	else if (result.reason == BEVHOST_REASON_NONE)
		fuzz_step_check_rest(&result, fds[0], data + 2, sent);
	proxyhdr_free(result.header);
	close(fds[0]);
	if (!(flags & FUZZ_STEP_LEAVE))
		close(fds[1]);
	event_base_loop(fuzz_base, EVLOOP_NONBLOCK);
	assert(fuzz_next_fd() == next);
	return 0;
}
