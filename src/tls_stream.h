/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS as the transport of a flow: an SSL over a socket. step_tls makes it and
 * shakes hands, the flow has it afterwards. Without OpenSSL there is none.
 */
#ifndef TLS_STREAM_H
#define TLS_STREAM_H

#include <bevhost/base.h>
#include <bevhost/reason.h>

struct ssl_st;
struct ssl_ctx_st;
struct tls_stream;
struct transport;

/* The server's end over fd, which stays the caller's. NULL without memory. */
struct tls_stream *tls_stream_new(struct ssl_ctx_st *ctx, int fd);
void tls_stream_free(struct tls_stream *stream);

/*
 * Goes on with the handshake. Returns 0 when it is done, -EAGAIN when it waits
 * for the socket, which is to become writable if *wants_write, or another
 * -errno, which tls_stream_reason() and tls_stream_why() explain.
 */
int tls_stream_handshake(struct tls_stream *stream, int *wants_write);

/* Why it failed; NONE: errno tells it. The text lives as long as stream, and
   is NULL while nothing has failed. */
enum bevhost_reason tls_stream_reason(const struct tls_stream *stream);
const char *tls_stream_why(const struct tls_stream *stream);

/* The peer speaks something else: says what, in place of what had failed. */
void tls_stream_judge(struct tls_stream *stream);

/* For a flow, which then owns the stream and frees it. */
struct transport *tls_stream_transport(struct tls_stream *stream);

/* The stream that is a flow's transport. */
struct tls_stream *tls_stream_of(struct transport *transport);

/* For accessors: neither read nor written by them. */
struct ssl_st *tls_stream_ssl(const struct tls_stream *stream);

#endif
