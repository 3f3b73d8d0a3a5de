/* SPDX-License-Identifier: BSD-2-Clause */
/* The step that takes a PROXY protocol header off a descriptor. */
#ifndef STEP_PROXY_H
#define STEP_PROXY_H

#include <stdint.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

struct event_base;
struct proxyhdr;
struct step_proxy;

/*
 * Takes exactly the header from fd, which is nonblocking and stays the
 * caller's: the next byte that is read from it is the one after the header.
 *
 * `required`: all else is refused. Otherwise the connection goes on without
 * one, and nothing has been read of it, as soon as its first bytes cannot begin
 * a header; when the peer ends before that; and when they have not come at the
 * deadline, as with a peer that waits for us to speak first. What has begun as
 * a header is refused unless it ends as one.
 *
 * The deadline is absolute: timeout_ms from now, 0 for none.
 *
 * on_done is called once, from the loop, never from inside start or cancel, and
 * the step is gone then. The reason is NONE to go on: `header`, which is the
 * callee's from then on (proxyhdr_free()), is NULL if there was none. PROXY,
 * RESET, ERROR and OVERLOAD end the connection; why has been logged.
 *
 * NULL without memory: then on_done is not called.
 */
struct step_proxy *step_proxy_start(struct event_base *base, int fd,
    int required, int64_t timeout_ms,
    void (*on_done)(
	void *arg, enum bevhost_reason reason, struct proxyhdr *header),
    void *arg) BEVHOST_MUST_CHECK;

/*
 * Says that the peer of fd may not send a header, and is refused for it. What
 * is said of headers is bounded: a peer that connects in a loop does not fill
 * the log.
 */
void step_proxy_say_stranger(int fd);

/* on_done will not be called; the step is gone. */
void step_proxy_cancel(struct step_proxy *step);

#endif
