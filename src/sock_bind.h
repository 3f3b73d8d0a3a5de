/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets: opened, or checked when inherited. */
#ifndef SOCK_BIND_H
#define SOCK_BIND_H

#include <bevhost/base.h>

#include "sock.h"

/* What is not the usual. All zero is. */
struct sock_how {
	mode_t mode; /* of a unix socket's file; 0: as the umask has it */
	/*
	 * A wider or narrower address of the port is ours already (0.0.0.0 and
	 * 127.0.0.1). Another server of our user that allows such sharing is
	 * not noticed then.
	 */
	int beside;
};

/*
 * Binds what spec says, at most max sockets: one for each address of a name.
 * Nobody can connect before sock_listen. What was inherited listens already,
 * and is copied: under a name, all that were passed under it; for an address,
 * the one that is bound to exactly this. Changes the umask for a moment when
 * how has a mode; how may be NULL. Returns how many, or when one fails closes
 * all and returns a negated sysexits code, having logged why with `text`, the
 * operator's spelling.
 */
int sock_bind_all(const struct addr_spec *spec, const char *text,
    const struct sock_how *how, struct sock *socks, int max) BEVHOST_MUST_CHECK;

/*
 * Its two halves, for whoever looks at the addresses in between: how many there
 * are, or a negated sysexits code; and 0, or one. Both have logged. spec is no
 * descriptor.
 */
int sock_resolve(const struct addr_spec *spec, const char *text,
    struct addr *addrs, int max) BEVHOST_MUST_CHECK;
int sock_bind_addr(const struct addr *addr, const char *text,
    const struct sock_how *how, struct sock *sock) BEVHOST_MUST_CHECK;

/*
 * Lets clients come. Of servers that have bound the same address, one can; the
 * others are told that it is in use. Sockets listen in the order in which they
 * were bound, a first one before its clones. Nothing happens to an inherited
 * one. Returns 0 or, having logged why, a negated sysexits code; the socket is
 * to be closed then.
 */
int sock_listen(struct sock *sock) BEVHOST_MUST_CHECK;

/* Both of them. */
int sock_open(const struct addr_spec *spec, const char *text,
    struct sock *socks, int max) BEVHOST_MUST_CHECK;

/*
 * One more socket on the address of first, which is not shared and may listen
 * already: the kernel spreads new connections over all that listen. What waits
 * in the queue of one that is closed is reset. It is to listen after the
 * first. Returns 0 or, having logged why, a negated sysexits code.
 */
int sock_clone(const struct sock *first, struct sock *more) BEVHOST_MUST_CHECK;

#endif
