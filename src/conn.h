/* SPDX-License-Identifier: BSD-2-Clause */
/* One accepted connection, from accept to close, and the set of them. */
#ifndef CONN_H
#define CONN_H

#include <netinet/in.h>
#include <sys/queue.h>

#include "counters.h"
#include "flow.h"
#include "handler.h"

enum conn_state {
	CONN_NEW,     /* a descriptor, no handler yet */
	CONN_OPEN,    /* the handler talks */
	CONN_CLOSING, /* a reason is set, the flow closes */
	CONN_CLOSED   /* the descriptor is closed, the handler not yet told */
};

TAILQ_HEAD(conn_list, bevhost_conn);

/* The connections of a worker: see conns.h. */
struct conns {
	struct flow_loop loop;
	struct conn_list conns;
	size_t count;
	uint64_t last_id;
	struct counters *counters; /* may be shared: own unless set */
	struct counters own;
	void (*on_gone)(void *arg); /* after each connection's end */
	void *arg;
	/* Of each, before it goes; or NULL. */
	void (*on_closed)(uint64_t id, enum bevhost_reason reason);
	struct conns_relief *relief; /* NULL: max-memory is off */
};

struct bevhost_conn {
	struct flow flow;
	/* enum conn_state, and enum bevhost_reason: why it closes, and what the
	   handler says in advance, or NONE. */
	unsigned char state, reason, said;
	unsigned in_tls : 1; /* its step is that one */
	/* Close is due; it closes for what its handler has said. */
	unsigned opened : 1, tells : 1;
	/* Drain was called; in a drain it has had its turn. */
	unsigned asked : 1, due : 1;
	int fd; /* before there is a bev, which has it then */
	struct handler handler;
	struct conns *set;
	TAILQ_ENTRY(bevhost_conn) entry;
	LIST_HEAD(, bevhost_timer) timers;
	struct bevhost_outbound *outbounds; /* see outbound_list.h */
	struct outbound *outflows; /* what they hold: see outbound_host.h */
	struct limit_log *limits;  /* of its listener, or NULL */
	struct proxyhdr *proxy;	   /* that it began with, or NULL; owned */
	char *why;  /* the handler's text for said, or NULL; owned */
	void *step; /* under way, or NULL: a step_proxy, or a step_tls */
	/* The gate's ticket; when it was accepted, by the clock. */
	uint64_t id, ticket, born_ms;
	unsigned holds;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer;
};

/* For conns.c: the flows of its connections. 0 or -1. */
int
conn_loop_init(struct conns *conns, struct event_base *base) BEVHOST_MUST_CHECK;

/*
 * Takes fd, closing it on failure too, and its place at its listener's gate.
 * limits is that listener's, and lives as long as the connection; or NULL. The
 * peer's address is the one that accept gave: a peer that has gone has no
 * other.
 */
void conn_accept(struct conns *set, struct bevhost_instance *instance,
    struct limit_log *limits, int fd, const struct sockaddr *peer,
    socklen_t peer_len);

/*
 * The one way out. The first reason counts; NOW overtakes FLUSH. Nothing of
 * the handler runs inside.
 */
void conn_close(struct bevhost_conn *conn, enum bevhost_close how,
    enum bevhost_reason reason);

/* Asks the handler to finish: once, and only one that can be asked. */
void conn_ask(struct bevhost_conn *conn);

/*
 * Nothing is under way: no byte of the input waits, here or in the kernel, the
 * output is sent, and the handler waits for its peer alone. It has no timer, no
 * hold, no outbound connection, has not stopped reading, nor heard the end of
 * the input.
 */
int conn_is_idle(const struct bevhost_conn *conn);

/* As flow_lend(), and -ENOTSUP when it is recorded. */
int conn_lend(struct bevhost_conn *conn) BEVHOST_MUST_CHECK;

void conn_hold(struct bevhost_conn *conn);
void conn_release(struct bevhost_conn *conn);

const struct sockaddr *
conn_peer(const struct bevhost_conn *conn, socklen_t *len);
/* For whom the peer speaks: by its PROXY header, or else the peer. */
const struct sockaddr *
conn_client(const struct bevhost_conn *conn, socklen_t *len);
/* As addr_text(). */
char *conn_client_text(const struct bevhost_conn *conn, char *buf, size_t size);
static inline int
conn_is_closing(const struct bevhost_conn *conn)
{
	return conn->state >= CONN_CLOSING;
}

/* -1 once it is closed. */
int conn_fd(const struct bevhost_conn *conn);

#endif
