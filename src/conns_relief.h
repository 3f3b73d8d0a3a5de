/* SPDX-License-Identifier: BSD-2-Clause */
/* max-memory: what is done when the buffers of a worker hold too much. */
#ifndef CONNS_RELIEF_H
#define CONNS_RELIEF_H

#include <stdint.h>

#include <bevhost/base.h>

struct conns;
struct flow_loop;

/*
 * Above nine tenths of so many bytes the peers of those that hold most are not
 * read from, until it is less than eight; above all of it those are closed, for
 * overload. It counts what was opened from here, too: once that has its loop. 0
 * is no limit. 0 or -1 without memory.
 */
int conns_relief_start(struct conns *conns, int64_t bytes) BEVHOST_MUST_CHECK;
void conns_relief_stop(struct conns *conns);
/* The buffers may hold too much. */
void conns_relief_on_full(struct flow_loop *loop);

#endif
