/* SPDX-License-Identifier: BSD-2-Clause */
/* The certificates of a listener, which one a client gets, and the protocols
   that it may choose from. */
#ifndef TLS_SITE_H
#define TLS_SITE_H

#include <bevhost/base.h>

struct settings_guard;
struct ssl_ctx_st;

/*
 * Loads all that guard names into ctx, which owns it then and hands it to its
 * clients: by the name that they ask for (RFC 6066, 3), else the first. guard
 * must live until this returns. Returns 0, or minus an exit status having
 * logged.
 */
int tls_site_load(struct ssl_ctx_st *ctx,
    const struct settings_guard *guard) BEVHOST_MUST_CHECK;

#endif
