/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of blocks, of which the oldest is freed when there is a new one. Jobs
 * free on threads of their own, so its slots are exchanged atomically.
 */
#include "quarantine.h"

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing.h"

#define QUARANTINE_BLOCKS 2048
#define QUARANTINE_LARGE  ((size_t)64 * 1024) /* those are freed at once */
#define QUARANTINE_BYTE	  0xdb
#define QUARANTINE_WORD	  0xdbdbdbdbdbdbdbdbu

#pragma weak __asan_init
void __asan_init(void);

static struct {
	void *blocks[QUARANTINE_BLOCKS];
	size_t next;
	int spoiled;
} quarantine;

static void
quarantine_check(const void *block)
{
	const unsigned char *bytes = block;
	size_t i, size = malloc_usable_size((void *)(uintptr_t)block);

	for (i = 0; i < size && bytes[i] == QUARANTINE_BYTE; i++)
		;
	if (i < size)
		__atomic_add_fetch(&quarantine.spoiled, 1, __ATOMIC_RELAXED);
}

/* Is it here? What begins otherwise is not. */
static int
quarantine_has(const void *block)
{
	uint64_t word;
	size_t i;

	memcpy(&word, block, sizeof(word));
	if (word != QUARANTINE_WORD)
		return 0;
	for (i = 0; i < QUARANTINE_BLOCKS; i++)
		if (__atomic_load_n(&quarantine.blocks[i], __ATOMIC_RELAXED) ==
		    block)
			return 1;
	return 0;
}

/* Takes block, and returns the one that is to be freed in its place. */
static void *
quarantine_on_free(void *block)
{
	static const char twice[] = "memory is freed twice\n";
	size_t size = malloc_usable_size(block), slot;
	void *oldest;

	if (quarantine_has(block)) {
		(void)!write(STDERR_FILENO, twice, sizeof(twice) - 1);
		abort();
	}
	if (size > QUARANTINE_LARGE)
		return block;
	memset(block, QUARANTINE_BYTE, size);
	slot = __atomic_fetch_add(&quarantine.next, 1, __ATOMIC_RELAXED) %
	       QUARANTINE_BLOCKS;
	oldest = __atomic_exchange_n(
	    &quarantine.blocks[slot], block, __ATOMIC_ACQ_REL);
	if (oldest != NULL)
		quarantine_check(oldest);
	return oldest;
}

void
quarantine_start(void)
{
	if (__asan_init == NULL)
		failing_set_on_free(quarantine_on_free);
}

int
quarantine_stop(void)
{
	int spoiled;
	size_t i;

	failing_set_on_free(NULL);
	for (i = 0; i < QUARANTINE_BLOCKS; i++) {
		if (quarantine.blocks[i] == NULL)
			continue;
		quarantine_check(quarantine.blocks[i]);
		free(quarantine.blocks[i]);
		quarantine.blocks[i] = NULL;
	}
	spoiled = quarantine.spoiled;
	quarantine.spoiled = 0;
	quarantine.next = 0;
	return spoiled;
}
