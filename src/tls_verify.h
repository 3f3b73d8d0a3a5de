/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a peer's certificate was refused. */
#ifndef TLS_VERIFY_H
#define TLS_VERIFY_H

#include <bevhost/base.h>

struct ssl_ctx_st;

/* Asks peers for a certificate, with OpenSSL's SSL_VERIFY_* in `mode`. */
void tls_verify_ask(struct ssl_ctx_st *ctx, int mode);

/*
 * What was wrong with the last one, whose it is, and who issued it: to be asked
 * for when OpenSSL has just said that one is refused. Valid until the next.
 */
const char *tls_verify_why(void);

#endif
