/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocking work on threads, with its end on the loop. */
#ifndef JOB_H
#define JOB_H

#include <event2/event.h>

#include <bevhost/base.h>

#include "call.h"

#define JOB_THREADS 4

struct job {
	int (*fn)(void *arg);
	void *arg;
	int result;
	void (*on_end)(struct job *job); /* on the loop */
	void *owner;
	struct call call; /* whose it is, NULLs when it is the host's */
	struct job *next;
};

/* The pool of a process: threads start with the first job. 0 or -1. */
int job_pool_init(struct event_base *base, int threads) BEVHOST_MUST_CHECK;
/* Waits for jobs that run, forgets those that wait. */
void job_pool_clear(void);

/* The caller keeps job until on_end. Returns 0 or a negative errno. */
int job_submit(struct job *job) BEVHOST_MUST_CHECK;

/* Of those submitted: whose on_end is still to come. */
size_t job_unfinished(void);

/* Each thread that is there calls fn before its next job; once. Returns how
   many there are. */
int job_call_threads(void (*fn)(void));

/* 1 when no thread had taken it: then it never runs, and on_end is not called.
   Else 0. */
int job_withdraw(struct job *job) BEVHOST_MUST_CHECK;

#endif
