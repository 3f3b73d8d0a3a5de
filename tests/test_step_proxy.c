/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The step that takes a PROXY header off a descriptor, over socketpairs: never
 * a byte past the header, wherever it is split or cut, and no work while
 * nothing comes.
 */
#include "step_proxy.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/event.h>

#include "clock.h"
#include "heard.h"
#include "loop.h"
#include "proxyhdr.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text)  text, sizeof(text) - 1
#define V1	     "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n"
#define V2                                 \
	"\r\n\r\n\0\r\nQUIT\n"             \
	"\x21\x11\x00\x11"                 \
	"\xc0\x00\x02\x01\xc6\x33\x64\x02" \
	"\x30\x39\x01\xbb"                 \
	"\x04\x00\x02zz"
#define PAYLOAD "PROXY payload\r\n\r\n"
#define LONG_MS 600000

enum mode { OPTIONAL, REQUIRED };

static const struct {
	const char *bytes;
	size_t len;
} headers[] = { { BYTES(V1) }, { BYTES(V2) }, { BYTES("PROXY UNKNOWN\r\n") } };

static struct event_base *base;
static struct step_proxy *step;
static int ours, theirs;
static int calls;
static enum bevhost_reason reason;
static struct proxyhdr *header;

static void
on_done(void *arg, enum bevhost_reason why, struct proxyhdr *got)
{
	ck_assert_ptr_eq(arg, &base);
	calls++;
	reason = why;
	header = got;
	event_base_loopbreak(base);
}

static void
start(int required, int64_t timeout_ms)
{
	int fds[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ours = fds[0];
	theirs = fds[1];
	calls = 0;
	header = NULL;
	step =
	    step_proxy_start(base, ours, required, timeout_ms, on_done, &base);
	ck_assert_ptr_nonnull(step);
	ck_assert_int_eq(calls, 0);
}

static void
turn(void)
{
	ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

static void
send_bytes(const char *bytes, size_t len)
{
	ck_assert_int_eq(send(theirs, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void
stop(void)
{
	proxyhdr_free(header);
	close(ours);
	if (theirs >= 0)
		close(theirs);
}

static void
wait_done(void)
{
	if (calls == 0)
		event_base_dispatch(base);
	ck_assert_int_eq(calls, 1);
}

/* Goes on with a header, or without; what was not of it is still there. */
static void
assert_goes_on(int has_header, const char *left, size_t len)
{
	char buf[256];
	ssize_t n;

	wait_done();
	ck_assert_int_eq(reason, BEVHOST_REASON_NONE);
	ck_assert_int_eq(header != NULL, has_header);
	n = recv(ours, buf, sizeof(buf), 0);
	if (n < 0)
		n = 0;
	ck_assert_int_eq(n, (ssize_t)len);
	ck_assert_int_eq(memcmp(buf, left, len), 0);
	stop();
}

static void
assert_refused(enum bevhost_reason expected)
{
	wait_done();
	ck_assert_ptr_null(header);
	ck_assert_int_eq(reason, expected);
	stop();
}

static void
setup(void)
{
	base = loop_new(NULL);
	ck_assert_ptr_nonnull(base);
}

static void
setup_poll(void)
{
	base = loop_new("poll");
	ck_assert_ptr_nonnull(base);
}

static void
teardown(void)
{
	event_base_free(base);
}

START_TEST(a_header_in_one_write_leaves_the_payload)
{
	size_t i;

	for (i = 0; i < COUNT(headers); i++) {
		char bytes[256];

		memcpy(bytes, headers[i].bytes, headers[i].len);
		memcpy(bytes + headers[i].len, BYTES(PAYLOAD));
		start(_i, LONG_MS);
		send_bytes(bytes, headers[i].len + sizeof(PAYLOAD) - 1);
		assert_goes_on(1, BYTES(PAYLOAD));
	}
}
END_TEST

START_TEST(a_header_may_be_split_at_each_byte)
{
	size_t i, at;

	for (i = 0; i < COUNT(headers); i++)
		for (at = 1; at < headers[i].len; at++) {
			start(_i, LONG_MS);
			send_bytes(headers[i].bytes, at);
			turn();
			turn();
			ck_assert_int_eq(calls, 0);
			send_bytes(headers[i].bytes + at, headers[i].len - at);
			send_bytes(BYTES(PAYLOAD));
			assert_goes_on(1, BYTES(PAYLOAD));
		}
}
END_TEST

START_TEST(a_header_may_come_byte_by_byte)
{
	size_t i, at;

	for (i = 0; i < COUNT(headers); i++) {
		start(_i, LONG_MS);
		for (at = 0; at < headers[i].len; at++) {
			ck_assert_int_eq(calls, 0);
			send_bytes(headers[i].bytes + at, 1);
			turn();
		}
		wait_done();
		if (headers[i].len > 15)
			ck_assert_uint_eq(
			    header->client.len, sizeof(struct sockaddr_in));
		send_bytes(BYTES(PAYLOAD));
		assert_goes_on(1, BYTES(PAYLOAD));
	}
}
END_TEST

/* In the optional mode too, once it is certain that a header has begun. */
START_TEST(a_header_that_ends_early_is_refused)
{
	static const size_t signatures[] = { 6, 12, 6 };
	size_t i, at;

	for (i = 0; i < COUNT(headers); i++)
		for (at = 0; at < headers[i].len; at++) {
			start(_i, LONG_MS);
			send_bytes(headers[i].bytes, at);
			turn();
			ck_assert_int_eq(calls, 0);
			ck_assert_int_eq(shutdown(theirs, SHUT_WR), 0);
			if (_i == REQUIRED || at >= signatures[i])
				assert_refused(BEVHOST_REASON_PROXY);
			else
				assert_goes_on(0, headers[i].bytes, at);
		}
}
END_TEST

START_TEST(a_header_with_its_end_in_one_piece_is_refused)
{
	size_t i, at;

	for (i = 0; i < COUNT(headers); i++)
		for (at = 0; at < headers[i].len; at++) {
			start(REQUIRED, LONG_MS);
			send_bytes(headers[i].bytes, at);
			ck_assert_int_eq(shutdown(theirs, SHUT_WR), 0);
			assert_refused(BEVHOST_REASON_PROXY);
		}
}
END_TEST

/* A peer that leaves while something of ours is unread resets. */
START_TEST(a_reset_is_a_reset_at_each_byte)
{
	size_t i, at;

	for (i = 0; i < COUNT(headers); i++)
		for (at = 0; at < headers[i].len; at++) {
			start(REQUIRED, LONG_MS);
			ck_assert_int_eq(send(ours, "x", 1, 0), 1);
			send_bytes(headers[i].bytes, at);
			turn();
			ck_assert_int_eq(calls, 0);
			close(theirs);
			theirs = -1;
			assert_refused(BEVHOST_REASON_RESET);
		}
}
END_TEST

START_TEST(what_is_no_header_is_refused_or_passed_on)
{
	static const char *const texts[] = { "G", "GET / HTTP/1.0\r\n\r\n",
		"PROXY", "PROXX", "\r\n\r\nx", "\x16\x03\x01" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		start(_i, LONG_MS);
		send_bytes(texts[i], strlen(texts[i]));
		turn();
		if (i == 2) { /* it might still become one */
			ck_assert_int_eq(calls, 0);
			send_bytes("!", 1);
		}
		if (_i == REQUIRED)
			assert_refused(BEVHOST_REASON_PROXY);
		else
			assert_goes_on(0, i == 2 ? "PROXY!" : texts[i],
			    strlen(texts[i]) + (i == 2));
	}
}
END_TEST

START_TEST(a_wrong_header_is_refused_in_both_modes)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n") },
		{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n") },
		{ BYTES("\r\n\r\n\0\r\nQUIT\n\x31") },
		{ BYTES("\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff") },
		{ BYTES("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x01z") },
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		start(_i, LONG_MS);
		send_bytes(cases[i].bytes, cases[i].len);
		assert_refused(BEVHOST_REASON_PROXY);
	}
}
END_TEST

START_TEST(the_deadline_ends_a_partial_header)
{
	size_t at;

	for (at = 12; at < sizeof(V2) - 1; at += 5) {
		start(_i, 20);
		send_bytes(V2, at);
		assert_refused(BEVHOST_REASON_PROXY);
	}
}
END_TEST

START_TEST(without_a_byte_the_deadline_refuses_or_goes_on)
{
	static const char *const texts[] = { "", "PRO", "\r\n\r\n" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		start(_i, 20);
		if (i > 0)
			send_bytes(texts[i], strlen(texts[i]));
		if (_i == REQUIRED)
			assert_refused(BEVHOST_REASON_PROXY);
		else
			assert_goes_on(0, texts[i], strlen(texts[i]));
	}
}
END_TEST

/* One byte every few milliseconds: each is progress, none buys time. */
START_TEST(a_dribbled_header_meets_the_same_deadline)
{
	const struct timeval pause = { 0, 5000 };
	size_t at = 12;

	start(_i, 60);
	send_bytes(V2, at);
	while (calls == 0 && at < sizeof(V2) - 1) {
		send_bytes(&V2[at++], 1);
		event_base_loopexit(base, &pause);
		event_base_dispatch(base);
	}
	assert_refused(BEVHOST_REASON_PROXY);
}
END_TEST

START_TEST(a_header_that_came_in_time_counts_though_the_loop_is_late)
{
	const int64_t until_ms = clock_ms() + 5;

	start(REQUIRED, 1);
	send_bytes(BYTES(V1));
	while (clock_ms() < until_ms)
		continue;
	assert_goes_on(1, "", 0);
}
END_TEST

static int64_t
cpu_us(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* Peeked bytes keep a descriptor readable: that must not wake the loop. */
START_TEST(while_nothing_comes_no_work_is_done)
{
	static const char *const texts[] = { "PRO", "PROXY TCP4 1",
		"\r\n\r\n" };
	const struct timeval pause = { 0, 300000 };
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		int64_t before_us;

		start(_i, LONG_MS);
		send_bytes(texts[i], strlen(texts[i]));
		turn();
		before_us = cpu_us();
		event_base_loopexit(base, &pause);
		event_base_dispatch(base);
		ck_assert_int_eq(calls, 0);
		/* A loop that spins takes nearly all of the 300 ms. */
		ck_assert_int_lt(cpu_us() - before_us, 100000);
		step_proxy_cancel(step);
		stop();
	}
}
END_TEST

START_TEST(a_cancelled_step_does_not_call)
{
	start(_i, 1);
	send_bytes(BYTES(V1));
	step_proxy_cancel(step);
	event_base_dispatch(base);
	ck_assert_int_eq(calls, 0);
	stop();
	start(_i, LONG_MS);
	send_bytes(V1, 20);
	turn();
	step_proxy_cancel(step);
	event_base_dispatch(base);
	ck_assert_int_eq(calls, 0);
	stop();
}
END_TEST

START_TEST(the_log_says_why_and_not_too_often)
{
	const struct timeval second = { 1, 100000 };
	int i, lines = 0;
	const char *at;

	/* Tests before this one may have said their share of it. */
	event_base_loopexit(base, &second);
	event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
	listen_to_stderr();
	start(REQUIRED, LONG_MS);
	step_proxy_say_stranger(ours);
	step_proxy_cancel(step);
	stop();
	for (i = 0; i < 100; i++) {
		start(REQUIRED, LONG_MS);
		send_bytes(BYTES("GET /"));
		assert_refused(BEVHOST_REASON_PROXY);
	}
	/* One that only looked is not worth a line. */
	start(REQUIRED, LONG_MS);
	close(theirs);
	theirs = -1;
	assert_refused(BEVHOST_REASON_PROXY);
	restore_stderr();
	ck_assert_ptr_nonnull(strstr(
	    heard, "bevhost: unix:: PROXY header refused: no proxy-from has"));
	ck_assert_ptr_nonnull(strstr(heard,
	    "bevhost: unix:: PROXY header refused: the first bytes are no "
	    "header\n"));
	for (at = heard; (at = strstr(at, "refused")) != NULL; at++)
		lines++;
	/* 10 each second, and the sum of the others. */
	ck_assert_int_ge(lines, 10);
	ck_assert_int_lt(lines, 60);
}
END_TEST

static TCase *
add_case(Suite *suite, const char *name, void (*begin)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(
	    tcase, a_header_in_one_write_leaves_the_payload, 0, 2);
	tcase_add_loop_test(tcase, a_header_may_come_byte_by_byte, 0, 2);
	tcase_add_loop_test(
	    tcase, what_is_no_header_is_refused_or_passed_on, 0, 2);
	tcase_add_loop_test(
	    tcase, a_wrong_header_is_refused_in_both_modes, 0, 2);
	tcase_add_loop_test(tcase, the_deadline_ends_a_partial_header, 0, 2);
	tcase_add_loop_test(
	    tcase, without_a_byte_the_deadline_refuses_or_goes_on, 0, 2);
	tcase_add_loop_test(
	    tcase, a_dribbled_header_meets_the_same_deadline, 0, 2);
	tcase_add_loop_test(tcase, while_nothing_comes_no_work_is_done, 0, 2);
	tcase_add_loop_test(tcase, a_cancelled_step_does_not_call, 0, 2);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("step_proxy");
	TCase *tcase = add_case(suite, "edges", setup);

	tcase_add_loop_test(tcase, a_header_may_be_split_at_each_byte, 0, 2);
	tcase_add_loop_test(tcase, a_header_that_ends_early_is_refused, 0, 2);
	tcase_add_test(tcase, a_header_with_its_end_in_one_piece_is_refused);
	tcase_add_test(tcase, a_reset_is_a_reset_at_each_byte);
	tcase_add_test(
	    tcase, a_header_that_came_in_time_counts_though_the_loop_is_late);
	tcase_add_test(tcase, the_log_says_why_and_not_too_often);
	add_case(suite, "no_edges", setup_poll);
	return tap_run(suite);
}
