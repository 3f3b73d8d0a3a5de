/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of clients: whether they are asked for, and who vouches. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include <bevhost/base.h>

struct settings_guard;
struct ssl_ctx_st;

/*
 * As the settings say. With certificates of its own in place: sessions are
 * resumed only where the same is asked of a client and the same certificate is
 * shown to it. Returns 0, or minus an exit status having logged.
 */
int tls_client_set(struct ssl_ctx_st *ctx,
    const struct settings_guard *guard) BEVHOST_MUST_CHECK;

#endif
