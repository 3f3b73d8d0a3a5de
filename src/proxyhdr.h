/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PROXY protocol headers, versions 1 and 2: from bytes to addresses, by the
 * specification that HAProxy publishes (proxy-protocol.txt). Pure.
 */
#ifndef PROXYHDR_H
#define PROXYHDR_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"

#define PROXYHDR_V1_SIZE_MAX 107
/*
 * The longest header that is taken. The format allows 65551 bytes, but those
 * of real senders stay below 1000, and each connection keeps its own.
 */
#define PROXYHDR_SIZE_MAX 4096

/* Types, lengths and values as they were sent, one after the other. */
struct proxyhdr_tlvs {
	const unsigned char *bytes;
	size_t len;
};

/*
 * Without addresses, their len is 0, and those of the socket count: LOCAL, when
 * the proxy speaks for itself, UNKNOWN and UNSPEC.
 */
struct proxyhdr {
	unsigned char version; /* 1 or 2 */
	unsigned char local;   /* it was LOCAL */
	int family;	       /* AF_UNSPEC without addresses */
	int transport;	       /* 0, SOCK_STREAM or SOCK_DGRAM */
	struct addr client, destination;
	struct proxyhdr_tlvs tlvs;
};

enum proxyhdr_state {
	PROXYHDR_MAYBE,	  /* no header yet, but one may begin so */
	PROXYHDR_NONE,	  /* no header begins so */
	PROXYHDR_PARTIAL, /* of a header, all of these bytes */
	PROXYHDR_WHOLE,	  /* and these are all of it, or more than that */
	PROXYHDR_WRONG	  /* it can become none that is taken */
};

/*
 * Where does the header end that these bytes begin with? *size gets its size
 * when it is WHOLE, and else the number of bytes that it has at least. *why
 * gets static text for NONE and WRONG.
 */
enum proxyhdr_state proxyhdr_scan(const void *bytes, size_t len, size_t *size,
    const char **why) BEVHOST_MUST_CHECK;

/*
 * Takes a whole header apart: len is its size. The TLVs point into bytes.
 * Returns 0, or -EPROTO with *why set to static text.
 */
int proxyhdr_parse(struct proxyhdr *header, const void *bytes, size_t len,
    const char **why) BEVHOST_MUST_CHECK;

/*
 * The same with a copy of the TLVs, on the heap: freed by proxyhdr_free().
 * NULL with *why set, or with *why NULL without memory.
 */
struct proxyhdr *proxyhdr_new(
    const void *bytes, size_t len, const char **why) BEVHOST_MUST_CHECK;
void proxyhdr_free(struct proxyhdr *header); /* NULL is fine */

#endif
