/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What outbound connections hold, for whoever looks after a worker's memory. It
 * counts for the conn that they were opened for, while that is open; else they
 * are nobody's, and are looked at by themselves.
 */
#ifndef OUTBOUND_HOST_H
#define OUTBOUND_HOST_H

#include <stddef.h>

struct bevhost_conn;
struct flow_loop;
struct outbound;

struct outbound_host {
	/* Where those of conn are listed; NULL: it closes. */
	struct outbound **(*list_of)(struct bevhost_conn *conn);
	/* More memory than it may have waits in one of them to be written.
	   Nothing of the plugin may run inside. */
	void (*overflow)(struct bevhost_conn *conn);
};
void outbound_set_host(const struct outbound_host *host);

/* All that they hold counts in that loop, which outlives theirs. */
void outbound_loop_count_in(struct flow_loop *loop);

/* The first that is nobody's; the next on the same list. Or NULL. */
struct outbound *outbound_loop_first(void);
struct outbound *outbound_next(const struct outbound *outbound);

/* As flow_memory(). */
size_t outbound_memory(struct outbound *outbound);
/* Memory is scarce: nothing is read from its peer. */
void outbound_set_scarce(struct outbound *outbound, int scarce);
/*
 * There is none for what it holds, which is gone in this turn of the loop: the
 * peer gets a reset, and the owner, unless it has closed it, ENOMEM. 0; or -1
 * when it is as good as gone.
 */
int outbound_drop(struct outbound *outbound);

#endif
