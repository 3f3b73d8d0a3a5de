/* SPDX-License-Identifier: BSD-2-Clause */
/* Somebody who waits for a place at a gate, gate.h: zero at first, but for the
   log. */
#ifndef GATE_WAITER_H
#define GATE_WAITER_H

#include <stdint.h>
#include <sys/queue.h>

struct limit_log;

struct gate_waiter {
	TAILQ_ENTRY(gate_waiter) entry;
	int64_t since_ms; /* 0: it waits for none */
	int scope;
	struct limit_log *log; /* of the listener, or NULL */
};

#endif
