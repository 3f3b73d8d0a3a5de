/* SPDX-License-Identifier: BSD-2-Clause */
/* Notices workers whose loop does not come round. */
#ifndef WATCH_H
#define WATCH_H

#include <stdint.h>

#include <bevhost/base.h>

struct event;
struct event_base;
struct generations;

struct watch {
	struct generations *generations;
	struct event *look;
	int64_t told_ms; /* the service manager, that all is well */
};

/*
 * From now on: a stall longer than stall-warn is logged, and the worker made to
 * say where it is; after stall-kill it is ended. The service manager's watchdog
 * is told as long as no serving worker stands still. Returns 0 or -1.
 */
int watch_start(struct watch *watch, struct event_base *base,
    struct generations *generations) BEVHOST_MUST_CHECK;
void watch_stop(struct watch *watch);

#endif
