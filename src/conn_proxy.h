/* SPDX-License-Identifier: BSD-2-Clause */
/* The PROXY header that a connection began with. */
#ifndef CONN_PROXY_H
#define CONN_PROXY_H

struct bevhost_conn;
struct proxyhdr;

/* Takes header, in place of the one that it had; NULL is none. */
void conn_set_proxy(struct bevhost_conn *conn, struct proxyhdr *header);
const struct proxyhdr *conn_proxy(const struct bevhost_conn *conn);

#endif
