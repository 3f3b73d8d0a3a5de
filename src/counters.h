/* SPDX-License-Identifier: BSD-2-Clause */
/* What is counted of connections. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdint.h>

#define COUNTERS_REASONS 32 /* more than there are */
#define COUNTERS_LIMITS	 16 /* likewise */

struct counters {
	int64_t connections; /* held, and given back by the process's death */
	uint64_t accepted;
	uint64_t closed[COUNTERS_REASONS]; /* by reason */
	/* By limit: how often it refused or slowed, or would have. */
	uint64_t limited[COUNTERS_LIMITS], spared[COUNTERS_LIMITS];
};

#endif
