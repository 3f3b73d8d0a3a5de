/* SPDX-License-Identifier: BSD-2-Clause */
/* From a target to a socket, and to TLS over it if it asks for that. */
#ifndef OUTBOUND_WAY_H
#define OUTBOUND_WAY_H

#include <bevhost/connect.h>

struct outbound_way;
struct tls_stream;

/*
 * Called once, from the loop and never from inside; way is no more then. With
 * status 0 fd, and stream unless it is NULL, are the callee's. Else status is a
 * negative errno, and why, which does not outlive the call, may say more.
 */
typedef void outbound_way_done_fn(
    void *arg, int status, const char *why, int fd, struct tls_stream *stream);

/* NULL with errno. */
struct outbound_way *
outbound_way_start(struct event_base *base, const struct bevhost_target *target,
    outbound_way_done_fn *done, void *arg) BEVHOST_MUST_CHECK;

/* done will not be called. */
void outbound_way_cancel(struct outbound_way *way);

#endif
