/* SPDX-License-Identifier: BSD-2-Clause */
/* The last step of the approach: as conn_approach() and conn_approach_stop().
 */
#ifndef CONN_TLS_H
#define CONN_TLS_H

struct bevhost_conn;
struct tls_stream;

void conn_tls(struct bevhost_conn *conn);
void conn_tls_stop(struct bevhost_conn *conn);

/* Of one that has been opened: NULL when it is plain. */
const struct tls_stream *conn_tls_stream(const struct bevhost_conn *conn);

#endif
