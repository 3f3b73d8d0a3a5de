/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of TLS session tickets, in memory that the master alone writes and
 * its workers read: so that a ticket of one worker is good for all of them,
 * and for those of the next generation.
 */
#ifndef TICKETS_H
#define TICKETS_H

#include <stdint.h>

#include <bevhost/base.h>

#define TICKETS_NAME_SIZE 16
#define TICKETS_KEY_SIZE  32

struct ticket_key {
	unsigned char name[TICKETS_NAME_SIZE]; /* in the clear, in a ticket */
	unsigned char cipher[TICKETS_KEY_SIZE];
	unsigned char mac[TICKETS_KEY_SIZE];
};

struct tickets_memory;

struct tickets {
	struct tickets_memory *memory; /* NULL: there are none */
	int fd;			       /* a memfd, close-on-exec; or -1 */
	int mine;		       /* it may be written */
};

/* Of a master, or of one process alone: with two new keys. 0, or -1 with
   errno. */
int tickets_init(struct tickets *tickets) BEVHOST_MUST_CHECK;
/*
 * A master that takes over goes on with the keys in the memory of the one
 * before it, in memory of its own. 0, or -1 with errno (EPROTO: not of this
 * form): then its keys are as they were. fd stays the caller's.
 */
int tickets_adopt(struct tickets *tickets, int fd) BEVHOST_MUST_CHECK;
/* A worker's, to read. 0, or -1 with errno. fd stays the caller's. */
int tickets_attach(struct tickets *tickets, int fd) BEVHOST_MUST_CHECK;
/* Wipes what is its own. */
void tickets_clear(struct tickets *tickets);

/*
 * When the current key is period_ms old a new one takes its place, and it is
 * the previous one, which is good for as long. Returns whether it did. Without
 * randomness the keys stay.
 */
int tickets_rotate_when_due(struct tickets *tickets, int64_t period_ms);

enum tickets_found { TICKETS_NONE, TICKETS_CURRENT, TICKETS_PREVIOUS };

/* A copy, which the caller wipes. -1: there is none to be had now. */
int tickets_current(
    const struct tickets *tickets, struct ticket_key *key) BEVHOST_MUST_CHECK;
enum tickets_found tickets_find(const struct tickets *tickets,
    const unsigned char name[TICKETS_NAME_SIZE], struct ticket_key *key);

#endif
