/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks, and switching to and from them. Knows nothing of servers. One
 * thread.
 */
#ifndef CORO_H
#define CORO_H

#include <stddef.h>

#include <bevhost/base.h>

#define CORO_STACK_DEFAULT (64u * 1024)
#define CORO_STACK_MIN	   (16u * 1024)
#define CORO_STACK_MAX	   (64u * 1024 * 1024)

struct coro;

/*
 * A coro that will run fn(data) on a stack of stack_size usable bytes (rounded
 * up to pages). data_size bytes, zeroed, at the top of the stack are the
 * caller's, and what fn gets. NULL with errno: ENOMEM, or EAGAIN when the
 * kernel's limit of mappings would be passed.
 */
struct coro *coro_new(void (*fn)(void *data), size_t stack_size,
    size_t data_size) BEVHOST_MUST_CHECK;
void *coro_data(const struct coro *coro);

/* Only one that has not been resumed, or has ended. */
void coro_free(struct coro *coro);

/* Runs coro until it suspends (1) or ends (0). May be called inside another
   coro: suspending goes back to where it was resumed. */
int coro_resume(struct coro *coro);

/* Back to who resumed the running coro. */
void coro_suspend(void);

/* The running coro, or NULL. */
struct coro *coro_current(void);

/* Is addr below the stack of the running coro, so that touching it was an
   overflow? Safe in a signal handler. */
int coro_overflowed(const void *addr);
size_t coro_stack_size(const struct coro *coro);

/* Stacks are painted from now on: coro_deepest() then knows how many bytes
   have ever been used of this one. 0 if it was not painted. */
void coro_paint(void);
size_t coro_deepest(const struct coro *coro);

/* How many coros there can be: 0 for no limit but memory. */
size_t coro_limit(void);

/* Gives back the pool of stacks. */
void coro_clear_pool(void);

/* boost or ucontext. */
const char *coro_method(void);

#endif
