/* SPDX-License-Identifier: BSD-2-Clause */
/* A canary's share: a worker gives some of what it accepts to a newer one. */
#ifndef SHARE_H
#define SHARE_H

struct serve;

/*
 * Gives `percent` of what is accepted from now on to the worker at the other
 * end of channel, which is copied; -1 ends it. What it cannot take is kept.
 */
void share_give(struct serve *serve, int channel, int percent);

/* Takes what comes from the other end of channel, which is copied. */
void share_take(struct serve *serve, int channel);

void share_clear(void);

#endif
