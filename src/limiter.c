/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts have one writer each and are summed by whoever wants to take: it adds
 * to its own first. Of two that take the last place at the same time at least
 * one sees both and gives up; as long as somebody else is about to take it
 * tries again, so that they do not both leave a place empty.
 *
 * Rates have many writers, and one number that they swap: the time at which the
 * bucket will be full again. What a process that died has spent stays spent.
 */
#include "limiter.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "limiter_table.h"
#include "stats.h"

/* Where addresses are scarce there are few clients, too. */
#define LIMITER_CLIENTS (sizeof(void *) > 4 ? 1 << 16 : 1 << 12) /* a share */
#define LIMITER_RATES	(1 << 18)

#define LIMITER_BURST	10   /* at once, whatever the rate */
#define LIMITER_TRIES	100  /* for the last place */
#define LIMITER_DEAF_MS 2000 /* who waits and says no more does not wait */

struct limiter_count {
	_Atomic int64_t used;
	_Atomic int64_t waits_since_ms, waits_at_ms;
	int64_t unused;
};

struct limiter_share {
	_Atomic int64_t busy; /* about to take */
	int64_t unused[7];
	struct limiter_count scopes[LIMITER_SCOPES];
	struct limiter_entry clients[LIMITER_CLIENTS];
} __attribute__((aligned(4096)));

struct limiter_memory {
	uint64_t seed[2];
	_Atomic int64_t high; /* no share is above */
	_Atomic unsigned char open[STATS_SHARES];
	_Atomic uint64_t names[LIMITER_SCOPES];
	_Atomic int64_t full_ns[LIMITER_SCOPES]; /* the buckets of scopes */
	struct limiter_entry rates[LIMITER_RATES];
	struct limiter_share shares[STATS_SHARES];
};

struct limiter {
	struct limiter_memory *memory;
	struct limiter_share *own;
	int fd; /* the master's only */
};

size_t
limiter_size(void)
{
	return sizeof(struct limiter_memory);
}

/* Memory */

int
limiter_create(void)
{
	int fd = memfd_create("bevhost-limits", MFD_CLOEXEC), saved_errno;
	uint64_t seed[2];

	if (fd < 0)
		return -1;
	if (getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed) &&
	    ftruncate(fd, (off_t)limiter_size()) == 0 &&
	    pwrite(fd, seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
		return fd;
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return -1;
}

static struct limiter_memory *
limiter_map(int fd)
{
	struct stat st;
	void *memory;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (st.st_size != (off_t)limiter_size()) {
		errno = EPROTO;
		return NULL;
	}
	memory = mmap(NULL, limiter_size(), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (memory == MAP_FAILED)
		return NULL;
	/* A core would read, and so fill, all of it. */
	madvise(memory, limiter_size(), MADV_DONTDUMP);
	return memory;
}

struct limiter *
limiter_attach(int fd, int share)
{
	struct limiter *limiter;

	if (share < 0 || share >= STATS_SHARES) {
		errno = EPROTO;
		return NULL;
	}
	limiter = calloc(1, sizeof(*limiter));
	if (limiter == NULL)
		return NULL;
	limiter->memory = limiter_map(fd);
	if (limiter->memory == NULL) {
		free(limiter);
		return NULL;
	}
	limiter->own = &limiter->memory->shares[share];
	limiter->fd = fd;
	return limiter;
}

void
limiter_detach(struct limiter *limiter)
{
	if (limiter == NULL)
		return;
	munmap(limiter->memory, limiter_size());
	free(limiter);
}

/* Gives the pages back, too. */
static void
limiter_empty(struct limiter *limiter, int number)
{
	struct limiter_share *share = &limiter->memory->shares[number];
	size_t start = (size_t)((char *)share - (char *)limiter->memory);

	assert(number > 0 && number < STATS_SHARES);
	if (fallocate(limiter->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		(off_t)start, (off_t)sizeof(*share)) < 0)
		memset(share, 0, sizeof(*share));
}

void
limiter_open(struct limiter *limiter, int share)
{
	limiter_empty(limiter, share);
	limiter->memory->open[share] = 1;
	if (limiter->memory->high < share)
		limiter->memory->high = share;
}

void
limiter_close(struct limiter *limiter, int share)
{
	limiter->memory->open[share] = 0;
	limiter_empty(limiter, share);
}

/* Names and prints */

static uint64_t
limiter_mix(uint64_t hash, uint64_t word)
{
	hash ^= word;
	hash = (hash ^ hash >> 32) * 0x9fb21c651e98df25u;
	hash = (hash ^ hash >> 29) * 0xd6e8feb86659fd93u;
	return hash ^ hash >> 32;
}

static uint64_t
limiter_end_print(const struct limiter *limiter, uint64_t hash)
{
	hash = limiter_mix(hash, limiter->memory->seed[1]);
	return hash != 0 ? hash : 1;
}

int
limiter_scope(struct limiter *limiter, const char *name)
{
	uint64_t print = limiter->memory->seed[0], old;
	int i;

	for (; *name != '\0'; name++)
		print = limiter_mix(print, (unsigned char)*name);
	print = limiter_end_print(limiter, print);
	for (i = LIMITER_HOST + 1; i < LIMITER_SCOPES; i++) {
		old = 0;
		if (limiter->memory->names[i] == print ||
		    atomic_compare_exchange_strong(
			&limiter->memory->names[i], &old, print) ||
		    old == print)
			return i;
	}
	return -1;
}

/* Both words of an IPv6 address, or the one of an IPv4 address. */
static int
limiter_words(const struct sockaddr *address, uint64_t words[2], int *bits_ipv6)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;
	const unsigned char *bytes;
	int i;

	words[0] = words[1] = 0;
	*bits_ipv6 = 0;
	if (address->sa_family == AF_INET) {
		words[0] = (uint64_t)ntohl(in->sin_addr.s_addr) << 32;
		return 0;
	}
	if (address->sa_family != AF_INET6)
		return -1;
	bytes = in6->sin6_addr.s6_addr;
	for (i = 0; i < 16; i++)
		words[i / 8] = words[i / 8] << 8 | bytes[i];
	*bits_ipv6 = !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
	if (!*bits_ipv6) {
		words[0] = words[1] << 32;
		words[1] = 0;
	}
	return 0;
}

static uint64_t
limiter_first_bits(uint64_t word, int bits)
{
	if (bits <= 0)
		return 0;
	return bits < 64 ? word & UINT64_MAX << (64 - bits) : word;
}

uint64_t
limiter_client(const struct limiter *limiter, int scope,
    const struct sockaddr *address, int bits_ipv4, int bits_ipv6)
{
	uint64_t words[2], print = limiter->memory->seed[0];
	int is_ipv6, bits;

	if (limiter_words(address, words, &is_ipv6) < 0)
		return LIMITER_CLIENT_NONE;
	bits = is_ipv6 ? bits_ipv6 : bits_ipv4;
	print = limiter_mix(print, (uint64_t)scope << 1 | (uint64_t)is_ipv6);
	print = limiter_mix(print, limiter_first_bits(words[0], bits));
	print = limiter_mix(print, limiter_first_bits(words[1], bits - 64));
	return limiter_end_print(limiter, print);
}

/* Places */

int64_t
limiter_used(const struct limiter *limiter, int scope)
{
	int64_t sum = 0, i, high = limiter->memory->high;

	for (i = 1; i <= high; i++)
		if (limiter->memory->open[i])
			sum += limiter->memory->shares[i].scopes[scope].used;
	return sum;
}

static int
limiter_others_are_busy(const struct limiter *limiter)
{
	const struct limiter_share *share;
	int64_t i, high = limiter->memory->high;

	for (i = 1; i <= high; i++) {
		share = &limiter->memory->shares[i];
		if (limiter->memory->open[i] && share != limiter->own &&
		    share->busy)
			return 1;
	}
	return 0;
}

/* Different for each process. */
static void
limiter_pause(const struct limiter *limiter)
{
	volatile ptrdiff_t count =
	    (limiter->own - limiter->memory->shares) % 8 * 8 + 8;

	while (count > 0)
		count--;
}

int
limiter_take(struct limiter *limiter, int scope, int64_t max)
{
	_Atomic int64_t *own = &limiter->own->scopes[scope].used;
	int tries, status = -EUSERS;

	if (max <= 0) {
		atomic_fetch_add(own, 1);
		return 0;
	}
	limiter->own->busy = 1;
	for (tries = 0; tries < LIMITER_TRIES; tries++) {
		atomic_fetch_add(own, 1);
		if (limiter_used(limiter, scope) <= max) {
			status = 0;
			break;
		}
		atomic_fetch_sub(own, 1);
		if (!limiter_others_are_busy(limiter))
			break;
		limiter_pause(limiter);
	}
	limiter->own->busy = 0;
	return status;
}

void
limiter_return(struct limiter *limiter, int scope)
{
	int64_t before = atomic_fetch_sub(&limiter->own->scopes[scope].used, 1);

	assert(before > 0);
}

void
limiter_set_waiting(
    struct limiter *limiter, int scope, int64_t since_ms, int64_t now_ms)
{
	struct limiter_count *count = &limiter->own->scopes[scope];

	/* It is written once in a while only, and read with each taking. */
	if (count->waits_since_ms == since_ms &&
	    (since_ms == 0 || now_ms - count->waits_at_ms < LIMITER_WAIT_MS))
		return;
	count->waits_at_ms = now_ms;
	count->waits_since_ms = since_ms;
}

int
limiter_is_others_turn(
    const struct limiter *limiter, int scope, int64_t since_ms, int64_t now_ms)
{
	const struct limiter_share *share;
	int64_t i, high = limiter->memory->high, since;

	for (i = 1; i <= high; i++) {
		share = &limiter->memory->shares[i];
		if (!limiter->memory->open[i] || share == limiter->own)
			continue;
		since = share->scopes[scope].waits_since_ms;
		if (since != 0 &&
		    since + LIMITER_PATIENCE_MS <
			(since_ms != 0 ? since_ms : now_ms) &&
		    now_ms - share->scopes[scope].waits_at_ms < LIMITER_DEAF_MS)
			return 1;
	}
	return 0;
}

/* Clients */

int64_t
limiter_used_by_client(const struct limiter *limiter, uint64_t client)
{
	struct limiter_entry *entry;
	int64_t sum = 0, i, high = limiter->memory->high;

	for (i = 1; i <= high; i++) {
		if (!limiter->memory->open[i])
			continue;
		entry = limiter_table_find(limiter->memory->shares[i].clients,
		    LIMITER_CLIENTS / LIMITER_BUCKET - 1, client);
		if (entry != NULL)
			sum += entry->value;
	}
	return sum;
}

int
limiter_take_client(struct limiter *limiter, uint64_t client, int64_t max)
{
	struct limiter_entry *own = limiter_table_claim(limiter->own->clients,
	    LIMITER_CLIENTS / LIMITER_BUCKET - 1, client, 0, 0, NULL);
	int tries, status = -EUSERS;

	if (own == NULL)
		return -ENOSPC;
	limiter->own->busy = 1;
	for (tries = 0; tries < LIMITER_TRIES; tries++) {
		atomic_fetch_add(&own->value, 1);
		if (max <= 0 ||
		    limiter_used_by_client(limiter, client) <= max) {
			status = 0;
			break;
		}
		atomic_fetch_sub(&own->value, 1);
		if (!limiter_others_are_busy(limiter))
			break;
		limiter_pause(limiter);
	}
	limiter->own->busy = 0;
	return status;
}

void
limiter_return_client(struct limiter *limiter, uint64_t client)
{
	struct limiter_entry *own = limiter_table_find(limiter->own->clients,
	    LIMITER_CLIENTS / LIMITER_BUCKET - 1, client);

	assert(own != NULL && own->value > 0);
	atomic_fetch_sub(&own->value, 1);
}

/* Rates */

static int64_t
limiter_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* full_ns: when the bucket will be full again. */
static int
limiter_spend_from(_Atomic int64_t *full_ns, int64_t per_hour, int64_t now_ns)
{
	int64_t each_ns = INT64_C(3600000000000) / per_hour;
	int64_t burst = per_hour / 3600, full = *full_ns, next;

	burst = burst > LIMITER_BURST ? burst : LIMITER_BURST;
	burst = burst < per_hour ? burst : per_hour;
	do {
		next = (full > now_ns ? full : now_ns) + each_ns;
		if (next - now_ns > burst * each_ns)
			return -EAGAIN;
	} while (!atomic_compare_exchange_weak(full_ns, &full, next));
	return 0;
}

int
limiter_spend(struct limiter *limiter, int scope, int64_t per_hour)
{
	return limiter_spend_from(
	    &limiter->memory->full_ns[scope], per_hour, limiter_now_ns());
}

int
limiter_spend_client(
    struct limiter *limiter, uint64_t client, int64_t per_hour, int *crowded)
{
	int64_t now_ns = limiter_now_ns();
	struct limiter_entry *entry =
	    limiter_table_claim(limiter->memory->rates,
		LIMITER_RATES / LIMITER_BUCKET - 1, client, now_ns, 1, crowded);

	/* Somebody else took the entry at this moment: it is not worth more. */
	return entry == NULL
		   ? 0
		   : limiter_spend_from(&entry->value, per_hour, now_ns);
}
