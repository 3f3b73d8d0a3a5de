/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whoever is refused decides how often he comes back, and must not decide what
 * the log costs.
 */
#include "seldom.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"

int
seldom_may(struct seldom *seldom, int64_t each_ms, char more[SELDOM_MORE_SIZE])
{
	int64_t now_ms = clock_ms();

	if (seldom->said_ms != 0 && now_ms - seldom->said_ms < each_ms) {
		seldom->unsaid++;
		return 0;
	}
	more[0] = '\0';
	if (seldom->unsaid > 0)
		snprintf(more, SELDOM_MORE_SIZE,
		    " (and %" PRIu64 " more since the last)", seldom->unsaid);
	seldom->said_ms = now_ms;
	seldom->unsaid = 0;
	return 1;
}
