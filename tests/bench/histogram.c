/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The latency histogram of the load generator: each power of two is split in
 * HISTOGRAM_STEPS equal steps, values below that count for themselves.
 */

#include <stddef.h>
#include <string.h>

#include "histogram.h"

#define STEP_BITS 5

_Static_assert(1 << STEP_BITS == HISTOGRAM_STEPS, "STEP_BITS is wrong");

static size_t
histogram_index(uint64_t value)
{
	unsigned int shift;

	if (value < HISTOGRAM_STEPS)
		return (size_t)value;
	shift = 63 - STEP_BITS - (unsigned int)__builtin_clzll(value);
	return (size_t)(shift + 1) * HISTOGRAM_STEPS +
	       (size_t)((value >> shift) - HISTOGRAM_STEPS);
}

static uint64_t
histogram_value(size_t i)
{
	unsigned int shift;
	uint64_t low, width;

	if (i < HISTOGRAM_STEPS)
		return i;
	shift = (unsigned int)(i / HISTOGRAM_STEPS) - 1;
	width = (uint64_t)1 << shift;
	low = (HISTOGRAM_STEPS + i % HISTOGRAM_STEPS) * width;
	return low + width / 2;
}

void
histogram_clear(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
}

void
histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->total++;
	histogram->counts[histogram_index(value)]++;
}

uint64_t
histogram_quantile(const struct histogram *histogram, double share)
{
	const size_t size = HISTOGRAM_OCTAVES * HISTOGRAM_STEPS;
	uint64_t seen = 0;
	size_t i;

	for (i = 0; i < size; i++) {
		seen += histogram->counts[i];
		if ((double)seen >= share * (double)histogram->total)
			break;
	}
	return i < size ? histogram_value(i) : 0;
}
