/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What belongs to the rig is allocated while allocations are not seen, and what
 * the host and the handler have, while they are: rig_enter() and rig_exit() are
 * around each call of theirs.
 */
#include "rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "conns.h"
#include "failing.h"
#include "quarantine.h"
#include "rig_block.h"
#include "rig_end.h"
#include "rig_net.h"
#include "rig_load.h"
#include "rig_time.h"
#include "rig_where.h"
#include "task_abandoned.h"
#include "worker.h"

#define RIG_TURNS_MAX 100000
#define RIG_LATE_MAX  100  /* timers that fire when all have gone */
#define RIG_SLOW_MAX  4096 /* bytes that are read one by one */

struct rig {
	struct failing failing;
	struct rig_load *load;
	struct worker worker;
	struct rig_block block;
	uint64_t abandoned;	    /* tasks before there was anything */
	struct rig_where_open open; /* likewise */
	int works, rests, rest_ms, refuses, slow_reader;
	const char *why;
	struct rig_end ends[RIG_ENDS_MAX];
	int end_count;
};

static struct rig *rig_only;
static pid_t rig_inside; /* the process that runs the handler now, or 0 */

static void
rig_enter(struct rig *rig)
{
	rig_inside = getpid();
	rig_block_begin(&rig->block);
	failing_set(&rig->failing);
	failing_pause(0);
}

static void
rig_exit(void)
{
	/* What threads of jobs free now, they had been seen to allocate. */
	failing_pause(1);
	rig_block_end(&rig_only->block);
	rig_inside = 0;
}

int
rig_is_inside(void)
{
	return rig_inside == getpid();
}

static int
rig_fail(struct rig *rig, const char *why)
{
	rig->why = why;
	return -1;
}

const char *
rig_why(const struct rig *rig)
{
	return rig->why;
}

/* Called by the loop that is run here. */

static void
rig_on_rest(int rest_ms)
{
	rig_only->rests = 1;
	rig_only->rest_ms = rest_ms;
	event_base_loopbreak(rig_only->worker.base);
}

static struct rig_end *
rig_add_end(struct rig *rig, int fd)
{
	struct rig_end *end;

	if (rig->end_count == RIG_ENDS_MAX)
		return NULL;
	end = &rig->ends[rig->end_count++];
	end->fd = fd;
	end->server_fd = -1;
	return end;
}

static int
rig_on_connect(int far, int near, int fd)
{
	struct rig_end *end;

	if (rig_only->refuses > 0) {
		rig_only->refuses--;
		return ECONNREFUSED;
	}
	end = rig_add_end(rig_only, far);
	if (end == NULL)
		return ENETUNREACH;
	rig_end_set_near(end, fd, near);
	return 0;
}

static void
rig_on_closed(uint64_t id, enum bevhost_reason reason)
{
	int i;

	for (i = 0; i < rig_only->end_count; i++) {
		struct rig_end *end = &rig_only->ends[i];

		if (end->conn != id)
			continue;
		end->gone = 1;
		end->reason = reason;
	}
}

/* Starting */

static int
rig_work(struct rig *rig, const struct rig_options *options, int *refused)
{
	struct worker_settings worker;

	rig->load = rig_load_new(options, refused);
	if (rig->load == NULL)
		return -1;
	rig_load_worker(rig->load, &worker);
	rig->works = 1;
	if (worker_init(&rig->worker, &worker, rig_load_instance(rig->load), 1,
		NULL, 0) < 0)
		return -1;
	conns_watch(rig->worker.conns, rig_on_closed);
	return 0;
}

struct rig *
rig_new(const struct rig_options *options, struct rig_left *left)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	int status, refused = EX_CONFIG;

	memset(left, 0, sizeof(*left));
	if (rig == NULL)
		return NULL;
	rig_only = rig;
	rig->slow_reader = options->slow_reader;
	rig_block_init(&rig->block);
	rig->abandoned = task_abandoned();
	rig_where_note_open(&rig->open);
	rig->failing.spare_linker = 1;
	rig->failing.first = options->fail_first;
	rig->failing.after = options->fail_after;
	rig_time_start(rig_on_rest);
	rig_net_start(rig_on_connect);
	quarantine_start();
	status = rig_load_once(options->plugin);
	rig_enter(rig);
	if (status == 0)
		status = rig_work(rig, options, &refused);
	rig_exit();
	rig->block.longest_ms = 0; /* who starts may read files */
	if (status == 0)
		return rig;
	rig_free(rig, left);
	left->refused = refused;
	left->why = rig_load_why();
	return NULL;
}

/* Reading */

static int
rig_read(struct rig *rig)
{
	int i, came = 0;

	for (i = 0; i < rig->end_count; i++)
		came |= rig_end_read(&rig->ends[i],
		    rig->slow_reader && rig->ends[i].len < RIG_SLOW_MAX
			? 1
			: SIZE_MAX);
	return came;
}

/* Until the loop would wait. */
static int
rig_turn(struct rig *rig)
{
	int turns, status = 0;

	rig->rests = 0;
	for (turns = 0; !rig->rests && turns < RIG_TURNS_MAX && status >= 0;
	     turns++) {
		rig_enter(rig);
		status = event_base_loop(rig->worker.base, EVLOOP_ONCE);
		rig_exit();
	}
	return rig->rests
		   ? 0
		   : rig_fail(rig, "the loop never comes to rest: an event is "
				   "made active again and again");
}

int
rig_settle(struct rig *rig)
{
	do {
		if (rig_turn(rig) < 0)
			return -1;
	} while (rig_read(rig));
	return 0;
}

int
rig_wait(struct rig *rig, int64_t ms)
{
	int64_t until = rig_time_ms() + ms, step;

	for (;;) {
		if (rig_settle(rig) < 0)
			return -1;
		step = until - rig_time_ms();
		if (step <= 0)
			return 0;
		if (rig->rest_ms >= 0 && rig->rest_ms < step)
			step = rig->rest_ms > 0 ? rig->rest_ms : 1;
		rig_time_advance(step);
	}
}

/* Clients */

struct rig_end *
rig_connect(struct rig *rig)
{
	const struct sockaddr_in client = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)(49152 + rig->end_count)),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	const int little = 1;
	struct rig_end *end;
	int fds[2];

	if (rig->end_count == RIG_ENDS_MAX || rig_net_pair(fds) < 0)
		return NULL;
	end = rig_add_end(rig, fds[0]);
	end->server_fd = fds[1];
	if (rig->slow_reader)
		setsockopt(
		    fds[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	end->conn = conns_newest_id(rig->worker.conns) + 1;
	rig_enter(rig);
	conns_accept(rig->worker.conns, rig_load_instance(rig->load), NULL,
	    fds[1], (const struct sockaddr *)&client, sizeof(client));
	rig_exit();
	/* There was no memory for one. */
	if (conns_newest_id(rig->worker.conns) < end->conn)
		end->gone = 1;
	return end;
}

struct rig_end *
rig_take(struct rig *rig)
{
	int i;

	for (i = 0; i < rig->end_count; i++)
		if (rig->ends[i].conn == 0 && !rig->ends[i].taken) {
			rig->ends[i].taken = 1;
			return &rig->ends[i];
		}
	return NULL;
}

void
rig_refuse(struct rig *rig)
{
	rig->refuses++;
}

int
rig_refuses(const struct rig *rig)
{
	return rig->refuses;
}

int
rig_send(struct rig *rig, struct rig_end *end, const void *bytes, size_t len)
{
	const char *rest = bytes;
	ssize_t sent;
	int stuck = 0;

	while (len > 0 && end->fd >= 0) {
		sent = send(end->fd, rest, len, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return 0; /* the handler has closed: it shows */
		if (sent > 0) {
			rest += sent;
			len -= (size_t)sent;
			stuck = 0;
			continue;
		}
		if (stuck++ > 1)
			return rig_fail(rig, "the handler has stopped reading");
		if (rig_settle(rig) < 0)
			return -1;
	}
	return 0;
}

void
rig_drain(struct rig *rig)
{
	rig_enter(rig);
	conns_begin_turns(rig->worker.conns);
	conns_sweep(rig->worker.conns, CONNS_CLOSE, 0, UINT64_MAX);
	rig_exit();
}

/* What a handler has left for later, it still does: it may use what is gone. */
static int
rig_outlast(struct rig *rig, int64_t until)
{
	int i;

	for (i = 0; i < RIG_LATE_MAX && rig->rest_ms >= 0 &&
		    rig_time_ms() + rig->rest_ms <= until;
	     i++) {
		rig_time_advance(rig->rest_ms > 0 ? rig->rest_ms : 1);
		if (rig_settle(rig) < 0)
			return -1;
	}
	return 0;
}

int
rig_leave(struct rig *rig, int64_t limit_ms)
{
	int64_t until = rig_time_ms() + limit_ms;
	int i;

	for (;;) {
		for (i = 0; i < rig->end_count; i++)
			rig_close(&rig->ends[i]);
		if (rig_settle(rig) < 0)
			return -1;
		if (conns_count(rig->worker.conns) == 0)
			return rig_outlast(rig, until);
		if (rig_time_ms() >= until)
			return rig_fail(rig,
			    "a connection is still there long after its client "
			    "has gone");
		rig_time_advance(rig->rest_ms > 0 ? rig->rest_ms : 1000);
	}
}

void
rig_fail_allocations(struct rig *rig, int64_t nth, int64_t count)
{
	rig->failing.count = rig->failing.failed = 0;
	rig->failing.first = count > 0 ? nth : 0;
	rig->failing.after = nth + count;
}

int64_t
rig_allocations(const struct rig *rig)
{
	return rig->failing.count;
}

int64_t
rig_failed(const struct rig *rig)
{
	return rig->failing.failed;
}

int64_t
rig_slept_ms(const struct rig *rig)
{
	return rig->block.longest_ms;
}

int64_t
rig_abandoned(const struct rig *rig)
{
	return (int64_t)(task_abandoned() - rig->abandoned);
}

size_t
rig_connections(const struct rig *rig)
{
	return conns_count(rig->worker.conns);
}

static void
rig_forget_ends(struct rig *rig)
{
	int i;

	for (i = 0; i < rig->end_count; i++) {
		rig_close(&rig->ends[i]);
		free(rig->ends[i].came);
	}
}

void
rig_free(struct rig *rig, struct rig_left *left)
{
	memset(left, 0, sizeof(*left));
	if (rig == NULL)
		return;
	rig->failing.first = 0;
	rig_enter(rig);
	if (rig->works && worker_clear(&rig->worker) < 0)
		left->held = 1;
	if (!left->held)
		rig_load_free(rig->load);
	rig_exit();
	failing_set(NULL);
	failing_pause(0);
	rig_net_start(NULL);
	rig_time_stop();
	rig_forget_ends(rig);
	left->spoiled = quarantine_stop();
	left->blocks = rig->failing.live;
	left->descriptors =
	    rig_where_opened(&rig->open, left->opened, sizeof(left->opened));
	rig_block_clear(&rig->block);
	free(rig);
	rig_only = NULL;
}
