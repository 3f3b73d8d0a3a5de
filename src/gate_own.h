/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the gate. */
#ifndef GATE_OWN_H
#define GATE_OWN_H

#include <stdint.h>

#include "gate.h"
#include "gate_place.h"
#include "gate_ticket.h"

struct counters;
struct limiter;
struct netset;

struct gate {
	const char *name;
	int scope;				 /* of the limiter, or -1 */
	struct netset *access;			 /* NULL: everybody */
	unsigned char *allowed;			 /* of each network of it */
	int64_t max_connections, max_per_client; /* 0: no limit */
	int64_t rate, rate_per_client;		 /* per hour, likewise */
	int bits_ipv4, bits_ipv6;
	unsigned dry; /* a bit for each limit */
};

struct gate_host {
	struct limiter *limiter;
	struct counters *counters;
	int64_t max_connections;
};

/* Of this process. */
extern struct gate_host gate_host;

#endif
