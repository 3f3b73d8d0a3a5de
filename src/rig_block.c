/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time that passed, less that on a processor and that in the queue for one,
 * both of which the kernel tells of each thread. Where it does not, nothing is
 * found.
 */
#include "rig_block.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rig_time.h"

#define RIG_BLOCK_NS_PER_MS 1000000

void
rig_block_init(struct rig_block *block)
{
	memset(block, 0, sizeof(*block));
	block->fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

void
rig_block_clear(struct rig_block *block)
{
	if (block->fd >= 0)
		close(block->fd);
	block->fd = -1;
}

/* Since some time or other; -1: not known. */
static int64_t
rig_block_slept_ns(const struct rig_block *block)
{
	unsigned long long ran, queued;
	struct timespec now;
	char text[96];
	ssize_t len = pread(block->fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return -1;
	text[len] = '\0';
	/* The real one. */
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	if (sscanf(text, "%llu %llu", &ran, &queued) != 2)
		return -1;
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec - (int64_t)ran -
	       (int64_t)queued - rig_time_waited_ns();
}

/* A thread that slept gave its processor away. */
static int64_t
rig_block_switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

void
rig_block_begin(struct rig_block *block)
{
	if (block->fd < 0)
		return;
	block->switches = rig_block_switches();
	block->before_ns = rig_block_slept_ns(block);
}

void
rig_block_end(struct rig_block *block)
{
	int64_t slept, ms;

	if (block->fd < 0 || block->before_ns < 0 ||
	    rig_block_switches() == block->switches)
		return;
	slept = rig_block_slept_ns(block);
	ms = (slept - block->before_ns) / RIG_BLOCK_NS_PER_MS;
	if (slept >= 0 && ms > block->longest_ms)
		block->longest_ms = ms;
}
