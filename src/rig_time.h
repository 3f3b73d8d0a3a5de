/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual time: who links rig_time.c has its clocks, and its epoll_wait, in
 * place of libc's. Once started, time stands still until it is told to go on,
 * and a loop that would wait says for how long instead.
 */
#ifndef RIG_TIME_H
#define RIG_TIME_H

#include <stdint.h>

struct event_base;

/* Stands still from now on, in this process. on_rest is called in the loop
   when it has nothing to do but to wait; rest_ms is for how long, -1: for
   ever. */
void rig_time_start(void (*on_rest)(int rest_ms));
void rig_time_advance(int64_t ms);
/* Since the start. */
int64_t rig_time_ms(void);
/* So much real time has been waited for jobs. */
int64_t rig_time_waited_ns(void);
/* As it was before the start. */
void rig_time_stop(void);

#endif
