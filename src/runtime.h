/* SPDX-License-Identifier: BSD-2-Clause */
/* All that async handlers need of a worker: tasks, streams, jobs, stacks. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>

struct event_base;

/*
 * Once for each process. stack_size in bytes, 0 for the default; addresses of
 * names are kept for name_cache_ms. on_gone is called after the end of each
 * root task, outbound stream, and lookup that nobody waits for. 0 or -1; then
 * nothing is left.
 */
int runtime_init(struct event_base *base, size_t stack_size, int job_threads,
    int64_t name_cache_ms, void (*on_gone)(void *arg),
    void *arg) BEVHOST_MUST_CHECK;

/* Stacks will be used: says what bounds them. */
void runtime_prepare_stacks(void);

/* The host stops: peers that do not close get less patience. */
void runtime_drain(void);
/* Cancels the tasks that are no connection's. */
void runtime_cancel(void);
/* It stops now: cancels them, and closes outbound streams too. */
void runtime_cut(void);

/* What must end before runtime_clear(). */
size_t runtime_left(void);
void runtime_clear(void);

#endif
