/* SPDX-License-Identifier: BSD-2-Clause */
/* Plugins that are served by more workers than they are made for. */
#ifndef LOAD_WORKERS_H
#define LOAD_WORKERS_H

struct load;

/* Warns of each that wants one worker, when there are so many. */
void load_say_workers(const struct load *load, int workers);

#endif
