/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets: opened, checked when inherited, and taken away. */
#ifndef SOCK_H
#define SOCK_H

#include <sys/types.h>

#include <bevhost/types.h>

#include "addr.h"

struct sock {
	int fd; /* listening, non-blocking, close-on-exec */
	struct addr bound;
	int unlink;   /* the file of a unix socket is ours to remove */
	dev_t device; /* as long as it is this one */
	ino_t inode;
};

/*
 * Opens what spec says, at most max sockets: one for each address of a name.
 * Returns how many, or when one fails closes all and returns a negated
 * sysexits code, having logged why with `text`, the operator's spelling.
 */
int sock_open(const struct addr_spec *spec, const char *text,
    struct sock *socks, int max) BEVHOST_MUST_CHECK;

/* Closes; removes the file of a unix socket. */
void sock_close(struct sock *sock);

#endif
