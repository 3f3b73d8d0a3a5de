/* SPDX-License-Identifier: BSD-2-Clause */
/* The connections of a worker, as a whole. */
#ifndef CONNS_H
#define CONNS_H

#include <stddef.h>

#include <bevhost/types.h>

struct conns;
struct event_base;

/* on_gone is called after the end of each connection. NULL without memory. */
struct conns *conns_new(struct event_base *base, void (*on_gone)(void *arg),
    void *arg) BEVHOST_MUST_CHECK;
/* No connection may be left. NULL is nothing. */
void conns_free(struct conns *conns);

size_t conns_count(const struct conns *conns);

/* Asks every handler to finish, and closes for those that cannot be asked. */
void conns_drain(struct conns *conns);
/* Closes all at once. */
void conns_cut(struct conns *conns);

#endif
