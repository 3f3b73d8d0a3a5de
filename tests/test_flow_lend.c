/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flow whose socket somebody else has: it reads and writes nothing, hears of
 * a failure, counts by the kernel, and ends it for all.
 */
#include "flow_lend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "clock.h"
#include "flow.h"
#include "flow_guard.h"
#include "flow_host.h"
#include "flow_own.h"
#include "settings_guard.h"
#include "tap.h"

static struct event_base *base;
static struct flow_loop loop;
static struct flow flow;
static int peer, reads, events, closed, error;
static enum bevhost_reason reason;

static void
on_closed(struct flow *gone)
{
	ck_assert_ptr_eq(gone, &flow);
	closed++;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	(void)arg;
	if (flow.closing)
		flow_closing_read(&flow);
	else
		reads++;
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	(void)arg;
	if (flow.closing)
		flow_closing_write(&flow);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)arg;
	error = EVUTIL_SOCKET_ERROR();
	if (flow.closing)
		flow_closing_event(&flow, what);
	else if (flow_event(&flow, what) != 0)
		events++;
}

static int
waits(struct flow *asked)
{
	(void)asked;
	return 0;
}

static void
strike(struct flow *struck, enum bevhost_reason why)
{
	(void)struck;
	reason = why;
}

static void
turn(void)
{
	ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

/* Both ends of a connection over loopback. */
static void
connect_pair(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(
	    getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fds[1], (struct sockaddr *)&addr, len), 0);
	fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	ck_assert_int_ge(fds[0], 0);
	close(listener);
}

static void
make_flow(int is_tcp)
{
	struct bufferevent *bev;
	int fds[2];

	if (is_tcp)
		connect_pair(fds);
	else
		ck_assert_int_eq(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
		    0);
	peer = fds[1];
	bev = bufferevent_socket_new(base, fds[0], 0);
	ck_assert_ptr_nonnull(bev);
	bufferevent_setcb(bev, on_read, on_write, on_event, &flow);
	ck_assert_int_eq(flow_init(&flow, &loop, bev, NULL), 0);
	ck_assert_int_eq(bufferevent_enable(bev, EV_READ), 0);
	flow.tcp = is_tcp != 0;
}

static void
setup(void)
{
	static const struct flow_host host = {
		.strike = strike,
		.waits = waits,
	};

	signal(SIGPIPE, SIG_IGN);
	reads = events = closed = error = 0;
	reason = BEVHOST_REASON_NONE;
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	ck_assert_int_eq(flow_loop_init(&loop, base, on_closed), 0);
	loop.host = &host;
}

static void
teardown(void)
{
	flow_close(&flow, BEVHOST_CLOSE_NOW);
	turn();
	ck_assert_int_eq(closed, 1);
	flow_clear(&flow);
	turn();
	if (peer >= 0)
		close(peer);
	flow_loop_clear(&loop);
	event_base_free(base);
}

static int
is_blocking(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

START_TEST(it_reads_and_writes_nothing)
{
	char byte = 0;
	int fd;

	make_flow(1);
	ck_assert_int_eq(write(peer, "x", 1), 1);
	fd = flow_lend(&flow);
	ck_assert_int_eq(fd, bufferevent_getfd(flow.bev));
	ck_assert(is_blocking(fd));
	turn();
	/* Whatever the handler enables. */
	ck_assert_int_eq(bufferevent_enable(flow.bev, EV_READ | EV_WRITE), 0);
	ck_assert_int_eq(bufferevent_write(flow.bev, "y", 1), -1);
	turn();
	turn();
	ck_assert_int_eq(reads, 0);
	ck_assert_int_eq(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(read(fd, &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert_int_eq(flow_lend(&flow), fd);
}
END_TEST

START_TEST(it_is_not_lent_with_bytes_in_it)
{
	make_flow(1);
	ck_assert_int_eq(write(peer, "x", 1), 1);
	while (reads == 0)
		turn();
	ck_assert_int_eq(flow_lend(&flow), -EBUSY);
	ck_assert(!is_blocking(flow.fd));
	evbuffer_drain(bufferevent_get_input(flow.bev), 1);
	ck_assert_int_eq(bufferevent_write(flow.bev, "y", 1), 0);
	ck_assert_int_eq(flow_lend(&flow), -EBUSY);
	while (flow_owed(&flow) > 0)
		turn();
	ck_assert_int_ge(flow_lend(&flow), 0);
}
END_TEST

START_TEST(it_is_not_lent_once_it_closes)
{
	make_flow(1);
	flow_close(&flow, BEVHOST_CLOSE_FLUSH);
	ck_assert_int_eq(flow_lend(&flow), -ESHUTDOWN);
}
END_TEST

START_TEST(it_is_not_lent_where_bytes_are_counted_here)
{
	static const struct settings_guard idle = { .idle_timeout = 1000 };
	const struct flow_rate_limits rates = { .in = 1000 };

	make_flow(0);
	ck_assert_int_eq(flow_guard_start(&flow, 0, &idle), 0);
	ck_assert_int_eq(flow_lend(&flow), -ENOTSUP);
	flow_guard_stop(&flow);
	ck_assert_int_eq(flow_set_rates(&flow, &rates), 0);
	ck_assert_int_eq(flow_lend(&flow), -ENOTSUP);
}
END_TEST

START_TEST(a_failure_is_an_event_and_an_end_is_none)
{
	const struct linger at_once = { .l_onoff = 1 };
	socklen_t len = sizeof(int);
	int i;

	make_flow(1);
	ck_assert_int_ge(flow_lend(&flow), 0);
	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	for (i = 0; i < 10; i++)
		turn();
	ck_assert_int_eq(events, 0);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(peer);
	peer = -1;
	while (events == 0)
		turn();
	ck_assert_int_eq(error, ECONNRESET);
	/* Who has the socket gets the error of it still. */
	ck_assert_int_eq(
	    getsockopt(flow.fd, SOL_SOCKET, SO_ERROR, &i, &len), 0);
	ck_assert_int_ne(i, 0);
	turn();
	ck_assert_int_eq(events, 1);
}
END_TEST

START_TEST(a_failure_that_was_told_to_another_is_an_event)
{
	const struct linger at_once = { .l_onoff = 1 };
	char byte;
	int fd;

	make_flow(1);
	fd = flow_lend(&flow);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(send(fd, "abc", 3, 0), 3);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(peer);
	peer = -1;
	ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	while (events == 0)
		turn();
	ck_assert_int_eq(error, ECONNRESET);
}
END_TEST

/* The peer is first, or not. What it has sent may be read still. */
START_TEST(two_ends_are_no_failure)
{
	char bytes[4];
	int fd, i;

	make_flow(1);
	fd = flow_lend(&flow);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(send(fd, "abc", 3, 0), 3);
	ck_assert_int_eq(shutdown(_i == 0 ? peer : fd, SHUT_WR), 0);
	ck_assert_int_eq(recv(peer, bytes, 3, MSG_WAITALL), 3);
	if (_i != 0)
		ck_assert_int_eq(send(peer, "def", 3, 0), 3);
	ck_assert_int_eq(shutdown(_i == 0 ? fd : peer, SHUT_WR), 0);
	ck_assert_int_eq(recv(peer, bytes, 1, 0), 0);
	close(peer);
	peer = -1;
	for (i = 0; i < 100; i++) {
		turn();
		usleep(1000);
	}
	ck_assert_int_eq(events, 0);
	ck_assert_int_eq(recv(fd, bytes, sizeof(bytes), 0), _i == 0 ? 0 : 3);
	turn();
	ck_assert_int_eq(events, 0);
}
END_TEST

START_TEST(a_close_ends_it_for_all)
{
	char byte;
	int other;

	make_flow(1);
	other = dup(flow_lend(&flow));
	ck_assert_int_ge(other, 0);
	ck_assert_int_eq(write(other, "x", 1), 1);
	flow_close(&flow, BEVHOST_CLOSE_FLUSH);
	ck_assert(!is_blocking(other));
	turn();
	ck_assert_int_eq(recv(peer, &byte, 1, 0), 1);
	ck_assert_int_eq(recv(peer, &byte, 1, 0), 0);
	flow_close(&flow, BEVHOST_CLOSE_NOW);
	turn();
	ck_assert_int_eq(closed, 1);
	ck_assert_int_eq(recv(other, &byte, 1, 0), 0);
	close(other);
}
END_TEST

START_TEST(a_deadline_counts_what_others_move)
{
	static const struct settings_guard settings = { .idle_timeout = 300 };
	int64_t began_ms, last_ms;
	int fd;

	make_flow(1);
	ck_assert_int_eq(flow_guard_start(&flow, 1, &settings), 0);
	fd = flow_lend(&flow);
	ck_assert_int_ge(fd, 0);
	began_ms = last_ms = clock_ms();
	/* As long as it moves, unless this process stood still. */
	while (clock_ms() - began_ms < 1000) {
		if (clock_ms() - last_ms > 200)
			began_ms = clock_ms() - 1000;
		last_ms = clock_ms();
		ck_assert_int_eq(write(fd, "x", 1), 1);
		ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
		if (clock_ms() - last_ms < 100)
			ck_assert_int_eq(reason, BEVHOST_REASON_NONE);
		usleep(1000);
	}
	while (reason == BEVHOST_REASON_NONE)
		ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_int_eq(reason, BEVHOST_REASON_IDLE);
	ck_assert_int_ge(clock_ms() - last_ms, 250);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("flow_lend");
	TCase *tcase = tcase_create("flow_lend");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, it_reads_and_writes_nothing);
	tcase_add_test(tcase, it_is_not_lent_with_bytes_in_it);
	tcase_add_test(tcase, it_is_not_lent_once_it_closes);
	tcase_add_test(tcase, it_is_not_lent_where_bytes_are_counted_here);
	tcase_add_test(tcase, a_failure_is_an_event_and_an_end_is_none);
	tcase_add_test(tcase, a_failure_that_was_told_to_another_is_an_event);
	tcase_add_loop_test(tcase, two_ends_are_no_failure, 0, 2);
	tcase_add_test(tcase, a_close_ends_it_for_all);
	tcase_add_test(tcase, a_deadline_counts_what_others_move);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
