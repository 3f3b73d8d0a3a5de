/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The listening sockets of the master, for its whole life or until no
 * generation has a use for them. Closing one resets the clients in its queue,
 * so none is closed while it could have some that nobody accepts.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <sys/queue.h>

#include "settings.h"
#include "sock.h"

/* One bound address: a socket for each worker, or one that all share. */
struct endpoint {
	TAILQ_ENTRY(endpoint) entry;
	char *text;	    /* as the settings have it */
	int occurrence;	    /* of that text in the settings, from 0 */
	int part;	    /* which address of a name, from 0 */
	struct sock *socks; /* the first one, and its clones */
	int count;
	int listening; /* the first of them listen */
	int shared;    /* by all workers: it cannot be cloned */
	int mode;      /* of its file once it listens, or -1: as it is */
	int users;     /* bindings of generations */
	int claimed;   /* by a listener of the settings that are bound now */
	int announced; /* the log has named it */
};

TAILQ_HEAD(endpoints, endpoint);

/* A round of endpoint_want() for one generation follows: within it, none is had
   twice. */
void endpoint_begin(struct endpoints *endpoints);

/*
 * Those of an address of the settings: found, or bound and added, with a
 * socket for each of `workers`. They do not listen yet. Each has one user
 * more. Returns how many, or a negated sysexits code, having logged.
 */
int endpoint_want(struct endpoints *endpoints,
    const struct settings_address *address, int occurrence, int mode,
    int workers, struct endpoint **found, int max) BEVHOST_MUST_CHECK;

/* One that the program before this one had, last in the list. socks are copied.
   NULL with errno. */
struct endpoint *endpoint_adopt(struct endpoints *endpoints, const char *text,
    int occurrence, int part, int shared, int listening,
    const struct sock *socks, int count) BEVHOST_MUST_CHECK;

/* All its sockets listen, and its file has the mode of the latest round. 0 or a
 * negated sysexits code, having logged. */
int endpoint_listen(struct endpoint *endpoint) BEVHOST_MUST_CHECK;

/* One user less; without any it is closed and freed. */
void endpoint_release(struct endpoints *endpoints, struct endpoint *endpoint);

#endif
