/* SPDX-License-Identifier: BSD-2-Clause */
/* Apart from task.h, for those who have nothing else to do with tasks. */
#ifndef TASK_ABANDONED_H
#define TASK_ABANDONED_H

#include <stdint.h>

/* How many have returned while their children ran, in this process. */
uint64_t task_abandoned(void);

#endif
