/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done to a connection whose flow is too slow, or holds too much. */
#ifndef CONN_GUARD_H
#define CONN_GUARD_H

#include <stddef.h>

#include <bevhost/reason.h>

struct conns;
struct bevhost_conn;

/* For the peer's fault, or for want of memory: nothing more reaches it. */
void conn_abort(struct bevhost_conn *conn, enum bevhost_reason reason);
/* For want of memory, and nothing more reaches the far ends of its outbound
   connections either. */
void conn_drop(struct bevhost_conn *conn);

/* The handler waits for its peer alone, and reads. */
int conn_waits(const struct bevhost_conn *conn);

/* What its buffers hold, and those of its outbound connections. */
size_t conn_memory(struct bevhost_conn *conn);

/* For the flows of a worker. */
void conn_guard_init(struct conns *conns);

#endif
