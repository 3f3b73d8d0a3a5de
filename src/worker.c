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

#include "conns.h"
#include "listener.h"
#include "log.h"
#include "runtime.h"

/* Memory that serves messages is not worth giving back between two of them. */
#define WORKER_MMAP_BYTES (4 * 1024 * 1024)
#define WORKER_TRIM_BYTES (16 * 1024 * 1024)

static void
worker_tune_malloc(void)
{
#ifdef M_TRIM_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, WORKER_MMAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, WORKER_TRIM_BYTES);
#endif
}

static void
worker_on_libevent(int severity, const char *message)
{
	static const enum bevhost_level levels[] = {
		[EVENT_LOG_DEBUG] = BEVHOST_LOG_DEBUG,
		[EVENT_LOG_MSG] = BEVHOST_LOG_INFO,
		[EVENT_LOG_WARN] = BEVHOST_LOG_WARNING,
		[EVENT_LOG_ERR] = BEVHOST_LOG_ERROR,
	};

	if (severity < EVENT_LOG_DEBUG || severity > EVENT_LOG_ERR)
		severity = EVENT_LOG_ERR;
	log_write(levels[severity], "libevent", "%s", message);
}

/* libevent would call exit(), which runs handlers of a broken process. */
static void
worker_on_fatal(int error)
{
	log_write(BEVHOST_LOG_ERROR, "libevent", "fatal error %d", error);
	abort();
}

static struct event_base *
worker_make_base(const char *method)
{
	static const char *const methods[] = { "epoll", "poll", "select" };
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;
	size_t i;

	if (config == NULL)
		return NULL;
	/* The environment must not turn on the changelist, which loses
	   descriptors; no thread but ours touches the base. */
	if (event_config_set_flag(config,
		EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NOLOCK) < 0)
		goto out;
	for (i = 0; method != NULL && i < 3; i++)
		if (strcmp(methods[i], method) != 0 &&
		    event_config_avoid_method(config, methods[i]) < 0)
			goto out;
	base = event_base_new_with_config(config);
out:
	event_config_free(config);
	return base;
}

/* What must end before the loop does. */
static size_t
worker_left(const struct worker *worker)
{
	return conns_count(worker->conns) + runtime_left();
}

static void
worker_end_loop_if_done(struct worker *worker)
{
	if (worker->stopping && worker_left(worker) == 0)
		event_base_loopexit(worker->base, NULL);
}

static void
worker_on_conn_gone(void *arg)
{
	struct worker *worker = arg;
	int i;

	for (i = 0; !worker->stopping && i < worker->listener_count; i++)
		listener_retry(&worker->listeners[i]);
	worker_end_loop_if_done(worker);
}

static void
worker_on_task_gone(void *arg)
{
	worker_end_loop_if_done(arg);
}

static void
worker_on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	struct worker *worker = arg;

	(void)what;
	log_write(BEVHOST_LOG_NOTICE, NULL, "SIG%s: %s",
	    sigabbrev_np(signal_number),
	    worker->stopping ? "stopping now" : "stopping");
	worker_stop(worker);
}

static void
worker_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	if (worker->stopping > 1) {
		event_base_loopbreak(worker->base);
		return;
	}
	log_write(BEVHOST_LOG_WARNING, NULL,
	    "%zu connections and %zu tasks did not finish in %d s: closing "
	    "them",
	    conns_count(worker->conns), runtime_left(), WORKER_DRAIN_MS / 1000);
	worker_stop(worker);
}

static void
worker_cut(struct worker *worker)
{
	conns_cut(worker->conns);
	runtime_cut();
}

void
worker_stop(struct worker *worker)
{
	struct timeval drain = { .tv_sec = WORKER_DRAIN_MS / 1000 };
	struct timeval cut = { .tv_sec = WORKER_CUT_MS / 1000 };
	int i;

	if (worker->stopping++ > 0) {
		worker_cut(worker);
		if (event_add(worker->deadline, &cut) < 0)
			event_base_loopbreak(worker->base);
		return;
	}
	for (i = 0; i < worker->listener_count; i++)
		listener_clear(&worker->listeners[i]);
	conns_drain(worker->conns);
	runtime_drain();
	if (event_add(worker->deadline, &drain) < 0)
		worker_cut(worker);
	worker_end_loop_if_done(worker);
}

static int
worker_init_events(
    struct worker *worker, const struct worker_settings *settings)
{
	static const int numbers[3] = { SIGTERM, SIGINT, SIGHUP };
	int i;

	worker->conns = conns_new(worker->base, worker_on_conn_gone, worker);
	if (worker->conns == NULL)
		return -1;
	worker->deadline =
	    evtimer_new(worker->base, worker_on_deadline, worker);
	if (worker->deadline == NULL ||
	    runtime_init(worker->base, settings->stack_size,
		settings->job_threads, worker_on_task_gone, worker) < 0)
		return -1;
	worker->tasks = 1;
	for (i = 0; i < 3; i++) {
		worker->signals[i] = evsignal_new(
		    worker->base, numbers[i], worker_on_signal, worker);
		if (worker->signals[i] == NULL ||
		    event_add(worker->signals[i], NULL) < 0)
			return -1;
	}
	return 0;
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
	for (i = 0; i < instance_count; i++)
		instances[i].number = i + 1;
	worker_tune_malloc();
	/* libevent writes without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(worker_on_libevent);
	event_set_fatal_callback(worker_on_fatal);
	worker->base = worker_make_base(settings->event_method);
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
	for (i = 0; i < listener_count; i++)
		if (listener_start(&listeners[i], worker->conns) < 0)
			return -1;
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

	for (passes = 0; worker_left(worker) > 0 && passes < 100; passes++) {
		worker_cut(worker);
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
	if (worker->tasks && worker_left(worker) > 0) {
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
	if (worker->deadline != NULL)
		event_free(worker->deadline);
	event_base_free(worker->base);
	worker->base = NULL;
	return 0;
}
