/* SPDX-License-Identifier: BSD-2-Clause */
/* From a name to a connected socket, on the loop. */
#ifndef DIAL_H
#define DIAL_H

#include <stdint.h>

#include <bevhost/base.h>

struct dial;
struct event_base;

/* Once for each process, after names_init(). */
void dial_loop_init(struct event_base *base);

/*
 * Connects to host, a name, an address or unix:PATH, all of it in timeout_ms,
 * or in any time if that is negative. done is called once, from the loop and
 * never from inside, with a connected descriptor, which is the callee's, or a
 * negative errno; dial is no more then. NULL without memory.
 */
struct dial *dial_start(const char *host, unsigned port, int64_t timeout_ms,
    void (*done)(void *arg, int fd), void *arg) BEVHOST_MUST_CHECK;

/* Is it known already? Then done will not be called, and dial is no more.
   -EINPROGRESS: it will be. */
int dial_take(struct dial *dial) BEVHOST_MUST_CHECK;

/* done will not be called. */
void dial_cancel(struct dial *dial);

#endif
