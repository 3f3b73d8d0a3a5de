/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading: a system call for each record's header and one more for its body
 * would cost more than a small record's cipher does, so what is there is read
 * at once, ahead of OpenSSL, into one buffer for all connections; its owner
 * uses it up before anybody else reads.
 *
 * Where the handler takes less than a record, OpenSSL keeps the rest, and the
 * socket would look empty meanwhile. Then the last byte of the record is left
 * in it, after a look: epoll goes on reporting it whenever reading is enabled.
 *
 * Writing: OpenSSL fails when the peer asks for new keys while a record of ours
 * is half sent. So none is, as it sees it: the rest is held here.
 */
#include "tls_bio.h"

#ifdef HAVE_OPENSSL
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/ssl3.h>

/* A header is asked for alone, and no data is pending after it. */
#define TLS_BIO_HEADER 5

/* A record, and what OpenSSL has to say beside it. */
#define TLS_BIO_HELD_MAX (64u * 1024)

/* Records that one turn may read without reading ahead, about. */
#define TLS_BIO_READS 64

static struct {
	unsigned char bytes[TLS_BIO_AHEAD];
	size_t at, len;
} tls_bio_ahead;

static BIO_METHOD *tls_bio_method;

/* The byte that was kept is OpenSSL's since. */
static void
tls_bio_drop_kept(struct tls_bio *tls)
{
	char byte;

	if (!tls->kept)
		return;
	tls->kept = 0;
	if (recv(tls->fd, &byte, 1, 0) < 0)
		tls->error = errno;
}

/* Looks first, and takes all but the last byte if there is as much. */
static ssize_t
tls_bio_recv_keeping(struct tls_bio *tls, void *buf, size_t len)
{
	ssize_t seen = recv(tls->fd, buf, len, MSG_PEEK), taken;

	if (seen < (ssize_t)len)
		return seen <= 0 ? seen : recv(tls->fd, buf, (size_t)seen, 0);
	taken = recv(tls->fd, buf, len - 1, 0);
	if (taken != (ssize_t)len - 1)
		return taken;
	tls->kept = 1;
	return seen;
}

static void
tls_bio_add_first(struct tls_bio *tls, const void *bytes, size_t len)
{
	if (len > TLS_BIO_FIRST - tls->first_len)
		len = TLS_BIO_FIRST - tls->first_len;
	memcpy(tls->first + tls->first_len, bytes, len);
	tls->first_len = (unsigned char)(tls->first_len + len);
}

static ssize_t
tls_bio_recv(struct tls_bio *tls, void *buf, size_t len)
{
	ssize_t got;

	tls_bio_drop_kept(tls);
	got = tls->keep && len > TLS_BIO_HEADER
		  ? tls_bio_recv_keeping(tls, buf, len)
		  : recv(tls->fd, buf, len, 0);
	if (got > 0)
		tls->arrived += (uint64_t)got;
	if (got > 0 && tls->first_len < TLS_BIO_FIRST)
		tls_bio_add_first(tls, buf, (size_t)got);
	return got;
}

static size_t
tls_bio_take_ahead(char *buf, size_t len)
{
	size_t rest = tls_bio_ahead.len - tls_bio_ahead.at;

	if (len > rest)
		len = rest;
	memcpy(buf, tls_bio_ahead.bytes + tls_bio_ahead.at, len);
	tls_bio_ahead.at += len;
	return len;
}

static int
tls_bio_on_read(BIO *bio, char *buf, size_t len, size_t *done)
{
	struct tls_bio *tls = BIO_get_data(bio);
	ssize_t got;

	*done = 0;
	BIO_clear_retry_flags(bio);
	if (tls->stopped)
		return 0;
	if (tls_bio_has_ahead()) {
		*done = tls_bio_take_ahead(buf, len);
		return 1;
	}
	if (tls->reads == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	tls->reads--;
	if (tls->ahead == 0) {
		got = tls_bio_recv(tls, buf, len);
	} else {
		tls->reads = 0;
		got = tls_bio_recv(tls, tls_bio_ahead.bytes, tls->ahead);
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_read(bio);
	} else if (got < 0) {
		tls->error = errno;
	} else if (got == 0) {
		tls->ended = 1;
	} else if (tls->ahead == 0) {
		*done = (size_t)got;
	} else {
		tls_bio_ahead.at = 0;
		tls_bio_ahead.len = (size_t)got;
		*done = tls_bio_take_ahead(buf, len);
	}
	return *done > 0;
}

static int
tls_bio_hold(struct tls_bio *tls, const char *buf, size_t len)
{
	unsigned char *held = tls->held_len + len <= TLS_BIO_HELD_MAX
				  ? realloc(tls->held, tls->held_len + len)
				  : NULL;

	if (held == NULL)
		return -ENOMEM;
	memcpy(held + tls->held_len, buf, len);
	tls->held = held;
	tls->held_len += len;
	return 0;
}

/* Bytes that the socket took, 0 if it is full, or -1. */
static ssize_t
tls_bio_send(struct tls_bio *tls, const void *buf, size_t len)
{
	ssize_t sent =
	    send(tls->fd, buf, len, MSG_NOSIGNAL | (tls->more ? MSG_MORE : 0));

	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	tls->error = errno;
	return -1;
}

static int
tls_bio_on_write(BIO *bio, const char *buf, size_t len, size_t *done)
{
	struct tls_bio *tls = BIO_get_data(bio);
	ssize_t sent = tls->held == NULL ? tls_bio_send(tls, buf, len) : 0;

	*done = 0;
	BIO_clear_retry_flags(bio);
	if (sent < 0)
		return 0;
	if ((size_t)sent < len &&
	    tls_bio_hold(tls, buf + sent, len - (size_t)sent) < 0) {
		tls->error = ENOMEM;
		return 0;
	}
	*done = len;
	return 1;
}

void
tls_bio_clear(struct tls_bio *tls)
{
	free(tls->held);
	tls->held = NULL;
	tls->held_at = tls->held_len = 0;
}

int
tls_bio_flush(struct tls_bio *tls)
{
	ssize_t sent;

	if (tls->held == NULL)
		return 0;
	sent = tls_bio_send(
	    tls, tls->held + tls->held_at, tls->held_len - tls->held_at);
	if (sent < 0)
		return -tls->error;
	tls->held_at += (size_t)sent;
	if (tls->held_at < tls->held_len)
		return -EAGAIN;
	tls_bio_clear(tls);
	return 0;
}

static long
tls_bio_on_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	/* An end is for the owner to judge: OpenSSL gets no BIO_CTRL_EOF. */
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *
tls_bio_get_method(void)
{
	BIO_METHOD *method = tls_bio_method;

	if (method != NULL)
		return method;
	method =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flow");
	if (method == NULL)
		return NULL;
	if (BIO_meth_set_read_ex(method, tls_bio_on_read) != 1 ||
	    BIO_meth_set_write_ex(method, tls_bio_on_write) != 1 ||
	    BIO_meth_set_ctrl(method, tls_bio_on_ctrl) != 1) {
		BIO_meth_free(method);
		return NULL;
	}
	tls_bio_method = method;
	return method;
}

BIO *
tls_bio_new(struct tls_bio *tls)
{
	BIO_METHOD *method = tls_bio_get_method();
	BIO *bio = method != NULL ? BIO_new(method) : NULL;

	if (bio == NULL)
		return NULL;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	return bio;
}

void
tls_bio_begin(struct tls_bio *tls, size_t ahead, int keep)
{
	assert(!tls_bio_has_ahead() && ahead <= TLS_BIO_AHEAD);
	tls->ahead = ahead;
	tls->keep = ahead == 0 && keep;
	tls->reads = TLS_BIO_READS;
}

void
tls_bio_end(struct tls_bio *tls, int is_pending)
{
	tls_bio_ahead.at = tls_bio_ahead.len = 0;
	if (!is_pending)
		tls_bio_drop_kept(tls);
}

/* Looks at what is unread, too. */
static void
tls_bio_see_first(struct tls_bio *tls)
{
	char bytes[TLS_BIO_FIRST];
	ssize_t seen =
	    recv(tls->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	if (seen > 0)
		tls_bio_add_first(tls, bytes, (size_t)seen);
}

static int
tls_bio_is_http(const struct tls_bio *tls)
{
	static const char *const methods[] = { "GET ", "HEAD ", "POST ", "PUT ",
		"DELETE ", "CONNECT ", "OPTIONS ", "PATCH ", "PRI * " };
	size_t i, len;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		len = strlen(methods[i]);
		if (len > tls->first_len && tls->first_len >= 4)
			len = tls->first_len;
		if (tls->first_len >= len &&
		    memcmp(tls->first, methods[i], len) == 0)
			return 1;
	}
	return 0;
}

int
tls_bio_may_be_tls(struct tls_bio *tls, char *text, size_t size)
{
	char shown[TLS_BIO_FIRST + 1] = "", hex[3 * TLS_BIO_FIRST + 1] = "";
	size_t i;

	/* A record of a handshake, or SSL 2's way to say hello. */
	if (tls->first_len == 0 || tls->first[0] == SSL3_RT_HANDSHAKE ||
	    (tls->first[0] & 0x80))
		return 1;
	tls_bio_see_first(tls);
	if (tls_bio_is_http(tls)) {
		snprintf(text, size, "plain HTTP on a TLS port");
		return 0;
	}
	for (i = 0; i < tls->first_len; i++) {
		unsigned char byte = tls->first[i];

		shown[i] = (char)(byte >= ' ' && byte <= '~' ? byte : '.');
		snprintf(hex + 3 * i, 4, "%02x ", byte);
	}
	snprintf(text, size, "the first bytes are %s(%s)", hex, shown);
	return 0;
}

int
tls_bio_has_ahead(void)
{
	return tls_bio_ahead.at < tls_bio_ahead.len;
}
#endif
