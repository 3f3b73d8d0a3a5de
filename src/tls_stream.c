/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenSSL between a flow and its socket. Reading takes all records that one
 * read of the socket gives; writing encrypts record by record from the front
 * of the output, which keeps each until the socket has taken all of it.
 *
 * What the peer can make us do without sending data is bounded: OpenSSL counts
 * empty records and warnings in a row; here all messages of the handshake
 * protocol after the handshake, which are KeyUpdates, and tries to renegotiate,
 * share an allowance that grows with time.
 */
#include "tls_stream.h"

#ifdef HAVE_OPENSSL
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "clock.h"
#include "tls_bio.h"
#include "tls_verify.h"
#include "transport.h"

/* The data of one record. */
#define TLS_STREAM_RECORD (16u * 1024)

/* Messages beside data: so many at once, and one more in so long. */
#define TLS_STREAM_BURST   64
#define TLS_STREAM_REST_MS 1000

#define TLS_STREAM_WHY 240

struct tls_stream {
	struct transport transport; /* first: the flow finds us by it */
	struct tls_bio bio;
	SSL *ssl;
	size_t sealed;	      /* of the output's front: not all sent yet */
	int64_t rested_ms;    /* when the allowance last grew */
	int allowance;	      /* of messages beside data */
	int error;	      /* errno, of a stream that has failed */
	unsigned over : 1;    /* no data follows: an end, or it has failed */
	unsigned broken : 1;  /* nor can any be written */
	unsigned told : 1;    /* the peer has our close_notify */
	unsigned flooded : 1; /* the allowance is used up */
	unsigned char reason; /* enum bevhost_reason */
	char why[TLS_STREAM_WHY];
};

/* Records that are no multiple of what stands together are made up here. */
static unsigned char tls_stream_record[TLS_STREAM_RECORD];

/* Failing */

__attribute__((format(printf, 4, 5))) static int
tls_stream_fail(struct tls_stream *stream, int error,
    enum bevhost_reason reason, const char *format, ...)
{
	va_list args;

	stream->over = 1;
	stream->error = error;
	stream->reason = (unsigned char)reason;
	va_start(args, format);
	vsnprintf(stream->why, sizeof(stream->why), format, args);
	va_end(args);
	return -error;
}

/* OpenSSL has something to say of the peer, or of us. */
static int
tls_stream_fail_tls(struct tls_stream *stream)
{
	unsigned long code = ERR_peek_error();
	const char *text = ERR_reason_error_string(code);

	stream->broken = 1;
	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		return tls_stream_fail(
		    stream, ENOMEM, BEVHOST_REASON_OVERLOAD, "no memory");
	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		text = tls_verify_why();
	return tls_stream_fail(stream, EPROTO, BEVHOST_REASON_TLS, "%s",
	    text != NULL ? text : "TLS failed without saying why");
}

/* What a call of OpenSSL that did not succeed means: 0, if the peer has ended,
   or -errno. */
static int
tls_stream_judge_call(struct tls_stream *stream, int result)
{
	int error = SSL_get_error(stream->ssl, result);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (error == SSL_ERROR_ZERO_RETURN) {
		stream->over = 1;
		return 0;
	}
	if (stream->flooded) {
		stream->broken = 1;
		return tls_stream_fail(stream, EPROTO, BEVHOST_REASON_TLS,
		    "too many messages that carry no data");
	}
	if (stream->bio.error != 0)
		return tls_stream_fail(stream, stream->bio.error,
		    BEVHOST_REASON_NONE, "%s", strerror(stream->bio.error));
	if (stream->bio.ended)
		return tls_stream_fail(stream, TRANSPORT_TRUNCATED,
		    BEVHOST_REASON_TRUNCATED, "the peer left without a word");
	return tls_stream_fail_tls(stream);
}

/* Reading */

static int
tls_stream_may_go_on(struct tls_stream *stream)
{
	int64_t now_ms = clock_ms(),
		rests = (now_ms - stream->rested_ms) / TLS_STREAM_REST_MS;

	if (rests > TLS_STREAM_BURST - stream->allowance) {
		stream->allowance = TLS_STREAM_BURST;
		stream->rested_ms = now_ms;
	} else {
		stream->allowance += (int)rests;
		stream->rested_ms += rests * TLS_STREAM_REST_MS;
	}
	return stream->allowance-- > 0;
}

static void
tls_stream_on_message(int is_sent, int version, int type, const void *buf,
    size_t len, SSL *ssl, void *arg)
{
	struct tls_stream *stream = arg;

	(void)version;
	(void)buf;
	(void)len;
	(void)ssl;
	if (is_sent || (type != SSL3_RT_HANDSHAKE && type != SSL3_RT_ALERT) ||
	    tls_stream_may_go_on(stream))
		return;
	/* OpenSSL asks for no more than it has. */
	stream->flooded = stream->bio.stopped = 1;
}

static ssize_t
tls_stream_result(int status)
{
	errno = -status;
	return status == 0 ? 0 : -1;
}

/*
 * What is read ahead, with a record that has begun or is left, is never more
 * than fits, so that all of it is used up.
 */
static size_t
tls_stream_ahead(size_t room)
{
	if (room < 2 * TLS_BIO_RECORD)
		return 0;
	room -= TLS_BIO_RECORD;
	return room < TLS_BIO_AHEAD ? room : TLS_BIO_AHEAD;
}

static ssize_t
tls_stream_on_read(struct transport *transport, void *buf, size_t len)
{
	struct tls_stream *stream = (struct tls_stream *)transport;
	size_t total = 0, got;
	int status = -EAGAIN, result;

	if (stream->over)
		return tls_stream_result(-stream->error);
	tls_bio_begin(&stream->bio, tls_stream_ahead(len), 1);
	while (total < len) {
		ERR_clear_error();
		result = SSL_read_ex(
		    stream->ssl, (char *)buf + total, len - total, &got);
		if (result != 1) {
			status = tls_stream_judge_call(stream, result);
			break;
		}
		total += got;
	}
	tls_bio_end(&stream->bio, SSL_pending(stream->ssl) > 0);
	return total > 0 ? (ssize_t)total : tls_stream_result(status);
}

static int
tls_stream_is_over(const struct transport *transport)
{
	return ((const struct tls_stream *)transport)->over;
}

/* Writing */

/* The bytes at the front, in one piece. */
static const void *
tls_stream_front(struct evbuffer *output, size_t len)
{
	struct evbuffer_iovec vector;

	if (evbuffer_peek(output, (ev_ssize_t)len, NULL, &vector, 1) >= 1 &&
	    vector.iov_len >= len)
		return vector.iov_base;
	return evbuffer_copyout(output, tls_stream_record, len) ==
		       (ev_ssize_t)len
		   ? tls_stream_record
		   : NULL;
}

/* What the socket has taken leaves the output. Its bytes are added to total. */
static int
tls_stream_settle(
    struct tls_stream *stream, struct evbuffer *output, size_t *total)
{
	int status = tls_bio_flush(&stream->bio);

	if (status == -EAGAIN)
		return status;
	if (status < 0)
		return tls_stream_fail(stream, -status, BEVHOST_REASON_NONE,
		    "%s", strerror(-status));
	evbuffer_drain(output, stream->sealed);
	*total += stream->sealed;
	stream->sealed = 0;
	return 0;
}

static int
tls_stream_seal(struct tls_stream *stream, struct evbuffer *output, size_t len)
{
	const void *front = tls_stream_front(output, len);
	int result, status;

	if (front == NULL)
		return -ENOMEM;
	ERR_clear_error();
	result = SSL_write_ex(stream->ssl, front, len, &stream->sealed);
	if (result == 1)
		return 0;
	stream->sealed = 0;
	status = tls_stream_judge_call(stream, result);
	/* Nothing to wait for: neither the socket, nor renegotiation. */
	return status != -EAGAIN && status != 0
		   ? status
		   : tls_stream_fail(stream, EPROTO, BEVHOST_REASON_TLS,
			 "a handshake within the data");
}

static ssize_t
tls_stream_on_write(
    struct transport *transport, struct evbuffer *output, size_t max, int more)
{
	struct tls_stream *stream = (struct tls_stream *)transport;
	size_t total = 0, len, owed;
	int status = stream->broken ? -stream->error
				    : tls_stream_settle(stream, output, &total);

	while (status == 0 && total < max &&
	       (owed = evbuffer_get_length(output)) > 0) {
		len = max - total < owed ? max - total : owed;
		if (len > TLS_STREAM_RECORD)
			len = TLS_STREAM_RECORD;
		/* The kernel may send them as one. */
		stream->bio.more = len < owed && (more || len < max - total);
		status = tls_stream_seal(stream, output, len);
		if (status == 0)
			status = tls_stream_settle(stream, output, &total);
	}
	stream->bio.more = 0;
	return total > 0 ? (ssize_t)total : tls_stream_result(status);
}

/* Ending */

static int
tls_stream_on_shutdown(struct transport *transport)
{
	struct tls_stream *stream = (struct tls_stream *)transport;

	if (!stream->told && !stream->broken &&
	    SSL_is_init_finished(stream->ssl)) {
		ERR_clear_error();
		SSL_shutdown(stream->ssl);
		stream->told = 1;
	}
	/* Whether it can be told is no concern of the close. */
	return tls_bio_flush(&stream->bio) == -EAGAIN ? -EAGAIN : 0;
}

enum bevhost_reason
tls_stream_reason(const struct tls_stream *stream)
{
	return (enum bevhost_reason)stream->reason;
}

const char *
tls_stream_why(const struct tls_stream *stream)
{
	return stream->why[0] != '\0' ? stream->why : NULL;
}

static enum bevhost_reason
tls_stream_on_reason(const struct transport *transport)
{
	return tls_stream_reason((const struct tls_stream *)transport);
}

static const char *
tls_stream_on_why(const struct transport *transport)
{
	return tls_stream_why((const struct tls_stream *)transport);
}

static uint64_t
tls_stream_on_arrived(const struct transport *transport, int *partial)
{
	const struct tls_stream *stream = (const struct tls_stream *)transport;

	/* It has a header, or a part of what it waits for. */
	*partial = !stream->over &&
		   (strcmp(SSL_rstate_string(stream->ssl), "RH") != 0 ||
		       (SSL_has_pending(stream->ssl) &&
			   SSL_pending(stream->ssl) == 0));
	return stream->bio.arrived;
}

void
tls_stream_free(struct tls_stream *stream)
{
	SSL_free(stream->ssl);
	tls_bio_clear(&stream->bio);
	free(stream);
}

static void
tls_stream_on_free(struct transport *transport)
{
	tls_stream_free((struct tls_stream *)transport);
}

/* Beginning */

static const struct transport_ops tls_stream_ops = {
	.read = tls_stream_on_read,
	.is_over = tls_stream_is_over,
	.write = tls_stream_on_write,
	.shutdown = tls_stream_on_shutdown,
	.reason = tls_stream_on_reason,
	.why = tls_stream_on_why,
	.arrived = tls_stream_on_arrived,
	.free = tls_stream_on_free,
};

struct tls_stream *
tls_stream_new(SSL_CTX *ctx, int fd)
{
	struct tls_stream *stream = calloc(1, sizeof(*stream));
	BIO *bio;

	if (stream == NULL)
		return NULL;
	stream->transport.ops = &tls_stream_ops;
	stream->bio.fd = fd;
	stream->ssl = SSL_new(ctx);
	bio = stream->ssl != NULL ? tls_bio_new(&stream->bio) : NULL;
	if (bio == NULL) {
		tls_stream_free(stream);
		ERR_clear_error();
		errno = ENOMEM;
		return NULL;
	}
	SSL_set_bio(stream->ssl, bio, bio);
	SSL_set_accept_state(stream->ssl);
	SSL_set_options(stream->ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_clear_options(stream->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_set_mode(stream->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_AUTO_RETRY);
	/* The BIO reads ahead, and knows when it may. */
	SSL_set_read_ahead(stream->ssl, 0);
	return stream;
}

/* From now on messages of the handshake are not what one waits for. */
static void
tls_stream_opened(struct tls_stream *stream)
{
	stream->allowance = TLS_STREAM_BURST;
	stream->rested_ms = clock_ms();
	SSL_set_msg_callback(stream->ssl, tls_stream_on_message);
	SSL_set_msg_callback_arg(stream->ssl, stream);
}

int
tls_stream_handshake(struct tls_stream *stream, int *wants_write)
{
	int result, status;

	ERR_clear_error();
	tls_bio_begin(&stream->bio, 0, 0);
	result = SSL_do_handshake(stream->ssl);
	status = result == 1 ? 0 : tls_stream_judge_call(stream, result);
	tls_bio_end(&stream->bio, 0);
	if (result != 1 && (status == 0 || status == -TRANSPORT_TRUNCATED))
		status = tls_stream_fail(stream, EPROTO, BEVHOST_REASON_TLS,
		    "the peer left in the handshake");
	*wants_write = tls_bio_flush(&stream->bio) == -EAGAIN;
	if (status == 0 && *wants_write)
		return -EAGAIN;
	if (status == 0)
		tls_stream_opened(stream);
	return status;
}

void
tls_stream_judge(struct tls_stream *stream)
{
	char text[TLS_STREAM_WHY];

	if (!tls_bio_may_be_tls(&stream->bio, text, sizeof(text)))
		tls_stream_fail(stream, EPROTO, BEVHOST_REASON_TLS, "%s", text);
}

struct transport *
tls_stream_transport(struct tls_stream *stream)
{
	return &stream->transport;
}

struct tls_stream *
tls_stream_of(struct transport *transport)
{
	return transport != NULL && transport->ops == &tls_stream_ops
		   ? (struct tls_stream *)transport
		   : NULL;
}

SSL *
tls_stream_ssl(const struct tls_stream *stream)
{
	return stream->ssl;
}
#else
#include <stddef.h>

/* There is no stream, so there is none of this. */
void
tls_stream_free(struct tls_stream *stream)
{
	(void)stream;
}

struct transport *
tls_stream_transport(struct tls_stream *stream)
{
	(void)stream;
	return NULL;
}

struct tls_stream *
tls_stream_of(struct transport *transport)
{
	(void)transport;
	return NULL;
}

struct ssl_st *
tls_stream_ssl(const struct tls_stream *stream)
{
	(void)stream;
	return NULL;
}
#endif
