/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket as OpenSSL sees it: a BIO that knows errno and the end, that
 * bounds what one turn of the loop may read, and that takes whatever is
 * written.
 */
#ifndef TLS_BIO_H
#define TLS_BIO_H

#include <stddef.h>
#include <stdint.h>

struct bio_st;

/* A record as it is on the wire, at most. */
#define TLS_BIO_RECORD (17u * 1024)
/* Four of them, as they come when much is sent. */
#define TLS_BIO_AHEAD (4u * (16 * 1024 + 256))
#define TLS_BIO_FIRST 8u

struct tls_bio {
	int fd;
	unsigned char *held; /* what the socket did not take, or NULL */
	size_t held_at, held_len;
	int error;	  /* errno of a failure for good, or 0 */
	uint64_t arrived; /* bytes so far */
	size_t ahead;	  /* what may be read before OpenSSL asks for it */
	unsigned char first[TLS_BIO_FIRST]; /* that the peer ever sent */
	unsigned char first_len;
	unsigned char reads;  /* that this turn has left */
	unsigned keep : 1;    /* full reads leave their last byte ... */
	unsigned kept : 1;    /* ... which this one has done */
	unsigned ended : 1;   /* the peer has shut its end */
	unsigned stopped : 1; /* the owner wants no more of it */
	unsigned more : 1;    /* the owner will write again at once */
};

/* Over tls, which must outlive it. NULL without memory. */
struct bio_st *tls_bio_new(struct tls_bio *tls);

/*
 * Around the calls that read, for which all bytes come from one turn. ahead:
 * as many may be read at once, into a buffer that all share; the caller goes
 * on until they are used up. With 0 nothing is read that OpenSSL does not ask
 * for, and with keep the socket stays readable while any of it is pending.
 */
void tls_bio_begin(struct tls_bio *tls, size_t ahead, int keep);
void tls_bio_end(struct tls_bio *tls, int is_pending);
/* Sends what is held: 0, -EAGAIN if the socket is still full, or -errno. */
int tls_bio_flush(struct tls_bio *tls);
void tls_bio_clear(struct tls_bio *tls);
/* By the first bytes of the peer. If not, text says what it is instead. */
int tls_bio_may_be_tls(struct tls_bio *tls, char *text, size_t size);
/* Are there some that were read ahead? */
int tls_bio_has_ahead(void);

#endif
