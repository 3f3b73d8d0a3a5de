/* SPDX-License-Identifier: BSD-2-Clause */
/* What all gates of a process have in common. */
#ifndef GATE_HOST_H
#define GATE_HOST_H

#include <stdint.h>

#include <bevhost/base.h>

struct counters;
struct settings;

/*
 * Before the first gate is made: counts in the memory in fd, which stays the
 * caller's, as the process with that share; in memory of its own when fd is
 * -1. What limits do is counted in counters. max_connections of the
 * settings is of all gates of all processes together, 0 no limit. 0, or -1 with
 * errno. Until then nothing is counted, and no number limits anything.
 */
int gate_host_start(int fd, int share, struct counters *counters,
    const struct settings *settings) BEVHOST_MUST_CHECK;
/* After the last gate. */
void gate_host_end(void);

/* What the limits have done in this process, to those who look for bugs. */
void gate_host_say_counts(void);

#endif
