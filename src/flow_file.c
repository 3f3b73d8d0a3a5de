/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files in the output of a flow with a transport, which wants their bytes. A
 * file that is mapped ends the process when somebody makes it shorter, so the
 * kernel reads it: from the output's front into a pipe, as it would into the
 * socket, and from there into memory that takes its place. That is done for
 * what is sent next, and no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include "flow.h"
#include "flow_own.h"

/* What a pipe holds unless told otherwise. */
#define FLOW_FILE_PIPE (64 * 1024)
/* So much is worth a record: then the next file can wait. */
#define FLOW_FILE_ENOUGH (16u * 1024)

void
flow_file_clear(struct flow_loop *loop)
{
	if (loop->pipe_size > 0) {
		close(loop->pipe[0]);
		close(loop->pipe[1]);
	}
	loop->pipe_size = 0;
}

/* There is one for all flows: between two calls it is empty. */
static int
flow_file_open(struct flow_loop *loop)
{
	int size;

	if (loop->pipe_size > 0)
		return 0;
	if (pipe2(loop->pipe, O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	/* It may be smaller, for one who has many. */
	(void)!fcntl(loop->pipe[1], F_SETPIPE_SZ, FLOW_FILE_PIPE);
	size = fcntl(loop->pipe[1], F_GETPIPE_SZ);
	loop->pipe_size = size > 0 ? size : FLOW_FILE_PIPE;
	return 0;
}

/* Returns the bytes that left the output, or -1 with errno. */
static ssize_t
flow_file_pour(struct flow *flow)
{
	struct evbuffer *output = flow->bev->output;
	size_t poured = 0;
	ssize_t len = 1;

	while (poured < FLOW_FILE_ENOUGH && len > 0 && flow_owed(flow) > 0) {
		errno = 0;
		len = evbuffer_write_atmost(output, flow->loop->pipe[1],
		    (ev_ssize_t)(FLOW_FILE_ENOUGH - poured));
		if (len > 0)
			poured += (size_t)len;
	}
	if (poured > 0)
		return (ssize_t)poured;
	/* sendfile's end of the file; and what writev calls the end of one that
	   was mapped before it came here. */
	if ((len == 0 && errno != EAGAIN && errno != EINTR) ||
	    errno == EFAULT) {
		flow->lacks_file = 1;
		errno = EIO;
	}
	return -1;
}

/* All that was poured: it is there. */
static int
flow_file_scoop(const struct flow_loop *loop, char *buf, size_t len)
{
	size_t total = 0;
	ssize_t got;

	while (total < len) {
		got = read(loop->pipe[0], buf + total, len - total);
		if (got > 0)
			total += (size_t)got;
		else if (got == 0 || (errno != EINTR && errno != EAGAIN))
			return -1;
	}
	return 0;
}

/* The memory comes first: what has left the output must not get lost. */
static int
flow_file_take_in(struct flow *flow, struct evbuffer *piece)
{
	struct flow_loop *loop = flow->loop;
	struct evbuffer_iovec vector;
	ssize_t len;

	if (evbuffer_reserve_space(piece, loop->pipe_size, &vector, 1) < 1) {
		errno = ENOMEM;
		return -1;
	}
	len = flow_file_pour(flow);
	if (len < 0)
		return -1;
	vector.iov_len = (size_t)len;
	if (flow_file_scoop(loop, vector.iov_base, vector.iov_len) < 0 ||
	    evbuffer_commit_space(piece, &vector, 1) < 0 ||
	    evbuffer_prepend_buffer(flow->bev->output, piece) < 0) {
		/* Nobody else is to get what may be left in it. */
		flow_file_clear(loop);
		errno = EIO;
		return -1;
	}
	return 0;
}

int
flow_file_take(struct flow *flow)
{
	struct evbuffer *piece;
	int status, saved_errno;

	if (flow_file_open(flow->loop) < 0)
		return -1;
	piece = evbuffer_new();
	if (piece == NULL) {
		errno = ENOMEM;
		return -1;
	}
	flow->taking = 1;
	status = flow_file_take_in(flow, piece);
	flow->taking = 0;
	saved_errno = errno;
	evbuffer_free(piece);
	errno = saved_errno;
	return status;
}
