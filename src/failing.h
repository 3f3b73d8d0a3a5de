/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocations that fail when they are told to. Who links failing.c has its
 * malloc and the like in place of libc's, or of AddressSanitizer's.
 */
#ifndef FAILING_H
#define FAILING_H

#include <stdint.h>

/* May be shared by processes: tests/torture/torture.py knows the layout. */
struct failing {
	int64_t pid;   /* counts and fails there alone; 0: everywhere */
	int64_t count; /* of allocations since it was set to 0 */
	int64_t first; /* of those that fail, from 1; 0: none does */
	int64_t after; /* the first that does not fail any more */
	int64_t failed;
	int64_t live;  /* blocks */
	int64_t trace; /* says on standard error who gets NULL */
	/* The dynamic linker's are not seen: when a thread first uses what is
	   thread-local, it ends the process for want of memory. */
	int64_t spare_linker;
};

/*
 * From now on allocations are counted there, and fail as it says; NULL: they
 * are not seen. Blocks that are made while they are seen must be freed so, and
 * the others not. Returns what was set before.
 */
struct failing *failing_set(struct failing *failing);
/* Those of this thread alone are not seen, until that is 0 again. */
void failing_pause(int pauses);

/* Asked for what is to be freed in place of a block that was seen, or NULL for
   nothing; NULL: the block itself is. */
void failing_set_on_free(void *(*on_free)(void *block));

#endif
