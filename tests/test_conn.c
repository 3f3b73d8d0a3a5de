/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How connections are counted; and one for which the n-th allocation fails,
 * for every n: it is served, refused or closed, nothing is left of it, and the
 * next one is served. The linker puts our calloc and malloc before libc's.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include <bevhost/plugin.h>

#include "conn_timer.h"
#include "conns.h"
#include "heard.h"
#include "log.h"
#include "tap.h"

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static long allocations, fail_at; /* 0: none */
static int opened, closed;

static int
fails(void)
{
	if (fail_at == 0)
		return 0;
	return ++allocations == fail_at;
}

void *
__wrap_calloc(size_t count, size_t size)
{
	if (fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __real_calloc(count, size);
}

static void *
libevent_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

static void *
libevent_realloc(void *old, size_t size)
{
	return fails() ? NULL : realloc(old, size);
}

static int
on_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct bevhost_timer *timer;

	(void)self;
	(void)bev;
	(void)state;
	timer = conn_timer_new(conn, NULL);
	if (timer == NULL || conn_timer_start(timer, 100000) != 0)
		return -1;
	opened++;
	return 0;
}

static void
on_read(struct bufferevent *bev, void *state)
{
	(void)state;
	if (bufferevent_write(bev, "answer", 6) < 0 ||
	    evbuffer_drain(bufferevent_get_input(bev), 1) < 0)
		conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW,
		    BEVHOST_REASON_HANDLER);
	else
		conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_FLUSH,
		    BEVHOST_REASON_HANDLER);
}

static void
on_close(void *state, enum bevhost_reason reason)
{
	(void)state;
	ck_assert_int_ne(reason, BEVHOST_REASON_NONE);
	closed++;
}

static void
on_gone(void *arg)
{
	(void)arg;
}

/* One connection from accept to its end. Returns what the peer got. */
static ssize_t
serve_one(struct conns *set, struct bevhost_instance *instance, char *buf)
{
	struct sockaddr peer = { .sa_family = AF_UNIX };
	ssize_t len = 0, more;
	int fds[2], i;

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	conn_accept(set, instance, NULL, fds[0], &peer, sizeof(peer.sa_family));
	for (i = 0; i < 10; i++)
		event_base_loop(set->loop.base, EVLOOP_NONBLOCK);
	while ((more = read(fds[1], buf + len, 100 - (size_t)len)) > 0)
		len += more;
	close(fds[1]);
	for (i = 0; i < 10; i++)
		event_base_loop(set->loop.base, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(set->count, 0);
	/* The descriptor is closed, whatever happened. */
	ck_assert_int_eq(write(fds[0], "x", 1), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(opened, closed);
	return len;
}

START_TEST(any_allocation_may_fail)
{
	struct plugin plugin = {
		.def = {
			.name = "test",
			.state_size = 32,
			.open = on_open,
			.read = on_read,
			.close = on_close,
		},
	};
	struct bevhost_instance instance;
	struct event_base *base = event_base_new();
	struct conns *set;
	char buf[100];
	long n, failures = 0;

	log_set_level(BEVHOST_LOG_ERROR);
	ck_assert_int_eq(instance_init(&instance, &plugin), 0);
	set = conns_new(base, on_gone, NULL);
	ck_assert_ptr_nonnull(set);
	ck_assert_int_eq(serve_one(set, &instance, buf), 6);
	for (n = 1; n < 1000; n++) {
		allocations = 0;
		fail_at = n;
		serve_one(set, &instance, buf);
		fail_at = 0;
		if (allocations < n)
			break;
		failures++;
		ck_assert_int_eq(serve_one(set, &instance, buf), 6);
		ck_assert_mem_eq(buf, "answer", 6);
	}
	ck_assert_int_gt(failures, 10);
	ck_assert_int_lt(n, 1000);
	conns_free(set);
	instance_clear(&instance);
	event_base_free(base);
}
END_TEST

START_TEST(without_memory_for_anybody_the_log_is_bounded)
{
	struct plugin plugin = { .def = { .name = "test" } };
	struct sockaddr peer = { .sa_family = AF_UNIX };
	struct bevhost_instance instance;
	struct event_base *base = event_base_new();
	struct conns *set;
	const char *line;
	int fds[2], i, lines = 0;

	log_set_level(BEVHOST_LOG_NOTICE);
	ck_assert_int_eq(instance_init(&instance, &plugin), 0);
	set = conns_new(base, on_gone, NULL);
	ck_assert_ptr_nonnull(set);
	listen_to_stderr();
	for (i = 0; i < 50; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		allocations = 0;
		fail_at = 1;
		conn_accept(set, &instance, NULL, fds[0], &peer,
		    sizeof(peer.sa_family));
		fail_at = 0;
		/* It is closed all the same. */
		ck_assert_int_eq(read(fds[1], heard, 1), 0);
		close(fds[1]);
	}
	restore_stderr();
	for (line = heard; (line = strstr(line, "connection refused: Cannot "
						"allocate memory")) != NULL;
	     line++)
		lines++;
	ck_assert_int_ge(lines, 1);
	ck_assert_int_lt(lines, 10);
	conns_free(set);
	instance_clear(&instance);
	event_base_free(base);
}
END_TEST

static int
on_open_plainly(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	(void)self;
	(void)conn;
	(void)bev;
	(void)state;
	return 0;
}

/* Each is a peer that has sent a byte, or none. */
static int
accept_one(struct conns *set, struct bevhost_instance *instance, int byte)
{
	struct sockaddr peer = { .sa_family = AF_UNIX };
	int fds[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	if (byte)
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
	conn_accept(set, instance, NULL, fds[0], &peer, sizeof(peer.sa_family));
	return fds[1];
}

static void
turn(struct conns *set)
{
	int i;

	for (i = 0; i < 10; i++)
		event_base_loop(set->loop.base, EVLOOP_NONBLOCK);
}

START_TEST(connections_are_counted_where_it_was_said)
{
	struct plugin plugin = {
		.def = { .name = "test",
		    .open = on_open_plainly,
		    .read = on_read },
	};
	struct event_base *base = event_base_new();
	struct conns *set = conns_new(base, on_gone, NULL);
	struct bevhost_instance instance;
	struct counters counters = { .connections = 0 };
	int answered, eof, cut;

	log_set_level(BEVHOST_LOG_ERROR);
	ck_assert_ptr_nonnull(set);
	ck_assert_int_eq(instance_init(&instance, &plugin), 0);
	conns_count_in(set, &counters);
	answered = accept_one(set, &instance, 1);
	eof = accept_one(set, &instance, 0);
	cut = accept_one(set, &instance, 0);
	ck_assert(counters.accepted == 3 && counters.connections == 3);
	turn(set);
	/* on_read has closed the one. */
	close(answered);
	turn(set);
	ck_assert(counters.connections == 2);
	ck_assert(counters.closed[BEVHOST_REASON_HANDLER] == 1);
	close(eof);
	turn(set);
	ck_assert(counters.connections == 1);
	ck_assert(counters.closed[BEVHOST_REASON_PEER] == 1);
	conns_cut(set);
	turn(set);
	close(cut);
	ck_assert(counters.accepted == 3 && counters.connections == 0);
	ck_assert(counters.closed[BEVHOST_REASON_DRAIN] == 1);
	ck_assert(set->own.accepted == 0);
	conns_free(set);
	instance_clear(&instance);
	event_base_free(base);
}
END_TEST

START_TEST(without_a_place_connections_are_counted_all_the_same)
{
	struct plugin plugin = { .def = { .name = "test", .read = on_read } };
	struct event_base *base = event_base_new();
	struct conns *set = conns_new(base, on_gone, NULL);
	struct bevhost_instance instance;
	int fd;

	log_set_level(BEVHOST_LOG_ERROR);
	ck_assert_int_eq(instance_init(&instance, &plugin), 0);
	fd = accept_one(set, &instance, 1);
	ck_assert(set->own.accepted == 1 && set->own.connections == 1);
	turn(set);
	close(fd);
	turn(set);
	ck_assert(set->own.accepted == 1 && set->own.connections == 0);
	ck_assert(set->own.closed[BEVHOST_REASON_HANDLER] == 1);
	conns_free(set);
	instance_clear(&instance);
	event_base_free(base);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conn");
	TCase *tcase = tcase_create("conn");

	event_set_mem_functions(libevent_malloc, libevent_realloc, free);
	/* First: without a fork the others have used its lines up. */
	tcase_add_test(tcase, without_memory_for_anybody_the_log_is_bounded);
	tcase_add_test(tcase, any_allocation_may_fail);
	tcase_add_test(tcase, connections_are_counted_where_it_was_said);
	tcase_add_test(
	    tcase, without_a_place_connections_are_counted_all_the_same);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
