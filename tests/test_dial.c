/* SPDX-License-Identifier: BSD-2-Clause */
/* From a name to a connected socket: what comes of it, and when it is left. */
#include "dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "addr.h"
#include "job.h"
#include "loop.h"
#include "names.h"
#include "tap.h"

static struct event_base *base;
static int calls, result, gone;

/* In place of libc's: it may be later. */
static time_t later_s;

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int status = (int)syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += later_s;
	return status;
}

static void
on_done(void *arg, int fd)
{
	ck_assert_ptr_eq(arg, &base);
	calls++;
	result = fd;
	event_base_loopbreak(base);
}

static void
on_gone(void *arg)
{
	ck_assert_ptr_eq(arg, &base);
	gone++;
	event_base_loopbreak(base);
}

/* Returns the descriptor; *port gets where it listens. */
static int
listen_on_loopback(int backlog, unsigned *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

static struct dial *
start(const char *host, unsigned port, int64_t timeout_ms)
{
	struct dial *dial;

	calls = gone = 0;
	dial = dial_start(host, port, timeout_ms, on_done, &base);
	ck_assert_ptr_nonnull(dial);
	ck_assert_int_eq(calls, 0);
	return dial;
}

static int
result_of(const char *host, unsigned port, int64_t timeout_ms)
{
	start(host, port, timeout_ms);
	event_base_dispatch(base);
	ck_assert_int_eq(calls, 1);
	return result;
}

static void
setup(void)
{
	later_s = 0;
	base = loop_new(NULL);
	ck_assert_ptr_nonnull(base);
	names_init(10000, on_gone, &base);
	dial_loop_init(base);
	ck_assert_int_eq(job_pool_init(base, 2), 0);
}

static void
teardown(void)
{
	ck_assert_uint_eq(names_count(), 0);
	job_pool_clear();
	names_clear();
	event_base_free(base);
}

static void
assert_connects(const char *host)
{
	unsigned port;
	int listener = listen_on_loopback(8, &port), fd, accepted;
	char byte = 'x';

	fd = result_of(host, port, 60000);
	ck_assert_int_ge(fd, 0);
	accepted = accept(listener, NULL, NULL);
	ck_assert_int_ge(accepted, 0);
	ck_assert_int_eq(send(fd, &byte, 1, MSG_NOSIGNAL), 1);
	ck_assert_int_eq(recv(accepted, &byte, 1, 0), 1);
	close(fd);
	close(accepted);
	close(listener);
}

START_TEST(an_address_is_connected_to)
{
	assert_connects("127.0.0.1");
}
END_TEST

START_TEST(a_name_is_looked_up)
{
	assert_connects("localhost");
}
END_TEST

START_TEST(what_refuses_is_an_error)
{
	unsigned port;

	close(listen_on_loopback(1, &port));
	ck_assert_int_eq(result_of("127.0.0.1", port, -1), -ECONNREFUSED);
	ck_assert_int_eq(result_of("localhost", port, -1), -ECONNREFUSED);
}
END_TEST

static void
on_found(struct names_wait *wait, int status, const struct addr *addrs)
{
	(void)wait;
	(void)status;
	(void)addrs;
}

START_TEST(a_name_whose_addresses_refuse_is_looked_up_again)
{
	struct addr addrs[NAMES_ADDRS_MAX];
	struct names_wait wait = { .on_found = on_found };
	unsigned port;

	close(listen_on_loopback(1, &port));
	ck_assert_int_eq(result_of("localhost", port, -1), -ECONNREFUSED);
	/* It was looked up just now. */
	ck_assert_int_gt(names_find("localhost", addrs, &wait), 0);
	later_s = 2;
	ck_assert_int_gt(names_find("localhost", addrs, &wait), 0);
	ck_assert_int_eq(result_of("localhost", port, -1), -ECONNREFUSED);
	ck_assert_int_eq(names_find("localhost", addrs, &wait), -EINPROGRESS);
	while (job_unfinished() > 0)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_gt(names_find("localhost", addrs, &wait), 0);
}
END_TEST

START_TEST(what_is_none_is_an_error)
{
	ck_assert_int_eq(result_of("127.0.0.1", 65536, -1), -EINVAL);
	ck_assert_int_eq(result_of("unix:relative", 0, -1), -EINVAL);
	ck_assert_int_eq(result_of("unix:/nowhere/socket", 0, -1), -ENOENT);
	ck_assert_int_eq(result_of("no..name", 80, -1), -ENOENT);
}
END_TEST

START_TEST(what_is_known_at_once_can_be_taken)
{
	struct dial *dial = start("unix:/nowhere/socket", 0, -1);

	ck_assert_int_eq(dial_take(dial), -ENOENT);
	event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(calls, 0);
}
END_TEST

/* A listener whose queue is full lets further ones wait. */
static int
listen_full(unsigned *port, int waiting[2])
{
	int listener = listen_on_loopback(0, port), i;
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((in_port_t)*port),
	};

	for (i = 0; i < 2; i++) {
		waiting[i] = socket(
		    AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(waiting[i], (struct sockaddr *)&addr, sizeof(addr));
	}
	return listener;
}

START_TEST(what_does_not_answer_is_given_up)
{
	unsigned port;
	int waiting[2], listener = listen_full(&port, waiting);

	ck_assert_int_eq(result_of("127.0.0.1", port, 50), -ETIMEDOUT);
	close(waiting[0]);
	close(waiting[1]);
	close(listener);
}
END_TEST

START_TEST(one_that_is_cancelled_says_nothing)
{
	unsigned port;
	int waiting[2], listener = listen_full(&port, waiting), before, after;
	struct dial *dial;

	before = dup(0);
	close(before);
	dial = start("127.0.0.1", port, 60000);
	ck_assert_int_eq(dial_take(dial), -EINPROGRESS);
	dial_cancel(dial);
	/* The next descriptor is what it was: none is left. */
	after = dup(0);
	close(after);
	ck_assert_int_eq(after, before);
	ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
	ck_assert_int_eq(calls, 0);
	close(waiting[0]);
	close(waiting[1]);
	close(listener);
}
END_TEST

START_TEST(one_that_is_cancelled_when_it_is_known_leaves_no_socket)
{
	unsigned port;
	int listener = listen_on_loopback(8, &port), before, after;

	before = dup(0);
	close(before);
	dial_cancel(start("127.0.0.1", port, -1));
	dial_cancel(start("unix:/nowhere/socket", 0, -1));
	after = dup(0);
	close(after);
	ck_assert_int_eq(after, before);
	close(listener);
}
END_TEST

START_TEST(a_lookup_that_nobody_waits_for_ends_by_itself)
{
	struct dial *dial = start("localhost", 1, 60000);

	dial_cancel(dial);
	/* Unless no thread had taken it yet. */
	if (names_count() > 0)
		event_base_dispatch(base);
	ck_assert_uint_eq(names_count(), 0);
	ck_assert_int_eq(calls, 0);
	ck_assert_int_le(gone, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dial");
	TCase *tcase = tcase_create("dial");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_address_is_connected_to);
	tcase_add_test(tcase, a_name_is_looked_up);
	tcase_add_test(tcase, what_refuses_is_an_error);
	tcase_add_test(tcase, a_name_whose_addresses_refuse_is_looked_up_again);
	tcase_add_test(tcase, what_is_none_is_an_error);
	tcase_add_test(tcase, what_is_known_at_once_can_be_taken);
	tcase_add_test(tcase, what_does_not_answer_is_given_up);
	tcase_add_test(tcase, one_that_is_cancelled_says_nothing);
	tcase_add_test(
	    tcase, one_that_is_cancelled_when_it_is_known_leaves_no_socket);
	tcase_add_test(tcase, a_lookup_that_nobody_waits_for_ends_by_itself);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
