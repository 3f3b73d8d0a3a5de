/* SPDX-License-Identifier: BSD-2-Clause */
/* One bound address whose connections go to one instance. */
#ifndef LISTENER_H
#define LISTENER_H

#include "instance.h"
#include "sock.h"

struct conns;
struct evconnlistener;

struct listener {
	struct sock sock; /* owned */
	struct bevhost_instance *instance;
	struct conns *set;
	struct evconnlistener *evlistener;
	struct event *resume; /* after an accept that failed */
};

/* Takes sock. It accepts nothing before listener_start(). */
void listener_init(struct listener *listener, const struct sock *sock,
    struct bevhost_instance *instance);

/* Returns 0, or -1 having logged. */
int
listener_start(struct listener *listener, struct conns *set) BEVHOST_MUST_CHECK;

/* A descriptor may have become free. */
void listener_retry(struct listener *listener);

/* Accepts no more, and closes. */
void listener_clear(struct listener *listener);

/* The bound address as text. Returns buf. */
char *listener_text(const struct listener *listener, char *buf, size_t size);

#endif
