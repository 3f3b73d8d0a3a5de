/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second's worth lets short messages through at once; a tenth of one is
 * waited for, so that a long message takes ten timers a second.
 */
#include "byte_rate.h"

/* More are no limit, and the thousandths stay within their type. */
#define BYTE_RATE_MAX (INT64_C(1) << 42)

void
byte_rate_init(struct byte_rate *rate, int64_t per_second, int64_t now_ms)
{
	rate->per_second =
	    per_second < BYTE_RATE_MAX ? per_second : BYTE_RATE_MAX;
	rate->room = rate->per_second * 1000;
	rate->at_ms = now_ms;
}

size_t
byte_rate_room(struct byte_rate *rate, int64_t now_ms)
{
	int64_t full = rate->per_second * 1000;
	int64_t passed_ms = now_ms - rate->at_ms;

	if (passed_ms > 0) {
		rate->at_ms = now_ms;
		/* Longer than it takes to fill is no matter. */
		if (passed_ms >= (full - rate->room) / rate->per_second + 1)
			rate->room = full;
		else
			rate->room += passed_ms * rate->per_second;
	}
	return rate->room > 0 ? (size_t)(rate->room / 1000) : 0;
}

void
byte_rate_take(struct byte_rate *rate, size_t bytes)
{
	if (bytes > (size_t)BYTE_RATE_MAX)
		bytes = (size_t)BYTE_RATE_MAX;
	rate->room -= (int64_t)bytes * 1000;
	if (rate->room < -BYTE_RATE_MAX * 1000)
		rate->room = -BYTE_RATE_MAX * 1000;
}

int64_t
byte_rate_wait(const struct byte_rate *rate, size_t bytes)
{
	int64_t tenth = (rate->per_second + 9) / 10, want, wait_ms;

	want = bytes < (size_t)tenth ? (int64_t)bytes : tenth;
	wait_ms = (want * 1000 - rate->room + rate->per_second - 1) /
		  rate->per_second;
	return wait_ms > 1 ? wait_ms : 1;
}
