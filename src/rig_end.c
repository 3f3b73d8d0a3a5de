/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One far end: what comes, and how it stops to come. Whoever stalls has its
 * socket filled with bytes that stand for those of a network that takes no
 * more, and are not among what came once it reads on.
 */
#include "rig_end.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

#define RIG_END_READ 65536

static ino_t
rig_end_socket(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISSOCK(stat.st_mode) ? stat.st_ino
							       : 0;
}

void
rig_end_set_near(struct rig_end *end, int fd, int near)
{
	end->near_fd = fd;
	end->near_socket = rig_end_socket(near);
}

/* The handler's side, or -1: it is closed, as far as is known. */
static int
rig_end_near(const struct rig_end *end)
{
	if (end->conn != 0)
		return end->gone ? -1 : end->server_fd;
	return end->near_socket != 0 &&
		       rig_end_socket(end->near_fd) == end->near_socket
		   ? end->near_fd
		   : -1;
}

static int
rig_end_make_room(struct rig_end *end, size_t more)
{
	size_t size = end->size > 0 ? end->size : 4096;
	char *grown;

	while (size - end->len < more)
		size *= 2;
	if (size == end->size)
		return 0;
	grown = realloc(end->came, size);
	if (grown == NULL)
		return -1;
	end->came = grown;
	end->size = size;
	return 0;
}

/* How much may be read at once, before or of what fills the socket. */
static size_t
rig_end_most(const struct rig_end *end, size_t most)
{
	if (most > RIG_END_READ)
		most = RIG_END_READ;
	if (end->filler == 0)
		return most;
	if (end->len == end->filler_at)
		return end->filler < RIG_END_READ ? end->filler : RIG_END_READ;
	return end->filler_at - end->len < most ? end->filler_at - end->len
						: most;
}

int
rig_end_read(struct rig_end *end, size_t most)
{
	ssize_t len;

	if (end->fd < 0 || end->eof || end->stalled ||
	    rig_end_make_room(end, RIG_END_READ) < 0)
		return 0;
	len = recv(end->fd, end->came + end->len, rig_end_most(end, most), 0);
	if (len < 0 && errno == EAGAIN)
		return 0;
	if (len <= 0) {
		end->eof = 1;
		end->failed = len < 0;
	} else if (end->filler > 0 && end->len == end->filler_at) {
		end->filler -= (size_t)len;
	} else {
		end->len += (size_t)len;
	}
	return 1;
}

void
rig_stall(struct rig_end *end)
{
	static const char filler[4096];
	int near = rig_end_near(end), waits = 0;
	ssize_t sent;

	if (end->stalled)
		return;
	end->stalled = 1;
	if (end->filler > 0 || end->fd < 0 || near < 0 ||
	    ioctl(end->fd, FIONREAD, &waits) < 0)
		return;
	end->filler_at = end->len + (size_t)waits;
	while ((sent = send(near, filler, sizeof(filler),
		    MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
		end->filler += (size_t)sent;
}

void
rig_resume(struct rig_end *end)
{
	end->stalled = 0;
}

void
rig_end_writing(struct rig_end *end)
{
	if (end->fd >= 0)
		shutdown(end->fd, SHUT_WR);
}

void
rig_close(struct rig_end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

/* A socket of a pair that closes with something unread resets the other. */
void
rig_reset(struct rig_end *end)
{
	if (end->fd >= 0 && end->server_fd >= 0 && !end->gone)
		(void)!send(end->server_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	rig_close(end);
}
