/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of every process, in memory that the master shares with its
 * workers. Each living process has a share that it alone writes to; when it
 * has died, what it held is given back and what it counted is kept.
 */
#ifndef STATS_H
#define STATS_H

#include <stdint.h>

#include <bevhost/base.h>

#include "counters.h"
#include "crash_note.h"

#define STATS_SHARES 1024 /* processes at a time */

struct stats_share {
	struct counters counters;
	/* Of this process alone. */
	volatile int64_t heartbeat_ms; /* the loop's last beat, or 0 */
	struct crash_note crash;
} __attribute__((aligned(64)));

struct stats {
	struct stats_share *shares; /* [0] keeps what the dead have counted */
	int fd;			    /* a memfd, close-on-exec */
	unsigned char taken[STATS_SHARES];
};

/* The master's. 0, or -1 with errno. */
int stats_init(struct stats *stats) BEVHOST_MUST_CHECK;
/* A master that takes over the memory of the one before it, and its fd. */
int stats_adopt(struct stats *stats, int fd) BEVHOST_MUST_CHECK;
void stats_clear(struct stats *stats);

/* A share for a process to be: 1 or more, or -1 when there is none left. */
int stats_take(struct stats *stats) BEVHOST_MUST_CHECK;
/* One that was in use before stats_adopt(). 0, or -1 with errno (EPROTO: there
   is none, or it is taken). */
int stats_keep(struct stats *stats, int share) BEVHOST_MUST_CHECK;
/* Its process has died. */
void stats_return(struct stats *stats, int share);

/* Of all processes, living and dead. */
void stats_sum(const struct stats *stats, struct counters *sum);

/*
 * A worker's own share of the memory in fd, which stays open; NULL with errno
 * (EPROTO: fd or the number is not what the master gives).
 */
struct stats_share *stats_attach(int fd, int share) BEVHOST_MUST_CHECK;

#endif
