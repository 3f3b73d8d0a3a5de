/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may connect to a listener: its access list, how many connections there
 * may be, of everybody and of one client, and how fast they may come. What one
 * connection has taken is in its ticket until it leaves.
 *
 * A place, for which clients wait, is taken before a connection is accepted;
 * all else is asked when the client is known, and refuses.
 */
#ifndef GATE_H
#define GATE_H

#include <stdint.h>

#include <bevhost/base.h>

#include "limit.h"

struct gate;
struct settings_guard;

/*
 * The gate of a listener, or of several that are counted as one. name stands
 * before what is logged and must live as long; scope is the same after a
 * reload. NULL without memory, or when guard has what is no network.
 */
struct gate *gate_new(const char *name, const char *scope,
    const struct settings_guard *guard) BEVHOST_MUST_CHECK;
void gate_free(struct gate *gate); /* NULL is nothing */

/* Does a limit only say what it would do? */
int gate_is_dry(const struct gate *gate, enum limit limit);
/* Counts that a limit did something, or would have. */
void gate_count(const struct gate *gate, enum limit limit);

#endif
