/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goes wrong in the callback that in= names, in the way that how= names; ms=
 * is how long a loop is busy. Compiled for each of the models. While it is
 * loaded there are no parameters: the variable CRASH_LOAD is the how of that.
 */
#include <bevhost/manifest.h>
#include <bevhost/generator.h>
#include <bevhost/plugin.h>
#include <bevhost/task.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <event2/buffer.h>

struct crash {
	const char *in, *how;
	int64_t ms;
};

struct crash_state {
	struct crash *self;
};

static const struct bevhost_param crash_params[] = {
	{ .name = "in",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "",
	    .field = BEVHOST_FIELD(struct crash, in) },
	{ .name = "how",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "segv",
	    .field = BEVHOST_FIELD(struct crash, how) },
	{ .name = "ms",
	    .type = BEVHOST_PARAM_INT,
	    .value = "0",
	    .min = 0,
	    .max = 600000,
	    .field = BEVHOST_FIELD(struct crash, ms) },
	{ .name = NULL },
};

static int *volatile crash_wrong = (int *)16;
static volatile int crash_zero, crash_seven = 7;
static void (*volatile crash_nowhere)(void);

static int
crash_deep(int depth)
{
	volatile char room[1024];

	room[depth % 1024] = (char)depth;
	return depth == 0 ? 0 : crash_deep(depth - 1) + room[depth % 1024];
}

static void
crash_bus(void)
{
	FILE *file = tmpfile();
	char *map;

	if (file == NULL)
		exit(70);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
	crash_zero = map[0];
}

/* Until ms have gone; 0: until it is killed. */
static void
crash_loop(const struct crash *self)
{
	int64_t end = bevhost_after_ms(self->ms);

	fprintf(stderr, "looping\n");
	while (self->ms == 0 || bevhost_now_ms() < end)
		continue;
	fprintf(stderr, "looped\n");
}

/* As long as there is the file that CRASH_WAIT names. */
static void
crash_wait(void)
{
	while (access(getenv("CRASH_WAIT"), F_OK) == 0)
		usleep(10000);
}

/* Its name is looked for in the backtrace: never part of its caller. */
static __attribute__((noinline)) void
crash_now(const struct crash *self, const char *how)
{
	if (strcmp(how, "segv") == 0)
		*crash_wrong = 1;
	else if (strcmp(how, "abort") == 0)
		abort();
	else if (strcmp(how, "fpe") == 0)
		crash_seven /= crash_zero;
	else if (strcmp(how, "bus") == 0)
		crash_bus();
	else if (strcmp(how, "ill") == 0)
		__builtin_trap();
	else if (strcmp(how, "nowhere") == 0)
		crash_nowhere();
	else if (strcmp(how, "sys") == 0)
		raise(SIGSYS);
	else if (strcmp(how, "trap") == 0)
		raise(SIGTRAP);
	else if (strcmp(how, "exit") == 0)
		exit(3);
	else if (strcmp(how, "done") == 0)
		exit(0);
	else if (strcmp(how, "overflow") == 0)
		crash_zero = crash_deep(100000);
	else if (strcmp(how, "loop") == 0)
		crash_loop(self);
	else if (strcmp(how, "wait") == 0)
		crash_wait();
	__asm__ volatile("" ::: "memory");
}

static int
crash_in(const struct crash *self, const char *callback)
{
	if (strcmp(self->in, callback) == 0)
		crash_now(self, self->how);
	return 0;
}

static void __attribute__((constructor)) crash_load(void)
{
	const char *how = getenv("CRASH_LOAD");

	if (how != NULL)
		crash_now(NULL, how);
}

/* An instance */

static int
crash_create(struct bevhost_instance *instance, void **self)
{
	static struct crash memory;
	const char *how = getenv("CRASH_CREATE");

	(void)instance;
	if (how != NULL)
		crash_now(NULL, how);
	*self = &memory;
	return 0;
}

static int
crash_config(void *self, const char *key, const char *value)
{
	(void)value;
	/* The last word. */
	return strcmp(key, "how") == 0 ? crash_in(self, "config") : 0;
}

static int
crash_ready(void *self)
{
	return crash_in(self, "ready");
}

static int
crash_self_test(void *self)
{
	return crash_in(self, "self_test");
}

static void
crash_stop(void *self)
{
	crash_in(self, "stop");
}

static void
crash_destroy(void *self)
{
	crash_in(self, "destroy");
}

static int
crash_admit(void *self, const struct bevhost_conn *conn)
{
	(void)conn;
	crash_in(self, "admit");
	return 1;
}

#if defined(CRASH_RUN)

static int
crash_job(void *self)
{
	return crash_in(self, "job");
}

static int
crash_child(void *self)
{
	return crash_in(self, "child task");
}

static int
crash_task(void *self)
{
	return crash_in(self, "task");
}

static int
crash_run(struct bevhost_stream *stream, void *self)
{
	char line[16];
	int64_t child;

	while (bevhost_stream_read(stream, line, sizeof(line), -1) > 0) {
		crash_in(self, "run");
		bevhost_run_job(crash_job, self, NULL);
		child = bevhost_task_spawn(crash_child, self);
		if (child >= 0)
			bevhost_task_await(child, NULL, -1);
		bevhost_stream_write(stream, "well", 4, -1);
	}
	return 0;
}

static struct bevhost_instance *crash_instance;

static int
crash_create_task(struct bevhost_instance *instance, void **self)
{
	crash_instance = instance;
	return crash_create(instance, self);
}

static int
crash_start(void *self, struct event_base *base)
{
	(void)base;
	crash_in(self, "start");
	return bevhost_task_start(crash_instance, crash_task, self);
}

#else

static int
crash_start(void *self, struct event_base *base)
{
	(void)base;
	return crash_in(self, "start");
}

#endif

#if defined(CRASH_GENERATE)

struct crash_frame {
	struct bevhost_generator head;
};

static enum bevhost_op
crash_generate(struct bevhost_generator *generator)
{
	struct evbuffer *input = bufferevent_get_input(generator->bev);

	if (generator->why != BEVHOST_WHY_READY)
		return BEVHOST_OP_DONE;
	if (evbuffer_get_length(input) > 0) {
		crash_in(generator->self, "generate");
		evbuffer_drain(input, evbuffer_get_length(input));
		bufferevent_write(generator->bev, "well", 4);
	}
	generator->bytes = 1;
	return BEVHOST_OP_READ;
}

#endif

#if !defined(CRASH_RUN) && !defined(CRASH_GENERATE)

/* A connection */

static void
crash_on_timer(struct bevhost_conn *conn, void *state)
{
	struct crash_state *own = state;

	crash_in(own->self, "timer");
	bufferevent_write(bevhost_conn_bev(conn), "timer", 5);
}

static int
crash_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct crash_state *own = *state;
	struct bevhost_timer *timer = bevhost_timer_new(conn, crash_on_timer);

	own->self = self;
	crash_in(self, "open");
	bufferevent_write(bev, "hello", 5);
	return timer != NULL ? bevhost_timer_start(timer, 1) : -1;
}

static void
crash_read(struct bufferevent *bev, void *state)
{
	struct crash_state *own = state;
	struct evbuffer *input = bufferevent_get_input(bev);

	evbuffer_drain(input, evbuffer_get_length(input));
	crash_in(own->self, "read");
	bufferevent_write(bev, "well", 4);
}

static void
crash_write(struct bufferevent *bev, void *state)
{
	struct crash_state *own = state;

	(void)bev;
	crash_in(own->self, "write");
}

static void
crash_event(struct bufferevent *bev, short what, void *state)
{
	struct crash_state *own = state;

	(void)what;
	crash_in(own->self, "event");
	bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_FLUSH);
}

static void
crash_drain(void *state)
{
	struct crash_state *own = state;

	crash_in(own->self, "drain");
}

static void
crash_close(void *state, enum bevhost_reason reason)
{
	struct crash_state *own = state;

	(void)reason;
	crash_in(own->self, "close");
}

#endif

/* Of crash_bus(). */
static const char *const crash_writes[] = { "/tmp", NULL };
static const struct bevhost_manifest crash_manifest = {
	.struct_size = sizeof(crash_manifest),
	.writes = crash_writes,
};

static struct bevhost_plugin plugin = {
	.manifest = &crash_manifest,
#if defined(CRASH_RUN)
	.name = "crash-run",
	.create = crash_create_task,
	.run = crash_run,
#elif defined(CRASH_GENERATE)
	.name = "crash-generate",
	.create = crash_create,
	.generate = crash_generate,
	.frame_size = sizeof(struct crash_frame),
#else
	.name = "crash",
	.create = crash_create,
	.state_size = sizeof(struct crash_state),
	.open = crash_open,
	.read = crash_read,
	.write = crash_write,
	.event = crash_event,
	.drain = crash_drain,
	.close = crash_close,
#endif
	.params = crash_params,
	.config = crash_config,
	.ready = crash_ready,
	.start = crash_start,
	.self_test = crash_self_test,
	.stop = crash_stop,
	.destroy = crash_destroy,
	.admit = crash_admit,
};
BEVHOST_PLUGIN(plugin)
