/* SPDX-License-Identifier: BSD-2-Clause */
/* The one table of why connections close: the same word everywhere. */
#ifndef REASON_H
#define REASON_H

#include <bevhost/reason.h>

/* A static word; "unknown" for a number that is no reason. */
const char *reason_name(enum bevhost_reason reason);

#endif
