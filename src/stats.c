/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared memory without locks: one writer for each share, and readers who are
 * content with a value that is a moment old. What a process held is in its
 * own share, so that its death needs no cooperation to be made good.
 */
#include "stats.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATS_BYTES (STATS_SHARES * sizeof(struct stats_share))

static struct stats_share *
stats_map(int fd)
{
	struct stat st;
	void *memory;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (st.st_size != (off_t)STATS_BYTES) {
		errno = EPROTO;
		return NULL;
	}
	memory =
	    mmap(NULL, STATS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return memory != MAP_FAILED ? memory : NULL;
}

int
stats_adopt(struct stats *stats, int fd)
{
	memset(stats, 0, sizeof(*stats));
	stats->fd = fd;
	stats->taken[0] = 1;
	stats->shares = stats_map(fd);
	return stats->shares != NULL ? 0 : -1;
}

int
stats_init(struct stats *stats)
{
	int fd = memfd_create("bevhost-stats", MFD_CLOEXEC), saved_errno;

	memset(stats, 0, sizeof(*stats));
	stats->fd = -1;
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)STATS_BYTES) == 0 &&
	    stats_adopt(stats, fd) == 0)
		return 0;
	saved_errno = errno;
	close(fd);
	stats->fd = -1;
	errno = saved_errno;
	return -1;
}

void
stats_clear(struct stats *stats)
{
	if (stats->shares != NULL)
		munmap(stats->shares, STATS_BYTES);
	if (stats->fd >= 0)
		close(stats->fd);
	stats->shares = NULL;
	stats->fd = -1;
}

int
stats_take(struct stats *stats)
{
	int i;

	for (i = 1; i < STATS_SHARES; i++) {
		if (stats->taken[i])
			continue;
		stats->taken[i] = 1;
		memset(&stats->shares[i], 0, sizeof(stats->shares[i]));
		stats->shares[i].crash.handler = -1;
		return i;
	}
	return -1;
}

int
stats_keep(struct stats *stats, int share)
{
	if (share <= 0 || share >= STATS_SHARES || stats->taken[share]) {
		errno = EPROTO;
		return -1;
	}
	stats->taken[share] = 1;
	return 0;
}

static void
stats_add(struct counters *sum, const struct counters *counters)
{
	int i;

	sum->accepted += counters->accepted;
	for (i = 0; i < COUNTERS_REASONS; i++)
		sum->closed[i] += counters->closed[i];
	for (i = 0; i < COUNTERS_LIMITS; i++) {
		sum->limited[i] += counters->limited[i];
		sum->spared[i] += counters->spared[i];
	}
}

void
stats_return(struct stats *stats, int share)
{
	assert(share > 0 && share < STATS_SHARES);
	assert(stats->taken[share]);
	stats->taken[share] = 0;
	stats_add(&stats->shares[0].counters, &stats->shares[share].counters);
}

void
stats_sum(const struct stats *stats, struct counters *sum)
{
	const struct counters *counters;
	int i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < STATS_SHARES; i++) {
		if (!stats->taken[i])
			continue;
		counters = &stats->shares[i].counters;
		stats_add(sum, counters);
		sum->connections += counters->connections;
	}
}

struct stats_share *
stats_attach(int fd, int share)
{
	struct stats_share *shares;

	if (share <= 0 || share >= STATS_SHARES) {
		errno = EPROTO;
		return NULL;
	}
	shares = stats_map(fd);
	return shares != NULL ? &shares[share] : NULL;
}
