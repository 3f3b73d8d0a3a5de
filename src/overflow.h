/* SPDX-License-Identifier: BSD-2-Clause */
/* Stack overflows of tasks, caught and named. */
#ifndef OVERFLOW_H
#define OVERFLOW_H

/* Once for each process. 0, or -1 with errno. */
int overflow_catch(void);

#endif
