/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is the same listening socket, and what only looks like it: descriptors
 * that were passed, ports that were given, and addresses of one port. The
 * descriptors from 3 up are kept free for what a test passes.
 */
#include "endpoint_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "heard.h"
#include "inherit.h"
#include "sock_bind.h"

#define PASSED 3 /* how many at most */
#define MAX    4 /* endpoints of one text */

static struct endpoint *found[MAX];

/* Check's own descriptors are to be above those that a test passes. */
static void
reserve(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	for (fd = 3; fd < 3 + PASSED; fd++)
		if (null != fd)
			dup3(null, fd, O_CLOEXEC);
	if (null >= 3 + PASSED)
		close(null);
}

static void
setup(void)
{
	TAILQ_INIT(&endpoints);
}

static void
teardown(void)
{
	ck_assert(TAILQ_EMPTY(&endpoints));
	inherit_clear();
	reserve();
}

/* Listens as a socket of another program. */
static int
foreign(const char *host, unsigned port, int share)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	in.sin_port = htons((in_port_t)port);
	in.sin_addr.s_addr =
	    htonl(INADDR_LOOPBACK + (strcmp(host, "127.0.0.2") == 0 ? 1u : 0u));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof(share));
	ck_assert_int_eq(bind(fd, (const void *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

static unsigned
port_of_fd(int fd)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	ck_assert_int_eq(getsockname(fd, (void *)&in, &len), 0);
	return ntohs(in.sin_port);
}

/* As a service manager does. Takes the descriptors. */
static void
pass(const int *fds, int count, const char *names)
{
	char number[16];
	int i;

	for (i = 0; i < count; i++) {
		ck_assert_int_eq(dup3(fds[i], 3 + i, O_CLOEXEC), 3 + i);
		close(fds[i]);
	}
	snprintf(number, sizeof(number), "%d", count);
	setenv("LISTEN_FDS", number, 1);
	snprintf(number, sizeof(number), "%ld", (long)getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	ck_assert_int_eq(inherit_init(), count);
}

static unsigned
pass_one(const char *name)
{
	int fd = foreign("127.0.0.1", 0, 0);
	unsigned port = port_of_fd(fd);

	pass(&fd, 1, name);
	return port;
}

/* In the round that goes on. */
static int
also(char *text)
{
	struct settings_address address = { .text = text };
	const char *why = "";
	int count;

	ck_assert_msg(
	    addr_parse(text, &address.spec, &why) == 0, "%s: %s", text, why);
	listen_to_stderr();
	count = endpoint_want(&endpoints, &address, 0, -1, 1, found, MAX);
	restore_stderr();
	return count;
}

static int
wanted(char *text)
{
	endpoint_begin(&endpoints);
	return also(text);
}

static struct endpoint *
wanted_one(char *text)
{
	ck_assert_msg(wanted(text) == 1, "%s", heard);
	return found[0];
}

static void
must_be_twice(char *text)
{
	ck_assert_int_eq(also(text), -EX_USAGE);
	ck_assert_msg(strstr(heard, "is given twice") != NULL, "%s", heard);
}

START_TEST(a_passed_socket_is_one_under_any_text)
{
	char by_name[] = "fd:web", by_number[] = "fd:3";
	unsigned port = pass_one("web");
	struct endpoint *one = wanted_one(by_name);

	ck_assert_int_eq(one->shared, 1);
	ck_assert_ptr_eq(wanted_one(text_with("127.0.0.1", port)), one);
	ck_assert_ptr_eq(wanted_one(by_number), one);
	ck_assert_ptr_eq(wanted_one(by_name), one);
	ck_assert_int_eq(one->users, 4);
	ck_assert_int_eq(one->count, 1);
	ck_assert_int_eq(number(), 1);
	while (!TAILQ_EMPTY(&endpoints))
		done(one);
	/* The service manager's own is there for the next who wants it. */
	one = wanted_one(text_with("127.0.0.1", port));
	ck_assert_ptr_eq(wanted_one(by_name), one);
	done(one);
	done(one);
}
END_TEST

START_TEST(a_passed_socket_is_had_once_in_a_round)
{
	char by_name[] = "fd:web", by_number[] = "fd:3";
	unsigned port = pass_one("web");
	char *texts[] = { by_name, by_number, text_with("127.0.0.1", port) };
	struct endpoint *one;
	int i, j;

	for (i = 0; i < 3; i++) {
		one = wanted_one(texts[i]);
		for (j = 0; j < 3; j++)
			must_be_twice(texts[j]);
		ck_assert_int_eq(one->users, 1);
		ck_assert_int_eq(number(), 1);
		done(one);
	}
}
END_TEST

/* A name that has two sockets, of which one goes and comes back. */
START_TEST(a_name_has_all_that_was_passed_whatever_was_before)
{
	int fds[] = { foreign("127.0.0.1", 0, 0), foreign("127.0.0.1", 0, 0) };
	unsigned first = port_of_fd(fds[0]), second = port_of_fd(fds[1]);
	struct endpoint *one, *two;
	char by_name[] = "fd:web";

	pass(fds, 2, "web:web");
	ck_assert_int_eq(wanted(by_name), 2);
	one = found[0];
	two = found[1];
	ck_assert_uint_eq(port_of(one), first);
	ck_assert_uint_eq(port_of(two), second);
	ck_assert_ptr_eq(wanted_one(text_with("127.0.0.1", first)), one);
	done(one);
	done(two);
	ck_assert_int_eq(number(), 1);
	ck_assert_int_eq(wanted(by_name), 2);
	ck_assert_ptr_eq(found[0], one);
	ck_assert_uint_eq(port_of(found[1]), second);
	done(found[1]);
	done(one);
	done(one);
}
END_TEST

/* One of a name's sockets is not to be had: neither is the other. */
START_TEST(a_name_is_had_whole_or_not_at_all)
{
	int fds[] = { foreign("127.0.0.1", 0, 0), foreign("127.0.0.1", 0, 0),
		foreign("127.0.0.1", 0, 0) };
	unsigned second = port_of_fd(fds[1]);
	struct endpoint *one;
	char by_name[] = "fd:web";

	pass(fds, 3, "web:web:web");
	one = wanted_one(text_with("127.0.0.1", second));
	must_be_twice(by_name);
	ck_assert_int_eq(number(), 1);
	ck_assert_int_eq(one->users, 1);
	done(one);
}
END_TEST

/* Each has a queue of its own. */
START_TEST(two_passed_sockets_of_one_address_are_two)
{
	int fds[2];
	char by_name[] = "fd:web";

	fds[0] = foreign("127.0.0.1", 0, 1);
	fds[1] = foreign("127.0.0.1", port_of_fd(fds[0]), 1);
	pass(fds, 2, "web:web");
	ck_assert_int_eq(wanted(by_name), 2);
	ck_assert_ptr_ne(found[0], found[1]);
	ck_assert_uint_eq(port_of(found[0]), port_of(found[1]));
	ck_assert_int_eq(wanted(by_name), 2);
	ck_assert_int_eq(number(), 2);
	ck_assert_int_eq(found[0]->users, 2);
	ck_assert_int_eq(found[1]->users, 2);
	done(found[0]);
	done(found[0]);
	done(found[1]);
	done(found[1]);
}
END_TEST

START_TEST(a_descriptor_that_is_named_twice_stays_open)
{
	int fd = foreign("127.0.0.1", 0, 0);
	struct endpoint *one;
	char text[16], again[16];

	snprintf(text, sizeof(text), "fd:%d", fd);
	snprintf(again, sizeof(again), "fd:0%d", fd);
	one = wanted_one(text);
	ck_assert_int_eq(one->socks[0].fd, fd);
	must_be_twice(text);
	must_be_twice(again);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	ck_assert_int_eq(number(), 1);
	done(one);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

/* In the program after this one it has another number. */
START_TEST(a_descriptor_goes_on_to_have_its_first_number)
{
	int fd = foreign("127.0.0.1", 0, 0), moved;
	struct endpoint *one;
	struct sock sock;
	char text[16];

	snprintf(text, sizeof(text), "fd:%d", fd);
	one = wanted_one(text);
	sock = one->socks[0];
	moved = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
	ck_assert_int_ge(moved, 0);
	done(one);
	sock.fd = moved;
	one = endpoint_adopt(&endpoints, text, 0, 0, 1, 1, &sock, 1);
	ck_assert_ptr_nonnull(one);
	ck_assert_ptr_eq(wanted_one(text), one);
	done(one);
}
END_TEST

START_TEST(a_port_that_was_given_may_be_named_beside_a_port_0)
{
	char any[] = "127.0.0.1:0", *given;
	struct endpoint *one = wanted_one(any), *other;

	given = text_with("127.0.0.1", port_of(one));
	ck_assert_ptr_eq(wanted_one(given), one);
	ck_assert_msg(also(any) == 1, "%s", heard);
	other = found[0];
	ck_assert_ptr_ne(other, one);
	ck_assert_uint_ne(port_of(other), port_of(one));
	/* And the round after it finds both. */
	ck_assert_ptr_eq(wanted_one(given), one);
	ck_assert_int_eq(also(any), 1);
	ck_assert_ptr_eq(found[0], other);
	done(one);
	done(one);
	done(one);
	done(other);
	done(other);
}
END_TEST

/* A name that had an address which it has no longer. */
START_TEST(a_port_0_of_another_address_is_another)
{
	char other[] = "127.0.0.2:0", text[] = "127.0.0.1:0";
	struct endpoint *old, *one = wanted_one(other);
	struct sock sock = one->socks[0];

	sock.fd = fcntl(sock.fd, F_DUPFD_CLOEXEC, 3);
	done(one);
	old = endpoint_adopt(&endpoints, text, 0, 0, 0, 0, &sock, 1);
	ck_assert_ptr_nonnull(old);
	old->users++;
	one = wanted_one(text);
	ck_assert_ptr_ne(one, old);
	ck_assert_uint_eq(
	    ntohl(one->socks[0].bound.u.in.sin_addr.s_addr), INADDR_LOOPBACK);
	done(one);
	done(old);
}
END_TEST

/* Only a wildcard makes it necessary to share a port. */
START_TEST(a_foreign_server_beside_our_port_is_noticed)
{
	char any[] = "127.0.0.1:0", address[] = "127.0.0.2:";
	struct endpoint *one = wanted_one(any);
	int fd = foreign("127.0.0.2", port_of(one), 1);

	ck_assert_int_eq(endpoint_listen(one), 0);
	ck_assert_int_eq(
	    wanted(text_with("127.0.0.2", port_of(one))), -EX_UNAVAILABLE);
	ck_assert_msg(strstr(heard, address) != NULL, "%s", heard);
	ck_assert_int_eq(number(), 1);
	close(fd);
	/* Which has gone: nothing is in the way. */
	ck_assert_ptr_ne(wanted_one(text_with("127.0.0.2", port_of(one))), one);
	done(found[0]);
	done(one);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("endpoint: what is the same");
	TCase *tcase = tcase_create("same");

	reserve();
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_passed_socket_is_one_under_any_text);
	tcase_add_test(tcase, a_passed_socket_is_had_once_in_a_round);
	tcase_add_test(
	    tcase, a_name_has_all_that_was_passed_whatever_was_before);
	tcase_add_test(tcase, a_name_is_had_whole_or_not_at_all);
	tcase_add_test(tcase, two_passed_sockets_of_one_address_are_two);
	tcase_add_test(tcase, a_descriptor_that_is_named_twice_stays_open);
	tcase_add_test(tcase, a_descriptor_goes_on_to_have_its_first_number);
	tcase_add_test(
	    tcase, a_port_that_was_given_may_be_named_beside_a_port_0);
	tcase_add_test(tcase, a_port_0_of_another_address_is_another);
	tcase_add_test(tcase, a_foreign_server_beside_our_port_is_noticed);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
