/* SPDX-License-Identifier: BSD-2-Clause */
/* From an address of code to the file and the function that it is in. */
#ifndef SYMBOL_H
#define SYMBOL_H

#include <stdint.h>

struct safe_text;

/* Learns what is loaded by now, so that no lock and no file is needed when it
   is asked. */
void symbol_scan(void);

/* The code of the file `copy` is shown as that of `path`. Before it is
   loaded. */
void symbol_alias(const char *copy, const char *path);

/* Is it in an object that is known? Safe in a signal handler. */
int symbol_is_known(uintptr_t address);

/*
 * Puts /path/object(function+0x12) [0x1239]: the last is what addr2line wants.
 * Without a name of the function, (+0x1239); outside of all, ? [0x...] with
 * the address itself. Safe in a signal handler.
 */
void symbol_put(struct safe_text *text, uintptr_t address);

#endif
