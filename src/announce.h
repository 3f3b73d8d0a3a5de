/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells whoever started the host where it listens. */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include "addr.h"

/* Logs that the plugin listens on the address. */
void announce_listening(const struct addr *bound, const char *plugin);

/*
 * Writes the addresses to fd, a line each, and closes it; nothing when it is
 * -1. Returns 0, or -1 having logged.
 */
int announce_ready(
    int fd, const struct addr *const *bound, int count) BEVHOST_MUST_CHECK;

#endif
