/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many connections there are and how fast they come, counted over all
 * workers and generations, in memory that the master shares with them.
 *
 * Each process counts in a share of its own, whose number is that of its share
 * of the stats, and looks into those of the others: so nothing has to be
 * locked, and what a process held ends when its share is emptied, however the
 * process died. A limit is never exceeded: who counts itself first and then
 * looks sees everybody who did so before.
 */
#ifndef LIMITER_H
#define LIMITER_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>

#define LIMITER_SCOPES 4096
#define LIMITER_HOST   0 /* the scope of all listeners together */

struct limiter;
struct sockaddr;

/* What one client is: its network, at one listener. */
#define LIMITER_CLIENT_NONE 0

/* The master's, or that of a process alone: the memory, a memfd that is
   close-on-exec; -1 with errno. */
int limiter_create(void) BEVHOST_MUST_CHECK;

/*
 * The memory in fd, which stays the caller's, seen by the process that has
 * this share, or by the master: 0. NULL with errno (EPROTO: it is of another
 * layout).
 */
struct limiter *limiter_attach(int fd, int share) BEVHOST_MUST_CHECK;
void limiter_detach(struct limiter *limiter); /* NULL is nothing */

/* Its size tells layouts apart. */
size_t limiter_size(void);

/* The master's: a process is to begin with a share; it has died. Either way
   the share is empty afterwards. */
void limiter_open(struct limiter *limiter, int share);
void limiter_close(struct limiter *limiter, int share);

/*
 * The number of what is counted apart, by a name that means the same in each
 * process and after each reload; -1 when there are too many.
 */
int limiter_scope(struct limiter *limiter, const char *name) BEVHOST_MUST_CHECK;

/* One more at a scope; max 0 is no limit. 0, or -EUSERS: nothing is taken. */
int limiter_take(
    struct limiter *limiter, int scope, int64_t max) BEVHOST_MUST_CHECK;
void limiter_return(struct limiter *limiter, int scope);
/* Of all processes. */
int64_t limiter_used(const struct limiter *limiter, int scope);

/*
 * Somebody here waits for a place at the scope since then (bevhost_now_ms());
 * 0: nobody does. To be said again at least each LIMITER_WAIT_MS.
 */
void limiter_set_waiting(
    struct limiter *limiter, int scope, int64_t since_ms, int64_t now_ms);
/* Does another process wait for so much longer than since_ms that the next
   place is its? */
int limiter_is_others_turn(
    const struct limiter *limiter, int scope, int64_t since_ms, int64_t now_ms);
#define LIMITER_WAIT_MS	    500
#define LIMITER_PATIENCE_MS 50

/* Clients: the first bits of an address at a scope; NONE for a peer that has
   no address, as those of unix sockets. */
uint64_t limiter_client(const struct limiter *limiter, int scope,
    const struct sockaddr *address, int bits_ipv4, int bits_ipv6);
/*
 * One more of a client. 0, -EUSERS, or -ENOSPC: there is no room to count it.
 * Nothing is taken then.
 */
int limiter_take_client(
    struct limiter *limiter, uint64_t client, int64_t max) BEVHOST_MUST_CHECK;
void limiter_return_client(struct limiter *limiter, uint64_t client);
int64_t limiter_used_by_client(const struct limiter *limiter, uint64_t client);

/*
 * One more in a rate, which is how many in an hour: as many at once as come in
 * a second, or ten if that is more, but no more than come in an hour. 0, or
 * -EAGAIN. *crowded is set when another client's rate was forgotten for it.
 */
int limiter_spend(
    struct limiter *limiter, int scope, int64_t per_hour) BEVHOST_MUST_CHECK;
int limiter_spend_client(struct limiter *limiter, uint64_t client,
    int64_t per_hour, int *crowded) BEVHOST_MUST_CHECK;

#endif
