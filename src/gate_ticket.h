/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection at the gate of its listener, where it has a place already:
 * see gate.h. gate may be NULL: everybody may enter.
 */
#ifndef GATE_TICKET_H
#define GATE_TICKET_H

#include <stdint.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

struct gate;
struct limit_log;
struct sockaddr;

/*
 * May that client go on? BEVHOST_REASON_NONE, with what it has taken in
 * *ticket, which is 0 at first; or the reason why not, having counted and
 * logged it: then only its place is taken, as before. It came to the listener
 * of that log, NULL: to none.
 */
enum bevhost_reason gate_enter(struct gate *gate, struct limit_log *log,
    const struct sockaddr *client, uint64_t *ticket) BEVHOST_MUST_CHECK;

/* The connection has ended: returns its place, and what is in its ticket. */
void gate_leave(struct gate *gate, uint64_t ticket);

#endif
