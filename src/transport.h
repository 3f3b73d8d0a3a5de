/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands between the socket of a flow and its bytes: TLS. A flow without
 * one, a plain one, reads and writes its socket itself.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

struct evbuffer;

/* Of read: the socket has ended, and the peer had not said that it would. */
#define TRANSPORT_TRUNCATED ECONNABORTED

/* The first member of what implements it. */
struct transport {
	const struct transport_ops *ops;
};

struct transport_ops {
	/*
	 * Up to len bytes, as from read(2): 0 at the end of what the peer
	 * sends, -1 with errno. One call does a bounded amount of work. Bytes
	 * that are left keep the socket readable.
	 */
	ssize_t (*read)(struct transport *transport, void *buf, size_t len);
	/* The end or an error is to be read, and the socket may not show it. */
	int (*is_over)(const struct transport *transport);
	/*
	 * Writes about max bytes from the front of output, which are no file,
	 * and drains them, as far as the socket takes them. Their number, or -1
	 * with errno; more: others follow at once. Of output the front must
	 * stay as it is between calls.
	 */
	ssize_t (*write)(struct transport *transport, struct evbuffer *output,
	    size_t max, int more);
	/* Tells the peer, once, that nothing follows: 0 or -errno; -EAGAIN,
	   when the socket is full. */
	int (*shutdown)(struct transport *transport);
	/* Why it failed, or BEVHOST_REASON_NONE: then errno says it. */
	enum bevhost_reason (*reason)(const struct transport *transport);
	/* The same for the log, or NULL. Lives as long as the transport. */
	const char *(*why)(const struct transport *transport);
	/* The bytes that came from the peer so far; *partial: they end within
	   a record. NULL: it cannot tell. */
	uint64_t (*arrived)(const struct transport *transport, int *partial);
	void (*free)(struct transport *transport);
};

#endif
