/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two keys and a sequence, which is odd while they are written. Who reads them
 * copies both, and takes the copy only if the sequence stood still meanwhile.
 * A worker cannot write: the memory is sealed once the master has mapped it.
 */
#include "tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define TICKETS_MAGIC (0x7469636bu + (uint32_t)sizeof(struct tickets_memory))
/* A writer needs far less, unless it has died. */
#define TICKETS_TRIES 10000

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

struct tickets_keys {
	struct ticket_key current, previous;
	int64_t since_ms; /* the current one */
};

struct tickets_memory {
	uint32_t magic;
	uint32_t sequence;
	struct tickets_keys keys;
};

static struct tickets_memory *
tickets_map(int fd, int protection)
{
	struct tickets_memory *memory;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (st.st_size != (off_t)sizeof(*memory)) {
		errno = EPROTO;
		return NULL;
	}
	memory = mmap(NULL, sizeof(*memory), protection, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return NULL;
	/* A core is read by more people than a key may be. */
	(void)madvise(memory, sizeof(*memory), MADV_DONTDUMP);
	return memory;
}

static int
tickets_random(void *bytes, size_t size)
{
	ssize_t count;

	do
		count = getrandom(bytes, size, 0);
	while (count < 0 && errno == EINTR);
	if (count == (ssize_t)size)
		return 0;
	if (count >= 0)
		errno = EIO;
	return -1;
}

/* Both, or nothing. 0, or -1 when they were being written all the time. */
static int
tickets_read(const struct tickets_memory *memory, struct tickets_keys *keys)
{
	uint32_t before;
	int i;

	for (i = 0; i < TICKETS_TRIES; i++) {
		before = __atomic_load_n(&memory->sequence, __ATOMIC_ACQUIRE);
		memcpy(keys, &memory->keys, sizeof(*keys));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (before % 2 == 0 && __atomic_load_n(&memory->sequence,
					   __ATOMIC_RELAXED) == before)
			return 0;
	}
	explicit_bzero(keys, sizeof(*keys));
	errno = EAGAIN;
	return -1;
}

static void
tickets_write(struct tickets_memory *memory, const struct tickets_keys *keys)
{
	uint32_t sequence = memory->sequence;

	__atomic_store_n(&memory->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(&memory->keys, keys, sizeof(*keys));
	__atomic_store_n(&memory->sequence, sequence + 2, __ATOMIC_RELEASE);
}

/* Older kernels know fewer of them. */
static void
tickets_seal(int fd)
{
	const int size = F_SEAL_SHRINK | F_SEAL_GROW;

	if (fcntl(fd, F_ADD_SEALS, size | F_SEAL_FUTURE_WRITE) < 0)
		(void)!fcntl(fd, F_ADD_SEALS, size);
}

int
tickets_init(struct tickets *tickets)
{
	struct tickets_keys keys;
	int saved_errno;

	tickets->memory = NULL;
	tickets->mine = 1;
	tickets->fd =
	    memfd_create("bevhost-tickets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (tickets->fd < 0)
		return -1;
	if (ftruncate(tickets->fd, (off_t)sizeof(*tickets->memory)) < 0 ||
	    tickets_random(&keys, sizeof(keys)) < 0)
		goto fail;
	tickets->memory = tickets_map(tickets->fd, PROT_READ | PROT_WRITE);
	if (tickets->memory == NULL)
		goto fail;
	tickets_seal(tickets->fd);
	keys.since_ms = clock_ms();
	tickets->memory->magic = TICKETS_MAGIC;
	tickets_write(tickets->memory, &keys);
	explicit_bzero(&keys, sizeof(keys));
	return 0;
fail:
	saved_errno = errno;
	close(tickets->fd);
	tickets->fd = -1;
	errno = saved_errno;
	return -1;
}

int
tickets_attach(struct tickets *tickets, int fd)
{
	tickets->fd = -1;
	tickets->mine = 0;
	tickets->memory = tickets_map(fd, PROT_READ);
	if (tickets->memory == NULL)
		return -1;
	if (tickets->memory->magic == TICKETS_MAGIC)
		return 0;
	tickets_clear(tickets);
	errno = EPROTO;
	return -1;
}

int
tickets_adopt(struct tickets *tickets, int fd)
{
	struct tickets_keys keys;
	struct tickets old;
	int status;

	if (tickets_attach(&old, fd) < 0)
		return -1;
	status = tickets_read(old.memory, &keys);
	tickets_clear(&old);
	if (status == 0)
		tickets_write(tickets->memory, &keys);
	explicit_bzero(&keys, sizeof(keys));
	return status;
}

void
tickets_clear(struct tickets *tickets)
{
	/* Odd for good: a worker that is left must not take zeros for keys. */
	if (tickets->memory != NULL && tickets->mine) {
		__atomic_store_n(
		    &tickets->memory->sequence, 1, __ATOMIC_SEQ_CST);
		explicit_bzero(
		    &tickets->memory->keys, sizeof(tickets->memory->keys));
	}
	if (tickets->memory != NULL)
		munmap(tickets->memory, sizeof(*tickets->memory));
	if (tickets->fd >= 0)
		close(tickets->fd);
	tickets->memory = NULL;
	tickets->fd = -1;
}

int
tickets_rotate_when_due(struct tickets *tickets, int64_t period_ms)
{
	struct tickets_keys keys;
	int64_t now = clock_ms();
	int rotated = 0;

	if (tickets->memory == NULL ||
	    now - tickets->memory->keys.since_ms < period_ms ||
	    tickets_read(tickets->memory, &keys) < 0)
		return 0;
	keys.previous = keys.current;
	keys.since_ms = now;
	if (tickets_random(&keys.current, sizeof(keys.current)) == 0) {
		tickets_write(tickets->memory, &keys);
		rotated = 1;
	}
	explicit_bzero(&keys, sizeof(keys));
	return rotated;
}

int
tickets_current(const struct tickets *tickets, struct ticket_key *key)
{
	struct tickets_keys keys;

	if (tickets->memory == NULL || tickets_read(tickets->memory, &keys) < 0)
		return -1;
	*key = keys.current;
	explicit_bzero(&keys, sizeof(keys));
	return 0;
}

enum tickets_found
tickets_find(const struct tickets *tickets,
    const unsigned char name[TICKETS_NAME_SIZE], struct ticket_key *key)
{
	enum tickets_found found = TICKETS_NONE;
	struct tickets_keys keys;

	if (tickets->memory == NULL || tickets_read(tickets->memory, &keys) < 0)
		return TICKETS_NONE;
	if (memcmp(name, keys.current.name, TICKETS_NAME_SIZE) == 0) {
		*key = keys.current;
		found = TICKETS_CURRENT;
	} else if (memcmp(name, keys.previous.name, TICKETS_NAME_SIZE) == 0) {
		*key = keys.previous;
		found = TICKETS_PREVIOUS;
	}
	explicit_bzero(&keys, sizeof(keys));
	return found;
}
