/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings as a configuration file. */
#ifndef DUMP_H
#define DUMP_H

#include <stdio.h>

#include "settings.h"

/*
 * Writes all that is in force, which config_file_read() takes back. Returns 0,
 * or -1 when file could not be written.
 */
int
dump_settings(const struct settings *settings, FILE *file) BEVHOST_MUST_CHECK;

#endif
