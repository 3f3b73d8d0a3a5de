/* SPDX-License-Identifier: BSD-2-Clause */
/* How a worker is to be. */
#ifndef WORKER_SETTINGS_H
#define WORKER_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

struct counters;

struct worker_settings {
	/* libevent's back end, NULL: its choice; the folder in which
	   connections are recorded, or NULL. */
	const char *event_method, *record;
	size_t stack_size; /* of tasks, in bytes; 0: the default */
	int job_threads;
	int drain_timeout_ms; /* then what is left is closed */
	int drain_spread_ms;  /* over which idle connections are closed */
	/* Of its connections' buffers, 0: no limit; and for how long addresses
	   of names are kept, 0: not at all. */
	int64_t max_memory, name_cache_ms;
	/*
	 * Somebody else says when to accept and to end: listeners start paused,
	 * and only TERM means anything, to drain.
	 */
	int managed;
	/* Where the loop writes bevhost_now_ms() each time it comes round, at
	   least four times a second; or NULL. */
	volatile int64_t *beat;
	struct counters *counters; /* of its connections, or NULL */
};

#endif
