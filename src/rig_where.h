/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a handler is, and what it has open, for those who look for a bug. */
#ifndef RIG_WHERE_H
#define RIG_WHERE_H

#include <stddef.h>
#include <stdint.h>

/* Writes the functions that led here to standard error; context is a signal
   handler's, or NULL. A lock that it wants may be held for ever. */
void rig_where(const void *context);

#define RIG_WHERE_FDS 4096

/* Which descriptors were open: those from RIG_WHERE_FDS on are but counted. */
struct rig_where_open {
	int count;
	uint8_t is_open[RIG_WHERE_FDS];
};

void rig_where_note_open(struct rig_where_open *open);
/*
 * How many more there are by now; 0 too when there are less. The text says what
 * they are, as in " (/etc/hosts, a socket)", or is empty.
 */
int
rig_where_opened(const struct rig_where_open *open, char *text, size_t size);

#endif
