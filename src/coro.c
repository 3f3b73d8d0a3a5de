/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack is a mapping: a guard of 64 KiB, then the usable bytes, at whose
 * top stand the coro itself and its owner's data, so that a coro that waits
 * near its beginning costs one page. Guards are made by MADV_GUARD_INSTALL
 * where the kernel has it: it splits no mapping, so the kernel's limit of
 * mappings does not count stacks. Stacks that have ended wait in a pool for
 * the next coro, with their cold pages given back.
 */
#include "coro.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(CORO_UCONTEXT)
#include <ucontext.h>
#endif
#if defined(HAVE_VALGRIND_VALGRIND_H)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_STACK_REGISTER(low, high)    0u
#define VALGRIND_STACK_DEREGISTER(id)	      ((void)(id))
#define VALGRIND_MAKE_MEM_UNDEFINED(at, size) ((void)(at))
#define VALGRIND_MAKE_MEM_DEFINED(at, size)   ((void)(at))
#endif
#if defined(SANITIZERS)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define CORO_GUARD (64u * 1024)

/* This much at the top of a stack that rests stays in memory. */
#define CORO_WARM 4096u

#define CORO_POOL_MAX 4096
#define CORO_PAINT    0xb5
#define CORO_ALIGN    64u

/* Mappings that are left for everything else. */
#define CORO_MAPPINGS_SPARED 4096

struct coro {
	void (*fn)(void *data);
	char *low; /* the lowest usable byte */
	size_t size, data_size;
	struct coro *resumer; /* or NULL: the thread's own stack */
	struct coro *next;    /* in the pool */
	unsigned valgrind_id;
	unsigned char started, ended, painted;
#if defined(CORO_UCONTEXT)
	ucontext_t context, back;
#else
	void *context, *back;
#endif
#if defined(SANITIZERS)
	void *fake_stack;
	const void *resumer_low;
	size_t resumer_size;
#endif
};

static struct coro *coro_running;
static struct coro *coro_pool;
static size_t coro_pool_count, coro_count, coro_max;
static int coro_guards = -1; /* MADV_GUARD_INSTALL: unknown, no, yes */
static int coro_paints;

#if !defined(CORO_UCONTEXT)
/* Boost.Context, whose two functions are C. */
struct coro_transfer {
	void *context;
	void *data;
};
extern struct coro_transfer jump_fcontext(void *to, void *data);
extern void *
make_fcontext(void *top, size_t size, void (*fn)(struct coro_transfer));
#endif

const char *
coro_method(void)
{
#if defined(CORO_UCONTEXT)
	return "ucontext";
#else
	return "boost";
#endif
}

/* Mappings */

static size_t
coro_page_up(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

/* Each guard by mprotect makes two mappings of one. */
static void
coro_find_limit(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	size_t mappings = 65530;

	if (file != NULL) {
		if (fscanf(file, "%zu", &mappings) != 1)
			mappings = 65530;
		fclose(file);
	}
	coro_max = mappings > 2 * CORO_MAPPINGS_SPARED
		       ? (mappings - CORO_MAPPINGS_SPARED) / 2
		       : CORO_MAPPINGS_SPARED / 2;
}

static void
coro_probe_guards(void)
{
	void *page = mmap(NULL, CORO_GUARD, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	coro_guards = 0;
	if (page == MAP_FAILED)
		return;
	coro_guards = madvise(page, CORO_GUARD, MADV_GUARD_INSTALL) == 0;
	munmap(page, CORO_GUARD);
	if (!coro_guards)
		coro_find_limit();
}

size_t
coro_limit(void)
{
	if (coro_guards < 0)
		coro_probe_guards();
	return coro_max;
}

/* Returns the lowest usable byte, above the guard. */
static char *
coro_map(size_t size)
{
	char *mapping;

	if (coro_limit() != 0 && coro_count >= coro_limit()) {
		errno = EAGAIN;
		return NULL;
	}
	mapping = mmap(NULL, CORO_GUARD + size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return NULL;
	/* A huge page would be one for many stacks, and cost all of it. */
	madvise(mapping, CORO_GUARD + size, MADV_NOHUGEPAGE);
	if ((coro_guards ? madvise(mapping, CORO_GUARD, MADV_GUARD_INSTALL)
			 : mprotect(mapping, CORO_GUARD, PROT_NONE)) < 0) {
		munmap(mapping, CORO_GUARD + size);
		errno = EAGAIN;
		return NULL;
	}
	coro_count++;
	return mapping + CORO_GUARD;
}

static void
coro_unmap(struct coro *coro)
{
	char *low = coro->low;
	size_t size = coro->size;

	VALGRIND_STACK_DEREGISTER(coro->valgrind_id);
#if defined(SANITIZERS)
	ASAN_UNPOISON_MEMORY_REGION(low, size);
#endif
	munmap(low - CORO_GUARD, CORO_GUARD + size);
	coro_count--;
}

/* The pool */

static struct coro *
coro_take(size_t size)
{
	struct coro **link, *coro;

	for (link = &coro_pool; (coro = *link) != NULL; link = &coro->next)
		if (coro->size == size)
			break;
	if (coro == NULL)
		return NULL;
	*link = coro->next;
	coro_pool_count--;
	return coro;
}

/* Where the coro stands in its mapping: right below the top. */
static struct coro *
coro_place(char *low, size_t size)
{
	return (struct coro *)(void *)(low + size - sizeof(struct coro) -
				       (uintptr_t)(low + size -
						   sizeof(struct coro)) %
					   CORO_ALIGN);
}

static char *
coro_top(const struct coro *coro)
{
	char *top = (char *)(uintptr_t)coro - coro->data_size;

	return top - (uintptr_t)top % CORO_ALIGN;
}

void *
coro_data(const struct coro *coro)
{
	return coro_top(coro);
}

void
coro_paint(void)
{
	coro_paints = 1;
}

size_t
coro_deepest(const struct coro *coro)
{
	const unsigned char *byte = (const unsigned char *)coro->low;
	const unsigned char *top = (const unsigned char *)coro_top(coro);

	if (!coro->painted)
		return 0;
	VALGRIND_MAKE_MEM_DEFINED(
	    coro->low, (size_t)(coro_top(coro) - coro->low));
	while (byte < top && *byte == CORO_PAINT)
		byte++;
	return (size_t)(coro->low + coro->size - (const char *)byte);
}

#if defined(SANITIZERS)
__attribute__((no_sanitize("address")))
#endif
static void
coro_paint_stack(struct coro *coro)
{
	coro->painted = coro_paints != 0;
	if (coro->painted)
		memset(coro->low, CORO_PAINT,
		    (size_t)(coro_top(coro) - coro->low));
}

/* Switching */

static void
coro_before_switch(void **fake_stack, const void *low, size_t size)
{
#if defined(SANITIZERS)
	__sanitizer_start_switch_fiber(fake_stack, low, size);
#else
	(void)fake_stack;
	(void)low;
	(void)size;
#endif
}

static void
coro_after_switch(void *fake_stack, const void **low, size_t *size)
{
#if defined(SANITIZERS)
	__sanitizer_finish_switch_fiber(fake_stack, low, size);
#else
	(void)fake_stack;
	(void)low;
	(void)size;
#endif
}

/* On the coro's own stack, from its first resume to its end. */
static void
coro_main(struct coro *coro)
{
#if defined(SANITIZERS)
	coro_after_switch(NULL, &coro->resumer_low, &coro->resumer_size);
#endif
	coro->fn(coro_data(coro));
	coro->ended = 1;
#if defined(SANITIZERS)
	coro_before_switch(NULL, coro->resumer_low, coro->resumer_size);
#endif
#if defined(CORO_UCONTEXT)
	setcontext(&coro->back);
#else
	jump_fcontext(coro->back, NULL);
#endif
	abort();
}

#if defined(CORO_UCONTEXT)
static void
coro_enter(unsigned high, unsigned low)
{
	coro_main((struct coro *)(((uintptr_t)high << 16 << 16) | low));
}

static int
coro_prepare(struct coro *coro)
{
	uintptr_t bits = (uintptr_t)coro;

	if (getcontext(&coro->context) < 0)
		return -1;
	coro->context.uc_link = NULL;
	coro->context.uc_stack.ss_sp = coro->low;
	coro->context.uc_stack.ss_size = (size_t)(coro_top(coro) - coro->low);
	makecontext(&coro->context, (void (*)(void))coro_enter, 2,
	    (unsigned)(bits >> 16 >> 16), (unsigned)bits);
	return 0;
}
#else
static void
coro_enter(struct coro_transfer transfer)
{
	struct coro *coro = transfer.data;

	coro->back = transfer.context;
	coro_main(coro);
}

static int
coro_prepare(struct coro *coro)
{
	char *top = coro_top(coro);

	coro->context =
	    make_fcontext(top, (size_t)(top - coro->low), coro_enter);
	return 0;
}
#endif

int
coro_resume(struct coro *coro)
{
	void *fake_stack = NULL;

	assert(!coro->ended && coro != coro_running);
	coro->resumer = coro_running;
	coro->started = 1;
	coro_running = coro;
	coro_before_switch(&fake_stack, coro->low, coro->size);
#if defined(CORO_UCONTEXT)
	swapcontext(&coro->back, &coro->context);
#else
	coro->context = jump_fcontext(coro->context, coro).context;
#endif
	coro_after_switch(fake_stack, NULL, NULL);
	coro_running = coro->resumer;
	return !coro->ended;
}

void
coro_suspend(void)
{
	struct coro *coro = coro_running;

	assert(coro != NULL);
#if defined(SANITIZERS)
	coro_before_switch(
	    &coro->fake_stack, coro->resumer_low, coro->resumer_size);
#endif
#if defined(CORO_UCONTEXT)
	swapcontext(&coro->context, &coro->back);
#else
	coro->back = jump_fcontext(coro->back, NULL).context;
#endif
#if defined(SANITIZERS)
	coro_after_switch(
	    coro->fake_stack, &coro->resumer_low, &coro->resumer_size);
#endif
}

struct coro *
coro_current(void)
{
	return coro_running;
}

size_t
coro_stack_size(const struct coro *coro)
{
	return coro->size;
}

int
coro_overflowed(const void *addr)
{
	const char *at = addr;

	return coro_running != NULL && at < coro_running->low &&
	       at >= coro_running->low - CORO_GUARD;
}

struct coro *
coro_new(void (*fn)(void *data), size_t stack_size, size_t data_size)
{
	size_t size = coro_page_up(stack_size);
	struct coro *coro = coro_take(size);
	unsigned valgrind_id;
	char *low;

	if (coro != NULL) {
		low = coro->low;
		valgrind_id = coro->valgrind_id;
	} else {
		low = coro_map(size);
		if (low == NULL)
			return NULL;
		valgrind_id = VALGRIND_STACK_REGISTER(low, low + size);
	}
	/* valgrind takes what is below a stack that rests for nobody's. */
	VALGRIND_MAKE_MEM_UNDEFINED(low, size);
	coro = coro_place(low, size);
	memset(coro, 0, sizeof(*coro));
	coro->fn = fn;
	coro->low = low;
	coro->size = size;
	coro->data_size = data_size;
	coro->valgrind_id = valgrind_id;
	memset(coro_data(coro), 0, data_size);
	coro_paint_stack(coro);
	if (coro_prepare(coro) == 0)
		return coro;
	coro_unmap(coro);
	return NULL;
}

void
coro_free(struct coro *coro)
{
	assert(!coro->started || coro->ended);
	assert(coro != coro_running);
#if defined(SANITIZERS)
	ASAN_UNPOISON_MEMORY_REGION(coro->low, coro->size);
#endif
	if (coro_pool_count >= CORO_POOL_MAX) {
		coro_unmap(coro);
		return;
	}
	madvise(coro->low, coro->size - coro_page_up(CORO_WARM), MADV_DONTNEED);
	coro->next = coro_pool;
	coro_pool = coro;
	coro_pool_count++;
}

void
coro_clear_pool(void)
{
	struct coro *coro;

	while ((coro = coro_pool) != NULL) {
		coro_pool = coro->next;
		coro_unmap(coro);
	}
	coro_pool_count = 0;
}
