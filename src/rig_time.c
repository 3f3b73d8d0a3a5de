/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libevent and the host ask for the time by clock_gettime, and wait in
 * epoll_wait, nowhere else. Both are found here before they are in libc, as is
 * what handlers may use besides.
 */
#include "rig_time.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "job.h"

#define RIG_TIME_EXPORT __attribute__((visibility("default")))
#define RIG_TIME_NS	INT64_C(1000000000)
#define RIG_TIME_JOB_MS 50 /* then it is looked again whether one is left */

static struct {
	int started;
	int64_t elapsed_ms, waited_ns;
	struct timespec monotonic, realtime; /* of the start */
	void (*on_rest)(int rest_ms);
} rig_time;

static int
rig_time_real(clockid_t clock, struct timespec *now)
{
	return (int)syscall(SYS_clock_gettime, clock, now);
}

void
rig_time_start(void (*on_rest)(int rest_ms))
{
	rig_time_real(CLOCK_MONOTONIC, &rig_time.monotonic);
	rig_time_real(CLOCK_REALTIME, &rig_time.realtime);
	rig_time.elapsed_ms = 0;
	rig_time.on_rest = on_rest;
	rig_time.started = 1;
}

void
rig_time_stop(void)
{
	rig_time.started = 0;
}

void
rig_time_advance(int64_t ms)
{
	__atomic_add_fetch(&rig_time.elapsed_ms, ms, __ATOMIC_RELAXED);
}

int64_t
rig_time_ms(void)
{
	return __atomic_load_n(&rig_time.elapsed_ms, __ATOMIC_RELAXED);
}

int64_t
rig_time_waited_ns(void)
{
	return rig_time.waited_ns;
}

RIG_TIME_EXPORT int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int64_t ns;
	int real = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;

	if (!rig_time.started ||
	    (!real && clock != CLOCK_MONOTONIC &&
		clock != CLOCK_MONOTONIC_COARSE && clock != CLOCK_BOOTTIME &&
		clock != CLOCK_MONOTONIC_RAW))
		return rig_time_real(clock, now);
	*now = real ? rig_time.realtime : rig_time.monotonic;
	ns = now->tv_nsec + rig_time_ms() % 1000 * 1000000;
	now->tv_sec += (time_t)(rig_time_ms() / 1000 + ns / RIG_TIME_NS);
	now->tv_nsec = (long)(ns % RIG_TIME_NS);
	return 0;
}

RIG_TIME_EXPORT int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec at;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &at) < 0)
		return -1;
	now->tv_sec = at.tv_sec;
	now->tv_usec = (suseconds_t)(at.tv_nsec / 1000);
	return 0;
}

RIG_TIME_EXPORT time_t
time(time_t *now)
{
	struct timespec at = { 0, 0 };

	clock_gettime(CLOCK_REALTIME, &at);
	if (now != NULL)
		*now = at.tv_sec;
	return at.tv_sec;
}

static int
rig_time_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	return (int)syscall(
	    SYS_epoll_pwait, fd, events, max, timeout_ms, NULL, 8);
}

/* Jobs take real time, and the loop's timers wait for them. */
static int
rig_time_wait_for_jobs(int fd, struct epoll_event *events, int max)
{
	struct timespec before, after;
	int count = 0;

	rig_time_real(CLOCK_MONOTONIC, &before);
	while (count == 0 && job_unfinished() > 0)
		count = rig_time_wait(fd, events, max, RIG_TIME_JOB_MS);
	rig_time_real(CLOCK_MONOTONIC, &after);
	rig_time.waited_ns += (after.tv_sec - before.tv_sec) * RIG_TIME_NS +
			      after.tv_nsec - before.tv_nsec;
	return count;
}

RIG_TIME_EXPORT int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	int count;

	if (!rig_time.started)
		return rig_time_wait(fd, events, max, timeout_ms);
	count = rig_time_wait(fd, events, max, 0);
	if (count != 0 || timeout_ms == 0)
		return count;
	if (job_unfinished() > 0)
		count = rig_time_wait_for_jobs(fd, events, max);
	if (count == 0)
		rig_time.on_rest(timeout_ms);
	return count;
}
