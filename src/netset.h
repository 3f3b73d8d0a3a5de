/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Networks in the order in which they were written: the first one that an
 * address is in decides, and 10,000 of them cost what ten do.
 */
#ifndef NETSET_H
#define NETSET_H

#include <stddef.h>

#include <bevhost/base.h>

struct netset;
struct sockaddr;

/*
 * A network as text is ADDRESS/BITS, ADDRESS, `unix` (every peer of a
 * unix-domain socket) or `all`. An IPv4 address inside of an IPv6 one
 * (::ffff:192.0.2.1) is the IPv4 address, here and in a match.
 */

/* NULL without memory. */
struct netset *netset_new(void) BEVHOST_MUST_CHECK;
void netset_free(struct netset *set); /* NULL is nothing */

/*
 * Adds a network, after all that are there. Returns 0, -EINVAL with a message
 * in why (of size bytes) that says what is wrong with the text, or -ENOMEM.
 */
int netset_add(struct netset *set, const char *text, char *why,
    size_t size) BEVHOST_MUST_CHECK;

/* Whether netset_add() would take the text: 0, or -EINVAL with why. */
int netset_check(const char *text, char *why, size_t size) BEVHOST_MUST_CHECK;

int netset_count(const struct netset *set);

/* The number, from 0, of the first network added that has the address, or
   -1. */
int netset_match(const struct netset *set, const struct sockaddr *address);

#endif
