/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of a worker that serve async handlers, set up and taken down in
 * order.
 */
#include "runtime.h"

#include "dial.h"
#include "job.h"
#include "names.h"
#include "outbound.h"
#include "outbound_list.h"
#include "task.h"

int
runtime_init(struct event_base *base, size_t stack_size, int job_threads,
    int64_t name_cache_ms, void (*on_gone)(void *arg), void *arg)
{
	if (task_loop_init(base, stack_size, on_gone, arg) < 0)
		return -1;
	names_init(name_cache_ms, on_gone, arg);
	dial_loop_init(base);
	outbound_list_init(base);
	if (outbound_loop_init(base, on_gone, arg) == 0) {
		if (job_pool_init(base, job_threads) == 0)
			return 0;
		outbound_loop_clear();
	}
	task_loop_clear();
	return -1;
}

void
runtime_drain(void)
{
	outbound_loop_drain();
}

void
runtime_cancel(void)
{
	task_loop_cancel();
	outbound_list_cancel();
}

void
runtime_cut(void)
{
	task_loop_cancel();
	outbound_list_cancel();
	outbound_loop_cut();
}

size_t
runtime_left(void)
{
	return task_loop_count() + outbound_loop_count() +
	       outbound_list_count() + names_count();
}

void
runtime_clear(void)
{
	job_pool_clear();
	names_clear();
	outbound_loop_clear();
	task_loop_clear();
}
