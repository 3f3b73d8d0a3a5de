/* SPDX-License-Identifier: BSD-2-Clause */
/* What may refuse or slow a connection, by the words of the settings. */
#ifndef LIMIT_H
#define LIMIT_H

#include <stddef.h>

#include <bevhost/base.h>

enum limit {
	LIMIT_ACCESS,
	LIMIT_CONNECTIONS,
	LIMIT_CONNECTIONS_PER_CLIENT,
	LIMIT_RATE,
	LIMIT_RATE_PER_CLIENT,
	LIMIT_BYTES_IN,
	LIMIT_BYTES_OUT,
	LIMIT_COUNT
};

const char *limit_name(enum limit limit);
/* -1: there is none of that name. */
int limit_find(const char *name);
/* 0, or -EINVAL with a message in why (of size bytes). */
int limit_check(const char *name, char *why, size_t size) BEVHOST_MUST_CHECK;

/* Room for limit_may_say(). */
#define LIMIT_MORE_SIZE 192

struct limit_log;

/*
 * Whether the log may say now what a limit did at a listener: once in a second
 * for each of both, and once in a minute that clients wait. Then more (of size
 * bytes) is for the end of the line: the listener's address, and how often it
 * was not said since the last time. log may be NULL, as it is of connections
 * that no listener accepted: all of these are one.
 */
int
limit_may_say(struct limit_log *log, enum limit limit, char *more, size_t size);

#endif
