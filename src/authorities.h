/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose certificates are believed of those that we connect to. */
#ifndef AUTHORITIES_H
#define AUTHORITIES_H

struct bevhost_authorities;
struct ssl_ctx_st;

struct ssl_ctx_st *
authorities_ctx(const struct bevhost_authorities *authorities);

#endif
