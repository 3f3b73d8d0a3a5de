/* SPDX-License-Identifier: BSD-2-Clause */
/* The time that only goes forward. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Of CLOCK_MONOTONIC, in milliseconds: the same for all processes. */
int64_t clock_ms(void);

#endif
