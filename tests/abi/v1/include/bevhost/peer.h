/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of the far end of a connection beside its address. The guide
 * to it is the manual page bevhost-peer(3). <bevhost/plugin.h> has the
 * addresses of client and peer.
 *
 * Every function may be called from admit to close. What it points to lives as
 * long as the connection.
 */
#ifndef BEVHOST_PEER_H
#define BEVHOST_PEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <bevhost/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bevhost_conn;

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/*
 * The PROXY protocol header that the connection began with, by the
 * specification that HAProxy publishes (proxy-protocol.txt). A peer that may
 * not send one has none, whatever its first bytes are.
 */

/* One thing that a header of version 2 tells: a type, and bytes. */
struct bevhost_tlv {
	unsigned type; /* BEVHOST_PROXY_* or any other, from 0 to 255 */
	const void *value;
	size_t len;
};

enum bevhost_proxy_type {
	BEVHOST_PROXY_ALPN = 0x01,	/* the protocol that was agreed on */
	BEVHOST_PROXY_AUTHORITY = 0x02, /* the host name that was asked for */
	BEVHOST_PROXY_CRC32C = 0x03,	/* has been verified */
	BEVHOST_PROXY_NOOP = 0x04,
	BEVHOST_PROXY_UNIQUE_ID = 0x05, /* at most 128 bytes */
	BEVHOST_PROXY_SSL = 0x20,	/* see bevhost_conn_proxy_ssl() */
	BEVHOST_PROXY_NETNS = 0x30
};

/* What stands inside of BEVHOST_PROXY_SSL, each as text. */
enum bevhost_proxy_ssl_type {
	BEVHOST_PROXY_SSL_VERSION = 0x21,
	BEVHOST_PROXY_SSL_CN = 0x22, /* of the client's certificate */
	BEVHOST_PROXY_SSL_CIPHER = 0x23,
	BEVHOST_PROXY_SSL_SIG_ALG = 0x24, /* of the proxy's certificate */
	BEVHOST_PROXY_SSL_KEY_ALG = 0x25
};

/* The bits of *client. */
#define BEVHOST_PROXY_CLIENT_SSL       1u /* it speaks TLS */
#define BEVHOST_PROXY_CLIENT_CERT_CONN 2u /* with a certificate */
#define BEVHOST_PROXY_CLIENT_CERT_SESS 4u /* which the session had */

/* 1 or 2, and 0 when the connection came without a header. */
int bevhost_conn_proxy_version(const struct bevhost_conn *conn);

/* 1 when the proxy speaks for itself, as in a health check (LOCAL). */
int bevhost_conn_proxy_is_local(const struct bevhost_conn *conn);

/*
 * The address that the client had connected to. NULL when the header tells
 * none. *len, if it is not NULL, gets its size in bytes.
 */
const struct sockaddr *
bevhost_conn_proxy_destination(const struct bevhost_conn *conn, socklen_t *len);

/* The first value of a type: 1, or 0 when the header tells none. */
int bevhost_conn_proxy_tlv(const struct bevhost_conn *conn, unsigned type,
    struct bevhost_tlv *tlv) BEVHOST_MUST_CHECK;

/* All of them, in their order: *at is 0 at first. 1, or 0 after the last. */
int bevhost_conn_proxy_next(
    const struct bevhost_conn *conn, size_t *at, struct bevhost_tlv *tlv);

/*
 * Did the client speak TLS with the proxy, as far as the proxy tells? Returns
 * 1, with BEVHOST_PROXY_CLIENT_* in *client and in *verify 0 if its certificate
 * was verified, or 0 when the header tells nothing of it.
 */
int bevhost_conn_proxy_ssl(const struct bevhost_conn *conn, unsigned *client,
    uint32_t *verify) BEVHOST_MUST_CHECK;

/* The first value of a type BEVHOST_PROXY_SSL_*: 1, or 0. */
int bevhost_conn_proxy_ssl_tlv(const struct bevhost_conn *conn, unsigned type,
    struct bevhost_tlv *tlv) BEVHOST_MUST_CHECK;

/*
 * The TLS that the connection itself speaks, from open to close. All are NULL
 * when it speaks none.
 */

/* "TLSv1.3", and the cipher as OpenSSL calls it. */
const char *bevhost_conn_tls_version(const struct bevhost_conn *conn);
const char *bevhost_conn_tls_cipher(const struct bevhost_conn *conn);

/* The host that the client asked for (RFC 6066, 3); NULL: for none. Whoever
   connects chooses it: the certificate shown may be for another. */
const char *bevhost_conn_tls_sni(const struct bevhost_conn *conn);

/* The protocol that was agreed on (RFC 7301), without a 0 at its end; NULL:
   none was. *len is its size in bytes. */
const char *bevhost_conn_tls_alpn(const struct bevhost_conn *conn, size_t *len);

/*
 * The client's certificate, which has been verified: its subject as RFC 2253
 * writes it, or the whole of it in DER, of *len bytes. The caller frees either
 * with free(). NULL when the client showed none, or without memory.
 */
char *
bevhost_conn_tls_subject(const struct bevhost_conn *conn) BEVHOST_MUST_CHECK;
void *bevhost_conn_tls_certificate(
    const struct bevhost_conn *conn, size_t *len) BEVHOST_MUST_CHECK;

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* BEVHOST_PEER_H */
