/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of a worker that crashes, ends too early, or hangs. */
#ifndef CRASH_H
#define CRASH_H

#include <stdint.h>

#include <bevhost/base.h>

#include "crash_note.h"

/*
 * Once for each process, by its main thread, before a plugin is loaded: from
 * now on a signal that ends the process is first said, with the plugin's call
 * that ran and a backtrace; exit() by a plugin and CRASH_STALL_SIGNAL are too.
 *
 * who is "worker 1 (generation 7, pid 123)" or "", and is copied. note (or
 * NULL) is filled in before the process ends. beat (or NULL) is where the
 * loop stores bevhost_now_ms() each time that it comes round: how long a stall
 * has lasted is counted from it. Returns 0, or -1 with errno.
 */
int crash_init(const char *who, struct crash_note *note,
    const volatile int64_t *beat) BEVHOST_MUST_CHECK;

#endif
