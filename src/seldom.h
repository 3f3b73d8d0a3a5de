/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the log that would come as often as somebody else likes. */
#ifndef SELDOM_H
#define SELDOM_H

#include <stdint.h>

/* One kind of line: all zero at first. */
struct seldom {
	int64_t said_ms;
	uint64_t unsaid;
};

/*
 * May it be said, once in each_ms? 1, and more is for its end: how often it was
 * not since the last time, or nothing. Or 0.
 */
int seldom_may(struct seldom *seldom, int64_t each_ms, char more[64]);
#define SELDOM_MORE_SIZE 64

#endif
