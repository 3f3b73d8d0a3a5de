/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operators new and delete of C++. AddressSanitizer has its own, which do
 * not go through malloc and free: they are called from here. Without it both
 * are malloc and free, as in each C++ library. To throw is that library's
 * affair: it is there when a plugin needs it.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "failing_own.h"

typedef void *failing_new_fn(size_t size, size_t more, const void *nothrow);
typedef void failing_delete_fn(void *block, size_t more, size_t alignment);

/* Where a function of that name is behind this program, or NULL. */
FAILING_PLAIN static void *
failing_behind(void **known, const char *name)
{
	void *symbol = __atomic_load_n(known, __ATOMIC_RELAXED);

	if (symbol == NULL && failing_is_checked()) {
		symbol = dlsym(RTLD_NEXT, name);
		__atomic_store_n(known, symbol, __ATOMIC_RELAXED);
	}
	return symbol;
}

/*
 * What throws std::bad_alloc, or NULL. AddressSanitizer of gcc ends the process
 * at each throw, unless the library of C++ is there from the start, for all, as
 * bevhost-dev has it.
 */
FAILING_PLAIN static void (*failing_thrower(void))(void)
{
	static const char *const libraries[] = { "libstdc++.so.6",
		"libc++.so.1" };
	static const char name[] = "_ZSt17__throw_bad_allocv";
	void (*thrower)(void) = NULL;
	void *library, *symbol = dlsym(RTLD_DEFAULT, name);
	size_t i;

	for (i = 0; i < 2 && symbol == NULL && !failing_is_checked(); i++) {
		library = dlopen(libraries[i], RTLD_NOLOAD | RTLD_LAZY);
		if (library == NULL)
			continue;
		symbol = dlsym(library, name);
		dlclose(library);
	}
	memcpy(&thrower, &symbol, sizeof(thrower));
	return thrower;
}

/* Arguments that an operator has not are not looked at by it. */
FAILING_PLAIN static void *
failing_make(void *behind, size_t size, size_t more, const void *nothrow,
    size_t alignment)
{
	failing_new_fn *real;

	memcpy(&real, &behind, sizeof(real));
	if (real != NULL)
		return real(size, more, nothrow);
	return alignment > 0 ? aligned_alloc(alignment, size)
			     : malloc(size > 0 ? size : 1);
}

FAILING_PLAIN static void *
failing_new(void *behind, size_t size, size_t more, const void *nothrow,
    size_t alignment, int throws, const void *caller)
{
	void (*thrower)(void);
	void *block = NULL;
	int fails = behind != NULL && failing_next(caller);

	/* Who cannot be told does not fail. */
	if (!fails || (throws && failing_thrower() == NULL))
		block = failing_make(behind, size, more, nothrow, alignment);
	if (block != NULL && behind != NULL)
		failing_add_live(1, caller);
	if (block != NULL || !throws)
		return block;
	thrower = failing_thrower();
	if (thrower == NULL)
		abort();
	thrower();
	return NULL;
}

FAILING_PLAIN static void
failing_delete(void *behind, void *block, size_t more, size_t alignment,
    const void *caller)
{
	failing_delete_fn *real;

	memcpy(&real, &behind, sizeof(real));
	if (real == NULL) {
		free(block);
		return;
	}
	if (block != NULL)
		failing_add_live(-1, caller);
	real(block, more, alignment);
}

/* As the C++ ABI names them where size_t is unsigned long. */
#define FAILING_NEW_OPERATOR(                                           \
    name, arguments, more, nothrow, alignment, throws)                  \
	void *name arguments;                                           \
	FAILING_EXPORT void *name arguments                             \
	{                                                               \
		static void *known;                                     \
		return failing_new(failing_behind(&known, #name), size, \
		    (size_t)(more), nothrow, alignment, throws,         \
		    FAILING_CALLER);                                    \
	}

FAILING_NEW_OPERATOR(_Znwm, (size_t size), 0, NULL, 0, 1)
FAILING_NEW_OPERATOR(_Znam, (size_t size), 0, NULL, 0, 1)
FAILING_NEW_OPERATOR(_ZnwmRKSt9nothrow_t, (size_t size, const void *nothrow),
    (uintptr_t)nothrow, NULL, 0, 0)
FAILING_NEW_OPERATOR(_ZnamRKSt9nothrow_t, (size_t size, const void *nothrow),
    (uintptr_t)nothrow, NULL, 0, 0)
FAILING_NEW_OPERATOR(_ZnwmSt11align_val_t, (size_t size, size_t alignment),
    alignment, NULL, alignment, 1)
FAILING_NEW_OPERATOR(_ZnamSt11align_val_t, (size_t size, size_t alignment),
    alignment, NULL, alignment, 1)
FAILING_NEW_OPERATOR(_ZnwmSt11align_val_tRKSt9nothrow_t,
    (size_t size, size_t alignment, const void *nothrow), alignment, nothrow,
    alignment, 0)
FAILING_NEW_OPERATOR(_ZnamSt11align_val_tRKSt9nothrow_t,
    (size_t size, size_t alignment, const void *nothrow), alignment, nothrow,
    alignment, 0)

#define FAILING_DELETE_OPERATOR(name, arguments, more, alignment)    \
	void name arguments;                                         \
	FAILING_EXPORT void name arguments                           \
	{                                                            \
		static void *known;                                  \
		failing_delete(failing_behind(&known, #name), block, \
		    (size_t)(more), alignment, FAILING_CALLER);      \
	}

FAILING_DELETE_OPERATOR(_ZdlPv, (void *block), 0, 0)
FAILING_DELETE_OPERATOR(_ZdaPv, (void *block), 0, 0)
FAILING_DELETE_OPERATOR(_ZdlPvm, (void *block, size_t size), size, 0)
FAILING_DELETE_OPERATOR(_ZdaPvm, (void *block, size_t size), size, 0)
FAILING_DELETE_OPERATOR(_ZdlPvRKSt9nothrow_t,
    (void *block, const void *nothrow), (uintptr_t)nothrow, 0)
FAILING_DELETE_OPERATOR(_ZdaPvRKSt9nothrow_t,
    (void *block, const void *nothrow), (uintptr_t)nothrow, 0)
FAILING_DELETE_OPERATOR(
    _ZdlPvSt11align_val_t, (void *block, size_t alignment), alignment, 0)
FAILING_DELETE_OPERATOR(
    _ZdaPvSt11align_val_t, (void *block, size_t alignment), alignment, 0)
FAILING_DELETE_OPERATOR(_ZdlPvmSt11align_val_t,
    (void *block, size_t size, size_t alignment), size, alignment)
FAILING_DELETE_OPERATOR(_ZdaPvmSt11align_val_t,
    (void *block, size_t size, size_t alignment), size, alignment)
FAILING_DELETE_OPERATOR(_ZdlPvSt11align_val_tRKSt9nothrow_t,
    (void *block, size_t alignment, const void *nothrow), alignment,
    (uintptr_t)nothrow)
FAILING_DELETE_OPERATOR(_ZdaPvSt11align_val_tRKSt9nothrow_t,
    (void *block, size_t alignment, const void *nothrow), alignment,
    (uintptr_t)nothrow)
