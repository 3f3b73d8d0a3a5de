/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections that were opened from here: they have no conn of their own, so
 * what closes them is theirs. What they hold counts for the conn that they were
 * opened for, while it is open; else it is their own.
 */
#ifndef OUTBOUND_H
#define OUTBOUND_H

#include <stddef.h>

#include "flow.h"

struct bevhost_conn;
struct settings_guard;

/* The first member of what it is. */
struct outbound {
	struct flow flow;
	const struct outbound_ops *ops;
	const struct settings_guard *settings;
	/* That it counts for, and on whose list it is; or NULL: the loop's.
	 */
	struct bevhost_conn *conn;
	struct outbound *next, **link;
	unsigned dropped : 1; /* its error is on the way */
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

/*
 * For conn, or NULL. Takes fd and transport (NULL: plain), and reads. The
 * settings say how much it may hold, and then how long what is owed may take;
 * they outlive it, and NULL are none. 0; or -ENOMEM, and fd and transport are
 * still the caller's.
 */
int outbound_open(struct outbound *outbound, const struct outbound_ops *ops,
    struct bevhost_conn *conn, const struct settings_guard *settings, int fd,
    struct transport *transport) BEVHOST_MUST_CHECK;
/* As flow_close(). */
void outbound_close(struct outbound *outbound, enum bevhost_close how);
/* Frees it, once it is closed. Its memory came from malloc. */
void outbound_free(struct outbound *outbound);

#endif
