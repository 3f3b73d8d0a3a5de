/* SPDX-License-Identifier: BSD-2-Clause */
/* What plugins say of themselves, for --list-plugins and the like. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "plugin_load.h"

/* Each returns 0, or -1 having logged. All print on standard output. */
int describe_list(const struct plugin_dirs *dirs) BEVHOST_MUST_CHECK;
int describe_dump(
    const struct plugin_dirs *dirs, const char *word) BEVHOST_MUST_CHECK;
int describe_help(
    const struct plugin_dirs *dirs, const char *word) BEVHOST_MUST_CHECK;

#endif
