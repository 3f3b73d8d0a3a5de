/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of failing. */
#ifndef FAILING_OWN_H
#define FAILING_OWN_H

#include <stdint.h>

/* Called before AddressSanitizer is ready, and by it: not checked by it. */
#define FAILING_PLAIN  __attribute__((no_sanitize_address))
#define FAILING_CALLER __builtin_return_address(0)
/* Not inlined: valgrind puts its own in their place, in each of their calls. */
#define FAILING_EXPORT \
	__attribute__((visibility("default"), noinline)) FAILING_PLAIN

/* Is AddressSanitizer there? */
int failing_is_checked(void);
/* Counts one, of who calls from there; is it to fail? */
int failing_next(const void *caller);
void failing_add_live(int64_t blocks, const void *caller);

#endif
