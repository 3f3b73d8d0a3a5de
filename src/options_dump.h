/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of the command line for scripts. */
#ifndef OPTIONS_DUMP_H
#define OPTIONS_DUMP_H

/*
 * Prints lines option_NAME_short=, _argument= (none, optional or required),
 * and of a setting what param_dump() says, on standard output.
 */
void options_dump(void);

#endif
