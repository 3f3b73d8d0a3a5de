/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether settings make sense together, as far as they alone can tell. */
#ifndef SETTINGS_CHECK_H
#define SETTINGS_CHECK_H

#include <bevhost/base.h>

struct settings;

/* Of settings that are finished. Returns 0, or minus an exit status having
   logged what contradicts itself. */
int settings_check(const struct settings *settings) BEVHOST_MUST_CHECK;

/* Logs what is given and has no effect. */
void settings_warn(const struct settings *settings);

#endif
