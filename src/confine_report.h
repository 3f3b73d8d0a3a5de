/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sandbox would stop, in the log. */
#ifndef CONFINE_REPORT_H
#define CONFINE_REPORT_H

#include "sandbox.h"

/* What says it, for a sandbox that this thread, the loop's, enters. */
void (*confine_report(void))(const struct sandbox_report *report);

#endif
