/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands between OpenSSL and libc's memory. A plugin that uses OpenSSL too has
   the same one, and its threads. */
#include "tls_memory.h"

#ifdef HAVE_OPENSSL

#include <stdlib.h>

#include <openssl/crypto.h>

static int tls_memory_failed;

static void *
tls_memory_note(void *block, size_t size)
{
	if (block == NULL && size > 0)
		__atomic_store_n(&tls_memory_failed, 1, __ATOMIC_RELAXED);
	return block;
}

static void *
tls_memory_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return tls_memory_note(malloc(size), size);
}

static void *
tls_memory_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return tls_memory_note(realloc(old, size), size);
}

static void
tls_memory_free(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	free(block);
}

void
tls_memory_watch(void)
{
	(void)CRYPTO_set_mem_functions(
	    tls_memory_malloc, tls_memory_realloc, tls_memory_free);
}

int
tls_memory_has_failed(void)
{
	return __atomic_load_n(&tls_memory_failed, __ATOMIC_RELAXED);
}

#else

void
tls_memory_watch(void)
{
}

int
tls_memory_has_failed(void)
{
	return 0;
}

#endif
