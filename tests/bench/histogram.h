/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Counts of durations, exact to about 3 per cent, in a fixed table: adding
 * one is a few instructions, so it may be done for each request.
 */

#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS	  32
#define HISTOGRAM_OCTAVES 64

struct histogram {
	uint64_t total;
	uint64_t counts[HISTOGRAM_OCTAVES * HISTOGRAM_STEPS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);

/* The value that the given share (0 to 1) of all is no greater than. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
