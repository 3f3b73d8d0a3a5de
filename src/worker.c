/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of a worker: from start through serving and draining to the end,
 * which comes when the last connection has gone.
 */
#include "worker.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conns.h"
#include "conns_relief.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "record.h"
#include "runtime.h"

/* Memory that serves messages is not worth giving back between two of them. */
#define WORKER_MMAP_BYTES (4 * 1024 * 1024)
#define WORKER_TRIM_BYTES (16 * 1024 * 1024)

#define WORKER_BEAT_MS 250

static void
worker_tune_malloc(void)
{
#ifdef M_TRIM_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, WORKER_MMAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, WORKER_TRIM_BYTES);
#endif
}

static void
worker_on_conn_gone(void *arg)
{
	struct worker *worker = arg;
	int i;

	for (i = 0;
	     worker->drain.phase == DRAIN_NOT && i < worker->listener_count;
	     i++)
		listener_retry(&worker->listeners[i]);
	drain_on_gone(&worker->drain);
}

static void
worker_on_task_gone(void *arg)
{
	struct worker *worker = arg;

	drain_on_gone(&worker->drain);
}

static void
worker_on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	struct worker *worker = arg;
	int now = worker->drain.phase >= DRAIN_FINISH && !worker->managed;

	(void)what;
	if (worker->managed && worker->drain.phase >= DRAIN_FINISH)
		return;
	log_write(BEVHOST_LOG_NOTICE, NULL, "SIG%s: %s",
	    sigabbrev_np(signal_number), now ? "stopping now" : "stopping");
	if (now)
		worker_stop(worker);
	else
		worker_drain(worker);
}

/* Clients that wait in a socket are taken, unless somebody else will. */
static void
worker_stop_listening(struct worker *worker, int all_leave)
{
	int i;

	drain_prepare(&worker->drain);
	/* Of a managed one, the socket is the master's to shut. */
	for (i = 0; i < worker->listener_count && !worker->managed; i++)
		sock_seal(&worker->listeners[i].sock);
	for (i = 0; i < worker->listener_count; i++)
		if (all_leave || worker->listeners[i].leaving)
			listener_finish(&worker->listeners[i]);
		else
			listener_clear(&worker->listeners[i]);
}

void
worker_retire(struct worker *worker, int64_t timeout_ms)
{
	worker_stop_listening(worker, 0);
	drain_retire(&worker->drain, timeout_ms);
}

void
worker_drain(struct worker *worker)
{
	worker_stop_listening(worker, 1);
	drain_start(&worker->drain);
}

void
worker_stop(struct worker *worker)
{
	int i;

	for (i = 0; i < worker->listener_count; i++)
		listener_clear(&worker->listeners[i]);
	drain_cut(&worker->drain);
}

static void
worker_on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	*worker->beat = clock_ms();
}

static int
worker_init_beat(struct worker *worker)
{
	const struct timeval often = { .tv_usec = WORKER_BEAT_MS * 1000 };

	if (worker->beat == NULL)
		return 0;
	worker_on_beat(-1, 0, worker);
	worker->heart =
	    event_new(worker->base, -1, EV_PERSIST, worker_on_beat, worker);
	return worker->heart != NULL ? event_add(worker->heart, &often) : -1;
}

static int
worker_init_signals(struct worker *worker)
{
	static const int numbers[3] = { SIGTERM, SIGINT, SIGHUP };
	int i;

	for (i = 0; i < 3; i++) {
		if (worker->managed && numbers[i] != SIGTERM) {
			signal(numbers[i], SIG_IGN);
			continue;
		}
		worker->signals[i] = evsignal_new(
		    worker->base, numbers[i], worker_on_signal, worker);
		if (worker->signals[i] == NULL ||
		    event_add(worker->signals[i], NULL) < 0)
			return -1;
	}
	return 0;
}

static int
worker_init_events(
    struct worker *worker, const struct worker_settings *settings)
{
	worker->conns = conns_new(worker->base, worker_on_conn_gone, worker);
	if (worker->conns == NULL)
		return -1;
	if (settings->counters != NULL)
		conns_count_in(worker->conns, settings->counters);
	if (drain_init(&worker->drain, worker->base, worker->conns,
		settings->drain_timeout_ms, settings->drain_spread_ms) < 0 ||
	    runtime_init(worker->base, settings->stack_size,
		settings->job_threads, settings->name_cache_ms,
		worker_on_task_gone, worker) < 0)
		return -1;
	worker->tasks = 1;
	if (conns_relief_start(worker->conns, settings->max_memory) < 0)
		return -1;
	return worker_init_signals(worker) < 0 ? -1 : worker_init_beat(worker);
}

static int
worker_has_tasks(const struct worker *worker)
{
	int i;

	for (i = 0; i < worker->instance_count; i++)
		if (worker->instances[i].plugin->def.run != NULL)
			return 1;
	return 0;
}

int
worker_init(struct worker *worker, const struct worker_settings *settings,
    struct bevhost_instance *instances, int instance_count,
    struct listener *listeners, int listener_count)
{
	int i;

	memset(worker, 0, sizeof(*worker));
	worker->instances = instances;
	worker->instance_count = instance_count;
	worker->listeners = listeners;
	worker->listener_count = listener_count;
	worker->managed = settings->managed;
	worker->beat = settings->beat;
	if (settings->record != NULL && record_open(settings->record) < 0)
		return -1;
	worker_tune_malloc();
	worker->base = loop_new(settings->event_method);
	if (worker->base == NULL || worker_init_events(worker, settings) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "cannot make an event loop%s%s: %m",
		    settings->event_method ? " with " : "",
		    settings->event_method ? settings->event_method : "");
		return -1;
	}
	log_write(BEVHOST_LOG_INFO, NULL, "libevent %s with %s",
	    event_get_version(), event_base_get_method(worker->base));
	if (worker_has_tasks(worker))
		runtime_prepare_stacks();
	for (i = 0; i < instance_count; i++)
		if (instance_start(&instances[i], worker->base) < 0)
			return -1;
	for (i = 0; i < instance_count; i++)
		if (instance_self_test(&instances[i]) < 0)
			return -1;
	for (i = 0; i < listener_count; i++) {
		if (worker->managed)
			listener_pause(&listeners[i]);
		if (listener_start(&listeners[i], worker->conns) < 0)
			return -1;
	}
	return 0;
}

int
worker_run(struct worker *worker)
{
	if (event_base_dispatch(worker->base) >= 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "the event loop failed: %m");
	return -1;
}

/*
 * Brings every connection to its end but those that are held. Close callbacks
 * may write to other connections, so one pass may not be enough.
 */
static void
worker_end_conns(struct worker *worker)
{
	int passes;

	/* Nor is anything to begin in the last pass. */
	runtime_cancel();
	for (passes = 0; drain_left(&worker->drain) > 0 && passes < 100;
	     passes++) {
		conns_cut(worker->conns);
		runtime_cut();
		event_base_loop(worker->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	}
	/* What libevent finalises late needs one more. Without ONCE it would
	   go on for as long as a plugin's event is active. */
	event_base_loop(worker->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* An instance's stop may have started more of them. */
static void
worker_clear_tasks(struct worker *worker)
{
	worker_end_conns(worker);
	runtime_clear();
	worker->tasks = 0;
}

int
worker_clear(struct worker *worker)
{
	int i;

	for (i = 0; i < worker->listener_count; i++)
		listener_clear(&worker->listeners[i]);
	if (worker->base == NULL)
		return 0;
	if (worker->tasks)
		worker_end_conns(worker);
	if (worker->tasks && drain_left(&worker->drain) > 0) {
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "handlers hold %zu connections and %zu tasks that were to "
		    "end: leaving without them",
		    conns_count(worker->conns), runtime_left());
		return -1;
	}
	for (i = 0; i < worker->instance_count; i++)
		instance_stop(&worker->instances[i]);
	if (worker->tasks)
		worker_clear_tasks(worker);
	conns_free(worker->conns);
	for (i = 0; i < 3; i++)
		if (worker->signals[i] != NULL)
			event_free(worker->signals[i]);
	if (worker->heart != NULL)
		event_free(worker->heart);
	drain_clear(&worker->drain);
	event_base_free(worker->base);
	worker->base = NULL;
	if (record_is_on)
		record_close();
	return 0;
}
