/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the targets share. A target is one function of an input, which aborts
 * when the host breaks a promise; libFuzzer makes the inputs, or replay.c
 * reads those that were saved.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

struct settings;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file without a name that has these bytes, the same one each time, at its
   beginning. */
int fuzz_file(const void *data, size_t size);

/* Its path. */
const char *fuzz_file_path(void);

/* The bytes as a string, to be freed. */
char *fuzz_string(const uint8_t *data, size_t size);

/* Which number the next descriptor gets: the same after as before. */
int fuzz_next_fd(void);

/* Settings that were accepted: a worker reads them as they are. */
void fuzz_check_wire(const struct settings *settings);

#endif
