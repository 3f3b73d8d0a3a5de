/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A key has two buckets that it may be in, and goes to the emptier one: so a
 * table can become nearly full before there is no room for a key, and a
 * lookup never reads more than four lines of the cache. Nothing is ever moved,
 * and nobody waits.
 */
#include "limiter_table.h"

#include <stddef.h>

static struct limiter_entry *
limiter_table_bucket(
    struct limiter_entry *entries, uint64_t mask, uint64_t print, int second)
{
	/* Another half of the print, and never the same bucket. */
	uint64_t number = print & mask;

	if (second)
		number ^= ((print >> 32) & mask) | 1;
	return entries + number * LIMITER_BUCKET;
}

struct limiter_entry *
limiter_table_find(struct limiter_entry *entries, uint64_t mask, uint64_t print)
{
	struct limiter_entry *bucket;
	int second, i;

	for (second = 0; second < 2; second++) {
		bucket = limiter_table_bucket(entries, mask, print, second);
		for (i = 0; i < LIMITER_BUCKET; i++)
			if (bucket[i].print == print)
				return &bucket[i];
	}
	return NULL;
}

/* A free one of a bucket, and how many there are. */
static int
limiter_table_room(
    struct limiter_entry *bucket, int64_t floor, struct limiter_entry **room)
{
	int i, count = 0;

	for (i = LIMITER_BUCKET - 1; i >= 0; i--)
		if (bucket[i].value <= floor) {
			*room = &bucket[i];
			count++;
		}
	return count;
}

static struct limiter_entry *
limiter_table_smallest(
    struct limiter_entry *bucket, struct limiter_entry *smallest)
{
	int i;

	for (i = 0; i < LIMITER_BUCKET; i++)
		if (smallest == NULL || bucket[i].value < smallest->value)
			smallest = &bucket[i];
	return smallest;
}

struct limiter_entry *
limiter_table_claim(struct limiter_entry *entries, uint64_t mask,
    uint64_t print, int64_t floor, int evict, int *evicted)
{
	struct limiter_entry *found = limiter_table_find(entries, mask, print);
	struct limiter_entry *one, *two, *in_one = NULL, *in_two = NULL;
	int room_one, room_two;
	uint64_t old;

	if (found != NULL)
		return found;
	one = limiter_table_bucket(entries, mask, print, 0);
	two = limiter_table_bucket(entries, mask, print, 1);
	room_one = limiter_table_room(one, floor, &in_one);
	room_two = limiter_table_room(two, floor, &in_two);
	found = room_two > room_one ? in_two : in_one;
	if (found == NULL) {
		if (!evict)
			return NULL;
		found = limiter_table_smallest(
		    two, limiter_table_smallest(one, NULL));
		*evicted = 1;
	}
	old = found->print;
	if (!atomic_compare_exchange_strong(&found->print, &old, print))
		return old == print ? found : NULL;
	found->value = floor;
	return found;
}
