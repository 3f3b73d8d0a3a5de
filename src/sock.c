/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets once they are bound: whose they are, and how they go.
 */
#include "sock.h"

#include <linux/filter.h>
#include <stdint.h>
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

/*
 * Between the last accept and the close, a client would come in and be reset
 * with what it has sent. There is no call for a listening socket to take no
 * more; so its SYNs are dropped, and nothing else.
 */
void
sock_seal(const struct sock *sock)
{
	static struct sock_filter code[] = {
		/* The flags of the TCP header: SYN without ACK? */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	/* Where it is not to be had, a client more may be reset. */
	if (!sock_is_shared(sock))
		setsockopt(sock->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		    sizeof(program));
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
