/* SPDX-License-Identifier: BSD-2-Clause */
/* One bound address whose connections go to one instance. */
#ifndef LISTENER_H
#define LISTENER_H

#include "gate_waiter.h"
#include "instance.h"
#include "limit_log.h"
#include "sock.h"

struct conns;
struct event;

struct listener {
	struct sock sock; /* owned */
	struct bevhost_instance *instance;
	struct conns *set;
	struct event *readable;
	struct event *resume; /* after an accept that failed, or that had no
				 place for the next connection */
	struct gate_waiter waiter;
	struct limit_log limits;
	unsigned paused : 1;
	unsigned leaving : 1; /* nobody else goes on with its socket: set by
				 who knows, before a worker retires */
};

/* Takes sock. It accepts nothing before listener_start(), and stays where it
   is: its connections refer to it as long as they are there. */
void listener_init(struct listener *listener, const struct sock *sock,
    struct bevhost_instance *instance);

/* One that is paused waits to be resumed. Returns 0, or -1 having logged. */
int
listener_start(struct listener *listener, struct conns *set) BEVHOST_MUST_CHECK;

/* A descriptor may have become free. */
void listener_retry(struct listener *listener);

/* Accepts no more, and goes on listening: clients wait in the socket. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

/* Takes those that wait in the socket, unless it is paused, and clears: with
   the last descriptor of a socket they would be reset. */
void listener_finish(struct listener *listener);
/* Accepts no more, and closes its descriptor. */
void listener_clear(struct listener *listener);

/*
 * Somebody else may take a connection of a listener of this process, and its
 * descriptor, before it is one: returns 1 when he has. NULL: nobody.
 */
void listener_set_taker(int (*take)(const struct listener *listener, int fd));

/* Of a connection that `take` has taken: until then it is one here. */
void listener_return_place(struct listener *listener);

/* What another process has accepted. */
void listener_take_other(struct listener *listener, int fd,
    const struct sockaddr *peer, socklen_t peer_len);

/* The bound address as text. Returns buf. */
char *listener_text(const struct listener *listener, char *buf, size_t size);

#endif
