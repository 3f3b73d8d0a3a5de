/* SPDX-License-Identifier: BSD-2-Clause */
/* The connections of a worker, as a whole. */
#ifndef CONNS_H
#define CONNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

struct conns;
struct counters;
struct event_base;
struct bevhost_instance;
struct limit_log;

/* on_gone is called after the end of each connection. NULL without memory. */
struct conns *conns_new(struct event_base *base, void (*on_gone)(void *arg),
    void *arg) BEVHOST_MUST_CHECK;
/* No connection may be left. NULL is nothing. */
void conns_free(struct conns *conns);

/* Counts there from now on. */
void conns_count_in(struct conns *conns, struct counters *counters);

/* Of a test rig: is told of each connection that goes, before it has gone. */
void conns_watch(struct conns *conns,
    void (*on_closed)(uint64_t id, enum bevhost_reason reason));
/* Of the latest connection that was accepted, or 0. */
uint64_t conns_newest_id(const struct conns *conns);

size_t conns_count(const struct conns *conns);
struct event_base *conns_base(const struct conns *conns);
/* Of the latest connection that was accepted before then, by the clock; 0. */
uint64_t conns_last_id(const struct conns *conns, int64_t before_ms);

/* As conn_accept(): takes fd. */
void conns_accept(struct conns *conns, struct bevhost_instance *instance,
    struct limit_log *limits, int fd, const struct sockaddr *peer,
    socklen_t peer_len);

/* Peers that do not close get less patience from now on. */
void conns_hurry(struct conns *conns);

/* What a sweep does with connections that have had their turn. */
enum conns_sweep {
	CONNS_ASK,	 /* asks handlers that can be asked, once */
	CONNS_CLOSE,	 /* and closes the others when they are idle */
	CONNS_CLOSE_EVEN /* and those that were asked too */
};

/* Nobody has had a turn. Returns how many can have one. */
size_t conns_begin_turns(struct conns *conns);
/*
 * Gives turns, the oldest first, until no more than `leave` have had none;
 * never to those with an id above `last` from which nothing has come yet. Those
 * that have no handler yet are closed unless their id is above `last`, or
 * handlers are only asked. Then sweeps. Returns how many have had no turn.
 */
size_t conns_sweep(
    struct conns *conns, enum conns_sweep how, size_t leave, uint64_t last);
/* Closes all at once. */
void conns_cut(struct conns *conns);

#endif
