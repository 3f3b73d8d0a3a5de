/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TLS handshake on a descriptor: from bytes to a stream, or to a reason
 * why not, before a deadline. Knows nothing of connections.
 */
#ifndef STEP_TLS_H
#define STEP_TLS_H

#include <stdint.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

struct bevhost_authorities;
struct event_base;
struct ssl_ctx_st;
struct step_tls;
struct tls_stream;

/*
 * done is called from the loop, exactly once, and never from inside of these
 * calls; step is no more then. NONE: stream is the callee's. Otherwise stream
 * is NULL, and why, which does not outlive the call, says it for the log: TLS,
 * RESET, OVERLOAD or ERROR.
 */
typedef void step_tls_done_fn(void *arg, enum bevhost_reason reason,
    const char *why, struct tls_stream *stream);

/*
 * Shakes hands on fd, which stays the caller's: it closes it, the sooner the
 * better when the step has failed. The deadline counts from now, whatever the
 * peer sends; 0 is none. NULL without memory.
 */
struct step_tls *
step_tls_start(struct event_base *base, int fd, struct ssl_ctx_st *ctx,
    int64_t timeout_ms, step_tls_done_fn *done, void *arg);

/*
 * The same as the client, to whoever has a certificate for name, a name or an
 * address. A deadline that has passed is TIMEOUT.
 */
struct step_tls *step_tls_connect(struct event_base *base, int fd,
    const struct bevhost_authorities *authorities, const char *name,
    int64_t timeout_ms, step_tls_done_fn *done, void *arg);

/* done will not be called. */
void step_tls_cancel(struct step_tls *step);

#endif
