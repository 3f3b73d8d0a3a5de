/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop of a process. */
#ifndef LOOP_H
#define LOOP_H

#include <bevhost/base.h>

struct event_base;

/*
 * A base with libevent's back end of that name, or its choice when it is NULL;
 * its messages go to the log, and SIGPIPE is ignored from now on. NULL when
 * there is none.
 */
struct event_base *loop_new(const char *method) BEVHOST_MUST_CHECK;

#endif
