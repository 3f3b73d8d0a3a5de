/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Nanoseconds for one switch there and back: a resume and a suspend.  They are
 * those of the thread's CPU clock, so that others on this CPU do not count.
 */

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "coro.h"

#define SWITCHES_WARM_UP 100000
#define SWITCHES	 2000000

struct spinner {
	uint64_t turns;
	bool stop;
};

static void
spinner_run(void *data)
{
	struct spinner *spinner = data;

	while (!spinner->stop) {
		spinner->turns++;
		coro_suspend();
	}
}

static double
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void
switch_times(struct coro *coro, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		coro_resume(coro);
}

int
main(void)
{
	struct coro *coro;
	struct spinner *spinner;
	double begin_ns, end_ns;

	coro = coro_new(spinner_run, CORO_STACK_DEFAULT, sizeof(*spinner));
	if (coro == NULL)
		err(1, "no stack");
	spinner = coro_data(coro);

	switch_times(coro, SWITCHES_WARM_UP);
	begin_ns = cpu_ns();
	switch_times(coro, SWITCHES);
	end_ns = cpu_ns();
	if (spinner->turns != SWITCHES_WARM_UP + SWITCHES)
		errx(1, "it did not switch each time");

	spinner->stop = true;
	if (coro_resume(coro) != 0)
		errx(1, "it did not end");
	coro_free(coro);
	coro_clear_pool();
	printf("ns=%.3f\n", (end_ns - begin_ns) / SWITCHES);
	printf("method=%s\n", coro_method());
	return 0;
}
