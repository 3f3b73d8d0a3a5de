/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets: whose they are, and how they are taken away. */
#ifndef SOCK_H
#define SOCK_H

#include <sys/types.h>

#include "addr.h"

struct sock {
	int fd; /* non-blocking, close-on-exec */
	struct addr bound;
	int inherited; /* it listened when we got it */
	int unlink;    /* the file of a unix socket is ours to remove */
	dev_t device;  /* as long as it is this one */
	ino_t inode;
};

/* There is only one of it, which workers share: a unix or inherited socket. */
int sock_is_shared(const struct sock *sock);

/* The file of a unix socket is still the one that was bound. */
int sock_has_file(const struct sock *sock);

/*
 * The door is shut, for all who have the socket, and for good: a client that
 * knocks now is not answered, and its kernel tries again in a second, when
 * there is another server or none. Those that wait inside, or are on the
 * threshold, can still be accepted: who has done that closes, and nobody is
 * reset. Not of a socket that is shared: others may go on with it.
 */
void sock_seal(const struct sock *sock);

/* Closes this process's copy only: the file of a unix socket stays. */
void sock_drop(struct sock *sock);

/* Closes; removes the file of a unix socket. */
void sock_close(struct sock *sock);

#endif
