/* SPDX-License-Identifier: BSD-2-Clause */
/* A declared parameter for scripts. */
#ifndef PARAM_DUMP_H
#define PARAM_DUMP_H

#include <bevhost/types.h>

/*
 * Prints lines KIND_NAME_type=..., _range=, _choice= for each word that it may
 * be, _required=, _repeat=, _default= and _help= on standard output.
 */
void param_dump(const char *kind, const struct bevhost_param *param);

#endif
