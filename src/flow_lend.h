/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket of a flow in other hands. */
#ifndef FLOW_LEND_H
#define FLOW_LEND_H

#include "flow.h"

/*
 * Somebody else reads and writes the socket, which blocks from now on. Returns
 * its descriptor, which stays the flow's, or -ESHUTDOWN when it closes,
 * -ENOTSUP where each byte is to be seen or counted here, -EBUSY when some are
 * in the buffers, or another negative errno.
 */
int flow_lend(struct flow *flow) BEVHOST_MUST_CHECK;

/* The socket is ours again, if it was lent, but not ours alone. */
void flow_lend_end(struct flow *flow);
/* Of one that is lent: the bytes that came, and those that the peer has taken,
   0 where the kernel does not count them. Reports a failure. */
void flow_lent_moved(struct flow *flow, uint64_t *received, uint64_t *taken);

#endif
