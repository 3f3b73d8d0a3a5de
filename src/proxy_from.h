/* SPDX-License-Identifier: BSD-2-Clause */
/* The networks whose peers may send a PROXY header to a listener. */
#ifndef PROXY_FROM_H
#define PROXY_FROM_H

#include <bevhost/base.h>

struct netset;
struct settings_guard;

/*
 * Makes the set of a listener's networks, which is the caller's
 * (netset_free()), in *set: NULL when it takes no header, proxy being off.
 * Returns 0, or minus an exit status having logged: it would take one from
 * nobody, or there is no memory.
 */
int proxy_from_new(
    const struct settings_guard *guard, struct netset **set) BEVHOST_MUST_CHECK;

#endif
