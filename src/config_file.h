/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file, into the settings. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "settings.h"

/*
 * Adds what the file at path says to *settings, which were initialized.
 * Returns 0, or having logged what is wrong with FILE:LINE -EX_NOINPUT when
 * the file cannot be read, else -EX_CONFIG: settings_clear() is due either
 * way. May be called again and again.
 */
int config_file_read(
    const char *path, struct settings *settings) BEVHOST_MUST_CHECK;

#endif
