/* SPDX-License-Identifier: BSD-2-Clause */
/* Versions, ciphers, groups and tickets of a listener of TLS. */
#ifndef TLS_OPTIONS_H
#define TLS_OPTIONS_H

#include <bevhost/base.h>

struct settings_guard;
struct ssl_ctx_st;

/*
 * What the settings say of them, and what else is best for all. Returns 0, or
 * minus an exit status having logged.
 */
int tls_options_set(struct ssl_ctx_st *ctx,
    const struct settings_guard *guard) BEVHOST_MUST_CHECK;

#endif
