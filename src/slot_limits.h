/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of the limits of a master's processes, and of their keys. */
#ifndef SLOT_LIMITS_H
#define SLOT_LIMITS_H

#include "slot.h"

/* As slot_host_stats() and slot_host_adopt_stats(); only with the counters,
   whose shares it has. */
int slot_host_limits(const struct slot_host *host, size_t *pages);
int slot_host_adopt_limits(struct slot_host *host, int fd) BEVHOST_MUST_CHECK;

/* Likewise the keys of tickets; fd is closed when they are adopted. */
int slot_tickets_init(struct slot_host *host) BEVHOST_MUST_CHECK;
void slot_tickets_clear(struct slot_host *host);
/* They are this process's: see tickets_rotate_when_due(). */
void slot_tickets_rotate(int64_t period_ms);
int slot_host_tickets(const struct slot_host *host);
int slot_host_adopt_tickets(struct slot_host *host, int fd) BEVHOST_MUST_CHECK;

#endif
