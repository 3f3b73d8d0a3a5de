/* SPDX-License-Identifier: BSD-2-Clause */
/* What of TLS is renewed while a master serves: keys of tickets when they are
   old, and certificates when their files change. */
#ifndef RENEWAL_H
#define RENEWAL_H

#include <bevhost/base.h>

struct event_base;
struct generations;
struct settings;

/*
 * on_changed asks for a reload: files that the serving generation has read are
 * others now, and have been left alone for a moment. There is one in a process.
 * 0, or -1 with errno.
 */
int renewal_start(struct event_base *base, struct generations *generations,
    void (*on_changed)(void *arg), void *arg) BEVHOST_MUST_CHECK;
void renewal_stop(void);

/* A generation with these settings is about to be started: what its files are
   by now, it will read. */
void renewal_plan(const struct settings *settings);

#endif
