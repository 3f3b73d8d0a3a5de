/* SPDX-License-Identifier: BSD-2-Clause */
/* What a listener needs for TLS, made of its settings. */
#ifndef TLS_H
#define TLS_H

#include <bevhost/base.h>

struct settings_guard;
struct ssl_ctx_st;
struct tls;

/*
 * *tls is NULL when the settings name no certificate.
 * Reads all files, so it comes before privileges are dropped. Returns 0, or
 * minus an exit status having logged what is wrong, with its line in the
 * configuration file.
 */
int tls_new(
    struct tls **tls, const struct settings_guard *guard) BEVHOST_MUST_CHECK;
/* NULL is nothing. Connections that have begun go on. */
void tls_free(struct tls *tls);

/* For connections that begin now; they keep it alive. */
struct ssl_ctx_st *tls_ctx(const struct tls *tls);

/* Does this setting name a file that TLS reads? */
int tls_is_file(const char *name);

#endif
