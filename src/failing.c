/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands before libc in the order of look-up: in the program itself, or in what
 * LD_PRELOAD names. The real functions are glibc's own names for them: looking
 * them up by dlsym would allocate. AddressSanitizer's are called by the names
 * that it has for that, when it is there.
 */
#include "failing.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failing_own.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

#pragma weak __interceptor_malloc
#pragma weak __interceptor_calloc
#pragma weak __interceptor_realloc
#pragma weak __interceptor_memalign
#pragma weak __interceptor_free
void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t count, size_t size);
void *__interceptor_realloc(void *old, size_t size);
void *__interceptor_memalign(size_t alignment, size_t size);
void __interceptor_free(void *block);

struct failing_thread {
	void *(*start)(void *arg);
	void *arg;
};

static struct failing *failing_seen;
static void *(*failing_on_free)(void *block);

/*
 * AddressSanitizer ends the process when there is no memory for its own start
 * of a thread: there, threads are not seen before they are the program's.
 */
static _Thread_local int failing_thread_runs, failing_thread_pauses;

FAILING_PLAIN int
failing_is_checked(void)
{
	return __interceptor_malloc != NULL;
}

FAILING_PLAIN struct failing *
failing_set(struct failing *failing)
{
	struct failing *before = failing_seen;

	failing_thread_runs = 1;
	__atomic_store_n(&failing_seen, failing, __ATOMIC_RELAXED);
	return before;
}

FAILING_PLAIN void
failing_pause(int pauses)
{
	failing_thread_pauses = pauses;
}

FAILING_PLAIN void
failing_set_on_free(void *(*on_free)(void *block))
{
	__atomic_store_n(&failing_on_free, on_free, __ATOMIC_RELEASE);
}

FAILING_PLAIN static void *
failing_thread(void *arg)
{
	struct failing_thread thread = *(struct failing_thread *)arg;

	__libc_free(arg);
	failing_thread_runs = 1;
	return thread.start(thread.arg);
}

FAILING_EXPORT int
pthread_create(pthread_t *restrict id, const pthread_attr_t *restrict attr,
    void *(*start)(void *arg), void *restrict arg)
{
	void *symbol = dlsym(RTLD_NEXT, "pthread_create");
	int (*real)(pthread_t * id, const pthread_attr_t *attr,
	    void *(*start)(void *arg), void *arg);
	struct failing_thread *thread = __libc_malloc(sizeof(*thread));
	int error = EAGAIN;

	memcpy(&real, &symbol, sizeof(real));
	if (thread != NULL && real != NULL) {
		*thread = (struct failing_thread){ start, arg };
		error = real(id, attr, failing_thread, thread);
	}
	if (error != 0)
		__libc_free(thread);
	return error;
}

/* Is that in the dynamic linker? Its program headers say how long it is. */
FAILING_PLAIN static int
failing_is_linker(uintptr_t address)
{
	static uintptr_t end;
	uintptr_t base = getauxval(AT_BASE);
	const ElfW(Ehdr) *elf = (const ElfW(Ehdr) *)base;
	const ElfW(Phdr) * header;
	int i;

	if (end == 0 && base != 0) {
		header = (const ElfW(Phdr) *)(base + elf->e_phoff);
		for (i = 0; i < elf->e_phnum; i++)
			if (header[i].p_type == PT_LOAD)
				end = base + header[i].p_vaddr +
				      header[i].p_memsz;
	}
	return address >= base && address < end;
}

/* Where this process's allocations are counted, or NULL. */
FAILING_PLAIN static struct failing *
failing_here(const void *caller)
{
	struct failing *failing =
	    __atomic_load_n(&failing_seen, __ATOMIC_RELAXED);
	int64_t pid;

	if (failing == NULL || failing_thread_pauses)
		return NULL;
	if (__interceptor_malloc != NULL && !failing_thread_runs)
		return NULL;
	if (failing->spare_linker && failing_is_linker((uintptr_t)caller))
		return NULL;
	pid = __atomic_load_n(&failing->pid, __ATOMIC_RELAXED);
	return pid == 0 || pid == syscall(SYS_getpid) ? failing : NULL;
}

FAILING_PLAIN static void
failing_say(int64_t number)
{
	static _Thread_local int inside;
	void *frames[24];
	char text[64];
	int len, count;

	if (inside++ == 0) {
		len = snprintf(text, sizeof(text), "allocation %lld fails:\n",
		    (long long)number);
		(void)!write(STDERR_FILENO, text, (size_t)len);
		count = backtrace(frames, 24);
		backtrace_symbols_fd(frames, count, STDERR_FILENO);
	}
	inside--;
}

/* Counts one; is it to fail? */
FAILING_PLAIN int
failing_next(const void *caller)
{
	struct failing *failing = failing_here(caller);
	int64_t number, first;

	if (failing == NULL)
		return 0;
	number = __atomic_add_fetch(&failing->count, 1, __ATOMIC_RELAXED);
	first = __atomic_load_n(&failing->first, __ATOMIC_RELAXED);
	if (first == 0 || number < first || number >= failing->after)
		return 0;
	__atomic_add_fetch(&failing->failed, 1, __ATOMIC_RELAXED);
	if (failing->trace)
		failing_say(number);
	errno = ENOMEM;
	return 1;
}

FAILING_PLAIN void
failing_add_live(int64_t blocks, const void *caller)
{
	struct failing *failing = failing_here(caller);

	if (failing != NULL)
		__atomic_add_fetch(&failing->live, blocks, __ATOMIC_RELAXED);
}

FAILING_PLAIN static void *
failing_made(void *block, const void *caller)
{
	if (block != NULL)
		failing_add_live(1, caller);
	return block;
}

FAILING_EXPORT void *
malloc(size_t size)
{
	if (failing_next(FAILING_CALLER))
		return NULL;
	return failing_made(__interceptor_malloc != NULL
				? __interceptor_malloc(size)
				: __libc_malloc(size),
	    FAILING_CALLER);
}

FAILING_EXPORT void *
calloc(size_t count, size_t size)
{
	if (failing_next(FAILING_CALLER))
		return NULL;
	return failing_made(__interceptor_calloc != NULL
				? __interceptor_calloc(count, size)
				: __libc_calloc(count, size),
	    FAILING_CALLER);
}

FAILING_EXPORT void *
realloc(void *old, size_t size)
{
	void *block;

	if (failing_next(FAILING_CALLER))
		return NULL;
	block = __interceptor_realloc != NULL ? __interceptor_realloc(old, size)
					      : __libc_realloc(old, size);
	if (old == NULL)
		failing_made(block, FAILING_CALLER);
	else if (size == 0 && block == NULL)
		failing_add_live(-1, FAILING_CALLER);
	return block;
}

FAILING_EXPORT void *
reallocarray(void *old, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, total);
}

FAILING_EXPORT void *
memalign(size_t alignment, size_t size)
{
	if (failing_next(FAILING_CALLER))
		return NULL;
	return failing_made(__interceptor_memalign != NULL
				? __interceptor_memalign(alignment, size)
				: __libc_memalign(alignment, size),
	    FAILING_CALLER);
}

FAILING_EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

FAILING_EXPORT int
posix_memalign(void **block, size_t alignment, size_t size)
{
	*block = memalign(alignment, size);
	return *block != NULL ? 0 : ENOMEM;
}

FAILING_EXPORT void
free(void *block)
{
	void *(*on_free)(void *block) =
	    __atomic_load_n(&failing_on_free, __ATOMIC_ACQUIRE);

	if (block != NULL)
		failing_add_live(-1, FAILING_CALLER);
	if (block != NULL && on_free != NULL &&
	    failing_here(FAILING_CALLER) != NULL)
		block = on_free(block);
	if (__interceptor_free != NULL)
		__interceptor_free(block);
	else
		__libc_free(block);
}

/* AddressSanitizer's take memory of its own, which free() would count. */

FAILING_EXPORT char *
strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return NULL;
	copy[len] = '\0';
	return memcpy(copy, text, len);
}

FAILING_EXPORT char *
strdup(const char *text)
{
	return strndup(text, strlen(text));
}

/* Stacks. Those of threads are libc's own affair, and so are its arenas. */
FAILING_EXPORT void *
mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
	if ((flags & MAP_ANONYMOUS) && failing_next(FAILING_CALLER))
		return MAP_FAILED;
	return (void *)syscall(
	    SYS_mmap, addr, size, protection, flags, fd, offset);
}
