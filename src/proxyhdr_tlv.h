/* SPDX-License-Identifier: BSD-2-Clause */
/* What a PROXY header of version 2 tells beside the addresses. */
#ifndef PROXYHDR_TLV_H
#define PROXYHDR_TLV_H

#include "proxyhdr.h"

/* Types of what a header of version 2 may tell beside addresses. */
enum proxyhdr_type {
	PROXYHDR_ALPN = 0x01,
	PROXYHDR_AUTHORITY = 0x02,
	PROXYHDR_CRC32C = 0x03,
	PROXYHDR_NOOP = 0x04,
	PROXYHDR_UNIQUE_ID = 0x05,
	PROXYHDR_SSL = 0x20,
	PROXYHDR_SSL_VERSION = 0x21, /* inside of PROXYHDR_SSL, as the next */
	PROXYHDR_SSL_CN = 0x22,
	PROXYHDR_SSL_CIPHER = 0x23,
	PROXYHDR_SSL_SIG_ALG = 0x24,
	PROXYHDR_SSL_KEY_ALG = 0x25,
	PROXYHDR_NETNS = 0x30
};

struct proxyhdr_tlv {
	unsigned type;
	const unsigned char *value;
	size_t len;
};

struct proxyhdr_ssl {
	unsigned client; /* bits: 1 it spoke TLS, 2 with a certificate on this
			    connection, 4 with one in this TLS session */
	uint32_t verify; /* 0: it was verified */
	struct proxyhdr_tlvs tlvs;
};

/*
 * The next one from *at, which is 0 at first and then goes on. Returns 1, 0 at
 * the end, or -EPROTO: one is longer than what is there. Those of a header and
 * of its SSL have been checked.
 */
int proxyhdr_next(
    const struct proxyhdr_tlvs *tlvs, size_t *at, struct proxyhdr_tlv *tlv);

/* The first one of a type: 0, or -ENOENT. */
int proxyhdr_find(const struct proxyhdr_tlvs *tlvs, unsigned type,
    struct proxyhdr_tlv *tlv) BEVHOST_MUST_CHECK;

/* What it tells of the client's TLS: 0, or -ENOENT. */
int proxyhdr_ssl(
    const struct proxyhdr *header, struct proxyhdr_ssl *ssl) BEVHOST_MUST_CHECK;

/*
 * For proxyhdr_parse(): checks the TLVs of a header that is these bytes. Where
 * the addresses are ignored, what makes no TLVs is too. 0, or -EPROTO.
 */
int proxyhdr_check_tlvs(struct proxyhdr *header, const unsigned char *bytes,
    size_t len, const char **why) BEVHOST_MUST_CHECK;

#endif
