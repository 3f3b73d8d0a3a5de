/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections that were opened from here: they have no conn, so what closes
 * them is theirs. Whose they are is another file's.
 */
#ifndef OUTBOUND_H
#define OUTBOUND_H

#include <stddef.h>
#include <sys/queue.h>

#include "flow.h"

struct settings_guard;

/* The first member of what it is. */
struct outbound {
	struct flow flow;
	const struct outbound_ops *ops;
	LIST_ENTRY(outbound) entry;
};

struct outbound_ops {
	/* Of a bev that does not close, as libevent means them. */
	void (*read)(struct outbound *outbound);
	void (*write)(struct outbound *outbound);
	void (*event)(struct outbound *outbound, short what);
	/* The descriptor is closed: outbound_free() is due, now or later. */
	void (*closed)(struct outbound *outbound);
};

/* Once for each process. on_gone is called after the end of each. 0 or -1. */
int outbound_loop_init(struct event_base *base, void (*on_gone)(void *arg),
    void *arg) BEVHOST_MUST_CHECK;
/* Closes what is still closing, at once. */
void outbound_loop_cut(void);
/* The host stops: peers that do not close get less patience. */
void outbound_loop_drain(void);
size_t outbound_loop_count(void);
void outbound_loop_clear(void);

/* Takes fd and transport (NULL: plain), and reads. 0; or -ENOMEM, and they are
   still the caller's. */
int outbound_open(struct outbound *outbound, const struct outbound_ops *ops,
    int fd, struct transport *transport) BEVHOST_MUST_CHECK;
/* As flow_close(). Whatever is owed has the deadlines of the settings, which
   outlive it; NULL are none. */
void outbound_close(struct outbound *outbound, enum bevhost_close how,
    const struct settings_guard *settings);
/* Frees it, once it is closed. Its memory came from malloc. */
void outbound_free(struct outbound *outbound);

#endif
