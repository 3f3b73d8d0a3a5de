/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many bytes may move now, if there are to be no more than so many in a
 * second: a bucket that holds one second's worth. Knows no clock.
 */
#ifndef BYTE_RATE_H
#define BYTE_RATE_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in its owner. */
struct byte_rate {
	int64_t per_second;
	int64_t room;  /* in thousandths of a byte; below 0: too many moved */
	int64_t at_ms; /* when that was so */
};

/* Full; per_second is above 0. */
void byte_rate_init(struct byte_rate *rate, int64_t per_second, int64_t now_ms);

/* How many may move now. */
size_t byte_rate_room(struct byte_rate *rate, int64_t now_ms);

/* They have moved, be it more than there was room for. */
void byte_rate_take(struct byte_rate *rate, size_t bytes);

/*
 * In how many milliseconds there is room for so many, or for a tenth of a
 * second's worth when that is less: at least 1.
 */
int64_t byte_rate_wait(const struct byte_rate *rate, size_t bytes);

#endif
