/* SPDX-License-Identifier: BSD-2-Clause */
/* log-file: standard error goes to a file, which can be changed under way. */
#ifndef LOGFILE_H
#define LOGFILE_H

#include <bevhost/base.h>

/*
 * Makes path, appended to, the standard error of this process; NULL changes
 * nothing. Returns 0 or, having logged to where it was before, -EX_CANTCREAT.
 */
int logfile_open(const char *path) BEVHOST_MUST_CHECK;

#endif
