/* SPDX-License-Identifier: BSD-2-Clause */
/* What the flows of a loop tell whoever guards them, and what that one does. */
#ifndef FLOW_HOST_H
#define FLOW_HOST_H

#include <stddef.h>

#include <bevhost/reason.h>

struct flow;
struct flow_loop;

struct flow_host {
	/* A deadline has struck. */
	void (*strike)(struct flow *flow, enum bevhost_reason reason);
	/* Does the handler wait for its peer alone? */
	int (*waits)(struct flow *flow);
	/* More memory than a flow may have waits to be written. */
	void (*overflow)(struct flow *flow);
	/* In a dry run a rate would have made it wait: its name. */
	void (*dry_run)(struct flow *flow, const char *name);
	/* The loop holds more than held_max; at each byte that is added. */
	void (*full)(struct flow_loop *loop);
};

/* How much memory there is for what it is to read and to write: more than the
   bytes, but for files. */
size_t flow_memory(struct flow *flow);
/* Its handler leaves as much input as it may have, and nothing is owed: if it
   waits for more, that never comes. */
int flow_is_full(const struct flow *flow);
/* Memory is scarce: nothing is read from the peer. */
void flow_set_scarce(struct flow *flow, int scarce);

/* A peer that is closed for its fault gets a reset, and the kernel keeps
   nothing for it. */
void flow_abort(struct flow *flow);

#endif
