/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of numbers by keys, in memory that processes share, without locks
 * and of a fixed size. A key is known by its print, a keyed hash of 64 bits:
 * two that are alike are not to be expected.
 */
#ifndef LIMITER_TABLE_H
#define LIMITER_TABLE_H

#include <stdatomic.h>
#include <stdint.h>

struct limiter_entry {
	_Atomic uint64_t print; /* 0: never used */
	_Atomic int64_t value;
};

#define LIMITER_BUCKET 8 /* entries, which make two lines of the cache */

/* The entry of print, or NULL. mask: the number of buckets, a power of two,
   less one. Any process may look. */
struct limiter_entry *limiter_table_find(
    struct limiter_entry *entries, uint64_t mask, uint64_t print);

/*
 * The entry of print, or one that was free, which is one whose value is `floor`
 * or less, and has that value then. When none is free: with `evict` the
 * one with the smallest value, which is lost, and *evicted is set; else NULL.
 * Where several processes claim, a lost race returns NULL too.
 */
struct limiter_entry *limiter_table_claim(struct limiter_entry *entries,
    uint64_t mask, uint64_t print, int64_t floor, int evict, int *evicted);

#endif
