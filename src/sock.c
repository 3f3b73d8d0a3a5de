/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets once they are bound: whose they are, and how they go.
 */
#include "sock.h"

#include <sys/stat.h>
#include <unistd.h>

int
sock_is_shared(const struct sock *sock)
{
	return sock->inherited || sock->bound.u.sa.sa_family == AF_UNIX;
}

int
sock_has_file(const struct sock *sock)
{
	struct stat st;

	return lstat(sock->bound.u.un.sun_path, &st) == 0 &&
	       st.st_dev == sock->device && st.st_ino == sock->inode;
}

void
sock_drop(struct sock *sock)
{
	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
	sock->unlink = 0;
}

void
sock_close(struct sock *sock)
{
	if (sock->unlink && sock_has_file(sock))
		unlink(sock->bound.u.un.sun_path);
	sock_drop(sock);
}
