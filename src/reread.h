/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line and the configuration file, read anew for a reload. */
#ifndef REREAD_H
#define REREAD_H

#include <stddef.h>

#include <bevhost/base.h>

struct settings;

/*
 * Reads them in a process of its own and waits for it: what ends that process,
 * as libConfuse does without memory, does not end this one. Returns 0 and the
 * settings, or minus an exit status with the first error in why, which the
 * caller is to log. Others are logged, and so is one that why has no room for.
 */
int reread_settings(struct settings *settings, int argc, char **argv, char *why,
    size_t size) BEVHOST_MUST_CHECK;

#endif
