/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the connections of a handler meet before it, made of the settings of its
 * listeners.
 */
#ifndef APPROACH_H
#define APPROACH_H

#include <stdint.h>

#include <bevhost/base.h>

struct gate;
struct settings_guard;

struct approach {
	struct netset *proxy_from; /* who may send a PROXY header, or NULL */
	int proxy_required;
	int64_t proxy_timeout_ms;
	struct gate *gate; /* of all its listeners; NULL: nobody is asked */
	struct tls *tls;   /* NULL: it speaks none */
	int64_t handshake_timeout_ms;
};

/* approach may be NULL, as it is in a handler that meets nothing. */
struct gate *approach_gate(const struct approach *approach);

/*
 * name stands before what is logged, and must live as long; scope names what is
 * counted as one, also after a reload. 0, or minus an exit status having
 * logged; approach_clear() is due either way. Still with the privileges of the
 * start.
 */
int approach_init(struct approach *approach, const char *name,
    const char *scope, const struct settings_guard *guard) BEVHOST_MUST_CHECK;
void approach_clear(struct approach *approach);

#endif
