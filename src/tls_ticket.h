/* SPDX-License-Identifier: BSD-2-Clause */
/* Session tickets (RFC 5077; RFC 8446, 4.6.1) with the keys of tickets.h. */
#ifndef TLS_TICKET_H
#define TLS_TICKET_H

#include <stdint.h>

#include <bevhost/base.h>

struct ssl_ctx_st;
struct tickets;

/*
 * The keys for all contexts of this process, for as long as it lives; NULL:
 * none, and no tickets. When they are its own, it rotates them itself as soon
 * as they are period_ms old.
 */
void tls_ticket_use(struct tickets *tickets, int64_t period_ms);

/* A worker's: those of its master, in fd, which stays the caller's. 0, or -1
   with errno. */
int tls_ticket_attach(int fd) BEVHOST_MUST_CHECK;

/* Tickets, and no other way to resume a session. 0, or -1 with an error of
   OpenSSL. */
int tls_ticket_set(struct ssl_ctx_st *ctx) BEVHOST_MUST_CHECK;

#endif
