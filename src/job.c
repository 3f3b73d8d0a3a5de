/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool of threads, one queue to it and one back. The loop hears of what is
 * done by an eventfd; nothing of libevent is touched from a thread.
 */
#include "job.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "safe.h"

#define JOB_THREADS_MAX 256

struct job_queue {
	struct job *first, **last;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job_queue waiting, done;
	struct event *event;
	pthread_t threads[JOB_THREADS_MAX];
	int thread_count, thread_max, idle, stop, fd;
	void (*first)(void); /* for threads that have not called it */
	size_t unfinished;   /* the loop's alone */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
	.fd = -1 };

static void
job_queue_put(struct job_queue *queue, struct job *job)
{
	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
}

static struct job *
job_queue_take(struct job_queue *queue)
{
	struct job *job = queue->first;

	if (job != NULL) {
		queue->first = job->next;
		if (queue->first == NULL)
			queue->last = &queue->first;
	}
	return job;
}

static void
job_say_done(void)
{
	uint64_t one = 1;

	while (write(pool.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

static void *
job_thread(void *arg)
{
	void *stack = safe_stack_start();
	void (*called)(void);
	struct call before;
	struct job *job;

	(void)arg;
	pthread_mutex_lock(&pool.lock);
	called = pool.first; /* who made this thread has called it */
	for (;;) {
		pool.idle++;
		while (pool.waiting.first == NULL && !pool.stop)
			pthread_cond_wait(&pool.more, &pool.lock);
		pool.idle--;
		if (pool.stop)
			break;
		job = job_queue_take(&pool.waiting);
		if (called != pool.first) {
			called = pool.first;
			called();
		}
		pthread_mutex_unlock(&pool.lock);
		before = call_swap(job->call);
		job->result = job->fn(job->arg);
		call_leave(before);
		pthread_mutex_lock(&pool.lock);
		job_queue_put(&pool.done, job);
		job_say_done();
	}
	pthread_mutex_unlock(&pool.lock);
	safe_stack_end(stack);
	return NULL;
}

/* Signals are the loop's, but for those of a crash: blocked, they would end
   the process without a word. */
static int
job_start_thread(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
		SIGSYS, SIGTRAP };
	sigset_t all, before;
	size_t i;
	int error;

	sigfillset(&all);
	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigdelset(&all, crashes[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(
	    &pool.threads[pool.thread_count], NULL, job_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pool.thread_count++;
	return -error;
}

static void
job_on_done(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;
	struct job *job, *next;

	(void)what;
	(void)arg;
	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		continue;
	pthread_mutex_lock(&pool.lock);
	job = pool.done.first;
	pool.done.first = NULL;
	pool.done.last = &pool.done.first;
	pthread_mutex_unlock(&pool.lock);
	for (; job != NULL; job = next) {
		next = job->next;
		pool.unfinished--;
		job->on_end(job);
	}
}

int
job_submit(struct job *job)
{
	int status = 0;

	pthread_mutex_lock(&pool.lock);
	/* Idle threads that have been called and did not come yet count. */
	if (pool.idle == 0 || pool.waiting.first != NULL)
		if (pool.thread_count < pool.thread_max)
			status = job_start_thread();
	if (pool.thread_count > 0) {
		status = 0;
		pool.unfinished++;
		job_queue_put(&pool.waiting, job);
		pthread_cond_signal(&pool.more);
	}
	pthread_mutex_unlock(&pool.lock);
	return status;
}

size_t
job_unfinished(void)
{
	return pool.unfinished;
}

int
job_call_threads(void (*fn)(void))
{
	int count;

	pthread_mutex_lock(&pool.lock);
	pool.first = fn;
	count = pool.thread_count;
	pthread_mutex_unlock(&pool.lock);
	return count;
}

int
job_withdraw(struct job *job)
{
	struct job **link;

	pthread_mutex_lock(&pool.lock);
	for (link = &pool.waiting.first; *link != NULL && *link != job;)
		link = &(*link)->next;
	if (*link == NULL) {
		pthread_mutex_unlock(&pool.lock);
		return 0;
	}
	*link = job->next;
	if (*link == NULL)
		pool.waiting.last = link;
	pool.unfinished--;
	pthread_mutex_unlock(&pool.lock);
	return 1;
}

int
job_pool_init(struct event_base *base, int threads)
{
	pool.waiting = pool.done = (struct job_queue){ NULL, NULL };
	pool.unfinished = 0;
	pool.waiting.last = &pool.waiting.first;
	pool.done.last = &pool.done.first;
	pool.thread_count = pool.idle = pool.stop = 0;
	pool.first = NULL;
	pool.thread_max = threads < JOB_THREADS_MAX ? threads : JOB_THREADS_MAX;
	pool.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool.fd < 0)
		return -1;
	pool.event =
	    event_new(base, pool.fd, EV_READ | EV_PERSIST, job_on_done, NULL);
	if (pool.event != NULL && event_add(pool.event, NULL) == 0)
		return 0;
	job_pool_clear();
	return -1;
}

void
job_pool_clear(void)
{
	int i;

	pthread_mutex_lock(&pool.lock);
	pool.stop = 1;
	pthread_cond_broadcast(&pool.more);
	pthread_mutex_unlock(&pool.lock);
	for (i = 0; i < pool.thread_count; i++)
		pthread_join(pool.threads[i], NULL);
	pool.thread_count = 0;
	if (pool.event != NULL)
		event_free(pool.event);
	pool.event = NULL;
	if (pool.fd >= 0)
		close(pool.fd);
	pool.fd = -1;
}
