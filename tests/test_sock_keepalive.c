/* SPDX-License-Identifier: BSD-2-Clause */
/* sock_keepalive on a listener of loopback: what an accepted socket gets. */
#include "sock_keepalive.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

static int listener, client, accepted;

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void
set_up(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(
	    bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	client = accepted = -1;
}

static void
tear_down(void)
{
	close(listener);
	if (client >= 0)
		close(client);
	if (accepted >= 0)
		close(accepted);
}

static void
connect_one(void)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	getsockname(listener, (struct sockaddr *)&address, &len);
	client = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, len), 0);
	accepted = accept(listener, NULL, NULL);
	ck_assert_int_ge(accepted, 0);
}

static void
expect(int keepalive_ms, int user_timeout_ms, int idle_s, int between_s)
{
	ck_assert_int_eq(
	    sock_keepalive_set(listener, keepalive_ms, user_timeout_ms), 0);
	connect_one();
	ck_assert_int_eq(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
	ck_assert_int_eq(option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), idle_s);
	ck_assert_int_eq(
	    option(accepted, IPPROTO_TCP, TCP_KEEPINTVL), between_s);
	ck_assert_int_eq(option(accepted, IPPROTO_TCP, TCP_KEEPCNT), 2);
	ck_assert_int_eq(
	    option(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT), user_timeout_ms);
}

START_TEST(accepted_sockets_have_it_from_their_listener)
{
	expect(60000, 120000, 60, 30);
}
END_TEST

START_TEST(a_longer_user_timeout_is_met_by_the_second_probe)
{
	expect(10000, 120000, 10, 55);
}
END_TEST

START_TEST(a_shorter_user_timeout_leaves_the_probes_as_they_are)
{
	expect(60000, 10000, 60, 30);
}
END_TEST

START_TEST(parts_of_a_second_are_the_kernel_s_whole_one)
{
	expect(1500, 0, 2, 1);
}
END_TEST

START_TEST(zero_turns_off_what_was_on)
{
	ck_assert_int_eq(sock_keepalive_set(listener, 60000, 1000), 0);
	ck_assert_int_eq(sock_keepalive_set(listener, 0, 0), 0);
	connect_one();
	ck_assert_int_eq(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(option(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
}
END_TEST

START_TEST(more_than_the_kernel_takes_is_as_much_as_it_takes)
{
	ck_assert_int_eq(
	    sock_keepalive_set(listener, INT64_MAX / 2, INT64_MAX), 0);
	ck_assert_int_eq(option(listener, IPPROTO_TCP, TCP_KEEPIDLE), 32767);
}
END_TEST

START_TEST(a_socket_that_is_not_tcp_is_left_alone)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(sock_keepalive_set(pair[0], 60000, 1000), 0);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sock_keepalive");
	TCase *tcase = tcase_create("sock_keepalive");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, accepted_sockets_have_it_from_their_listener);
	tcase_add_test(tcase, a_longer_user_timeout_is_met_by_the_second_probe);
	tcase_add_test(
	    tcase, a_shorter_user_timeout_leaves_the_probes_as_they_are);
	tcase_add_test(tcase, parts_of_a_second_are_the_kernel_s_whole_one);
	tcase_add_test(tcase, zero_turns_off_what_was_on);
	tcase_add_test(
	    tcase, more_than_the_kernel_takes_is_as_much_as_it_takes);
	tcase_add_test(tcase, a_socket_that_is_not_tcp_is_left_alone);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
