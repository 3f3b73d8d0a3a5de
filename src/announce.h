/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells whoever started the host where it listens. */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include "addr.h"

/* Logs that the plugin listens on the address. */
void announce_listening(const struct addr *bound, const char *plugin);

/*
 * Takes the descriptor of --ready-fd away from all but announce_ready(): no
 * plugin and no other process gets it, and a standard one becomes /dev/null.
 * -1 is none. Returns 0, or -1 having logged.
 */
int announce_take(int fd) BEVHOST_MUST_CHECK;

/*
 * Writes the addresses, a line each, to what announce_take() has taken, and
 * closes it; nothing when there is none. Returns 0, or -1 having logged.
 */
int
announce_ready(const struct addr *const *bound, int count) BEVHOST_MUST_CHECK;

#endif
