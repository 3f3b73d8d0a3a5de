/* SPDX-License-Identifier: BSD-2-Clause */
/* The names that certificates are for, and which of them a client asks for. */
#ifndef TLS_NAMES_H
#define TLS_NAMES_H

#include <stddef.h>

#include <bevhost/base.h>

struct tls_name {
	char *text; /* lower case; "*.example.org" is a wildcard */
	int cert;   /* the number of its certificate */
};

/* {0} has none. The texts are its own. */
struct tls_names {
	struct tls_name *list;
	int count;
};

/* A copy of text, whose case and last dot do not matter. An empty one, or one
   with a '\0' in it, is passed over. 0, or -1 with errno. */
int tls_names_add(struct tls_names *names, const char *text, size_t len,
    int cert) BEVHOST_MUST_CHECK;
/* After the last was added. */
void tls_names_sort(struct tls_names *names);

/*
 * Those that are for a host, side by side, in the order of their certificates:
 * by the name itself (RFC 6125, 6.4.1), or else by a wildcard in place of its
 * first label (6.4.3). NULL when there is none.
 */
const struct tls_name *
tls_names_find(const struct tls_names *names, const char *host, int *count);

void tls_names_clear(struct tls_names *names);

#endif
