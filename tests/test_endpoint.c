/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets over several rounds of settings: which are found again,
 * and that who waits in one is not lost by what happens to others.
 */
#include "endpoint_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "heard.h"
#include "sock_bind.h"

#define CLIENTS 32

static char dir[64], unix_text[96];

static void
setup(void)
{
	TAILQ_INIT(&endpoints);
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-endpoint-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(unix_text, sizeof(unix_text), "unix:%s/s", dir);
}

static void
teardown(void)
{
	ck_assert(TAILQ_EMPTY(&endpoints));
	ck_assert_int_eq(rmdir(dir), 0);
}

/* A round of one address. */

static int
want_more(const char *text, int occurrence, int mode, int workers,
    struct endpoint **found)
{
	char *copy = strdup(text);
	struct settings_address address = { .text = copy };
	const char *why = "";
	int count;

	ck_assert_msg(
	    addr_parse(text, &address.spec, &why) == 0, "%s: %s", text, why);
	listen_to_stderr();
	count = endpoint_want(
	    &endpoints, &address, occurrence, mode, workers, found, 1);
	restore_stderr();
	/* The settings may be gone before the endpoint. */
	memset(copy, 'x', strlen(copy));
	free(copy);
	return count;
}

static struct endpoint *
also(const char *text, int workers)
{
	struct endpoint *found;

	ck_assert_msg(
	    want_more(text, 0, -1, workers, &found) == 1, "%s", heard);
	ck_assert_str_eq(heard, "");
	return found;
}

static struct endpoint *
wanted(const char *text, int workers)
{
	endpoint_begin(&endpoints);
	return also(text, workers);
}

static void
must_listen(struct endpoint *endpoint)
{
	ck_assert_int_eq(endpoint_listen(endpoint), 0);
	ck_assert_int_eq(endpoint->listening, endpoint->count);
}

static int
client_of(const struct endpoint *endpoint)
{
	const struct addr *addr = &endpoint->socks[0].bound;
	int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, &addr->u.sa, addr->len), 0);
	return fd;
}

/* All that wait in any of its sockets. */
static int
accept_all(const struct endpoint *endpoint)
{
	int count = 0, fd, i;

	for (i = 0; i < endpoint->listening; i++)
		while ((fd = accept4(endpoint->socks[i].fd, NULL, NULL,
			    SOCK_CLOEXEC)) >= 0) {
			close(fd);
			count++;
		}
	return count;
}

START_TEST(the_same_text_has_the_same_sockets)
{
	struct endpoint *first = wanted("127.0.0.1:0", 2), *again;
	int fds[2] = { first->socks[0].fd, first->socks[1].fd };
	unsigned port = port_of(first);

	ck_assert_int_eq(first->users, 1);
	ck_assert_uint_ne(port, 0);
	again = wanted("127.0.0.1:0", 2);
	/* A port 0 keeps its port. */
	ck_assert_ptr_eq(again, first);
	ck_assert_int_eq(again->users, 2);
	ck_assert_int_eq(again->count, 2);
	ck_assert_int_eq(again->socks[0].fd, fds[0]);
	ck_assert_int_eq(again->socks[1].fd, fds[1]);
	ck_assert_uint_eq(port_of(again), port);
	done(first);
	ck_assert_int_eq(again->users, 1);
	ck_assert_int_ge(fcntl(fds[0], F_GETFD), 0);
	done(again);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	ck_assert_int_eq(fcntl(fds[1], F_GETFD), -1);
}
END_TEST

START_TEST(each_port_0_of_a_round_is_another)
{
	struct endpoint *one, *two, *found;

	one = wanted("127.0.0.1:0", 1);
	ck_assert_int_eq(want_more("127.0.0.1:0", 1, -1, 1, &two), 1);
	ck_assert_uint_ne(port_of(one), port_of(two));
	/* And the next round finds each again. */
	endpoint_begin(&endpoints);
	ck_assert_int_eq(want_more("127.0.0.1:0", 1, -1, 1, &found), 1);
	ck_assert_ptr_eq(found, two);
	ck_assert_int_eq(want_more("127.0.0.1:0", 0, -1, 1, &found), 1);
	ck_assert_ptr_eq(found, one);
	done(one);
	done(one);
	done(two);
	done(two);
}
END_TEST

START_TEST(another_spelling_keeps_sockets_and_clients)
{
	struct endpoint *old = wanted("127.0.0.1:0", 1), *found;
	char text[64];
	int client;

	must_listen(old);
	client = client_of(old);
	snprintf(text, sizeof(text), "%s",
	    text_with(_i == 0 ? "127.1" : "127.0.0.1", port_of(old)));
	found = wanted(text, 1);
	ck_assert_ptr_eq(found, old);
	done(old);
	ck_assert_int_eq(accept_all(found), 1);
	close(client);
	/* And the number goes on to be its name. */
	ck_assert_ptr_eq(wanted(text, 1), found);
	done(found);
	done(found);
}
END_TEST

START_TEST(an_address_is_had_once_in_a_round)
{
	struct endpoint *one = wanted("127.0.0.1:0", 1), *found;
	char text[64];

	snprintf(
	    text, sizeof(text), "%s", text_with("127.0.0.1", port_of(one)));
	ck_assert_int_eq(want_more(text, 0, -1, 1, &found), -EX_USAGE);
	ck_assert_msg(strstr(heard, "is given twice") != NULL, "%s", heard);
	/* The one that has it has it still. */
	ck_assert_int_eq(one->users, 1);
	ck_assert_int_eq(number(), 1);
	must_listen(one);
	done(one);
	one = wanted(unix_text, 1);
	ck_assert_int_eq(want_more(unix_text, 1, -1, 1, &found), -EX_USAGE);
	ck_assert_int_eq(one->users, 1);
	done(one);
}
END_TEST

START_TEST(more_workers_get_sockets_of_their_own)
{
	struct endpoint *old = wanted("127.0.0.1:0", 1), *found;
	int clients[CLIENTS], fd = old->socks[0].fd, i;

	must_listen(old);
	for (i = 0; i < CLIENTS / 2; i++)
		clients[i] = client_of(old);
	found = wanted("127.0.0.1:0", 4);
	ck_assert_ptr_eq(found, old);
	ck_assert_int_eq(found->count, 4);
	ck_assert_int_eq(found->socks[0].fd, fd);
	/* New ones have nobody in them before they are used. */
	ck_assert_int_eq(found->listening, 1);
	for (; i < CLIENTS; i++)
		clients[i] = client_of(old);
	must_listen(found);
	ck_assert_int_eq(accept_all(found), CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		close(clients[i]);
	done(found);
	done(found);
}
END_TEST

START_TEST(fewer_workers_keep_all_sockets_and_clients)
{
	struct endpoint *old = wanted("127.0.0.1:0", 4), *found;
	int clients[CLIENTS], i;

	must_listen(old);
	for (i = 0; i < CLIENTS; i++)
		clients[i] = client_of(old);
	found = wanted("127.0.0.1:0", 1);
	ck_assert_ptr_eq(found, old);
	done(old);
	ck_assert_int_eq(found->count, 4);
	ck_assert_int_eq(found->listening, 4);
	ck_assert_int_eq(accept_all(found), CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		close(clients[i]);
	done(found);
}
END_TEST

START_TEST(who_waits_does_not_notice_others)
{
	struct endpoint *mine = wanted("127.0.0.1:0", 2), *other, *found;
	int clients[CLIENTS], i;

	must_listen(mine);
	for (i = 0; i < CLIENTS; i++)
		clients[i] = client_of(mine);
	for (i = 0; i < 10; i++) {
		found = wanted("127.0.0.1:0", 2);
		other = also(i % 2 == 0 ? unix_text : "127.0.0.2:0", 3);
		must_listen(other);
		done(other);
		done(found);
	}
	ck_assert_int_eq(number(), 1);
	ck_assert_int_eq(accept_all(mine), CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		close(clients[i]);
	done(mine);
}
END_TEST

/* Somebody else has the port. */
START_TEST(what_cannot_be_had_changes_nothing)
{
	struct endpoint *mine = wanted("127.0.0.1:0", 1), *found;
	struct addr addr = mine->socks[0].bound;
	socklen_t len = sizeof(addr.u);
	int foreign = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client;
	char text[64];

	must_listen(mine);
	client = client_of(mine);
	addr.u.in.sin_port = 0;
	ck_assert_int_eq(bind(foreign, &addr.u.sa, addr.len), 0);
	ck_assert_int_eq(listen(foreign, 1), 0);
	ck_assert_int_eq(getsockname(foreign, &addr.u.sa, &len), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(addr.u.in.sin_port));
	endpoint_begin(&endpoints);
	ck_assert_ptr_eq(also("127.0.0.1:0", 1), mine);
	ck_assert_int_lt(want_more(text, 0, -1, 2, &found), 0);
	ck_assert_msg(strstr(heard, text) != NULL, "%s", heard);
	ck_assert_int_eq(number(), 1);
	done(mine);
	ck_assert_int_eq(mine->users, 1);
	ck_assert_int_eq(accept_all(mine), 1);
	close(client);
	close(foreign);
	/* The next round can have it. */
	found = wanted(text, 2);
	done(found);
	done(mine);
}
END_TEST

START_TEST(a_name_that_is_unknown_is_refused)
{
	struct endpoint *found;

	endpoint_begin(&endpoints);
	ck_assert_int_lt(
	    want_more("no-such-host.invalid:1", 0, -1, 1, &found), 0);
	ck_assert_str_ne(heard, "");
	ck_assert_int_eq(number(), 0);
}
END_TEST

START_TEST(all_addresses_and_one_have_the_same_port)
{
	struct endpoint *all, *one, *found;
	char text[64];
	int client;

	endpoint_begin(&endpoints);
	all = also(_i == 0 ? "0.0.0.0:0" : "127.0.0.1:0", 2);
	must_listen(all);
	snprintf(text, sizeof(text), "%s:%u", _i == 0 ? "127.0.0.1" : "0.0.0.0",
	    port_of(all));
	one = also(text, 2);
	ck_assert_ptr_ne(one, all);
	must_listen(one);
	/* The narrower one has the client. */
	client = client_of(_i == 0 ? one : all);
	ck_assert_int_eq(accept_all(_i == 0 ? all : one), 0);
	ck_assert_int_eq(accept_all(_i == 0 ? one : all), 1);
	close(client);
	found = wanted(text, 2);
	ck_assert_ptr_eq(found, one);
	done(found);
	done(one);
	done(all);
}
END_TEST

static mode_t
mode_of(const char *text)
{
	struct stat st;

	ck_assert_int_eq(lstat(text + sizeof("unix:") - 1, &st), 0);
	return st.st_mode & 07777;
}

START_TEST(a_unix_socket_is_shared_and_its_file_is_removed_at_last)
{
	struct endpoint *first = wanted(unix_text, 4), *again;
	int client;

	ck_assert_int_eq(first->shared, 1);
	ck_assert_int_eq(first->count, 1);
	must_listen(first);
	client = client_of(first);
	again = wanted(unix_text, 2);
	ck_assert_ptr_eq(again, first);
	done(first);
	ck_assert_int_eq(accept_all(again), 1);
	close(client);
	ck_assert_int_eq(access(unix_text + sizeof("unix:") - 1, F_OK), 0);
	done(again);
	ck_assert_int_eq(access(unix_text + sizeof("unix:") - 1, F_OK), -1);
}
END_TEST

START_TEST(the_mode_of_a_unix_socket_is_the_latest)
{
	struct endpoint *first, *found;

	endpoint_begin(&endpoints);
	ck_assert_int_eq(want_more(unix_text, 0, 0600, 1, &first), 1);
	ck_assert_int_eq((int)mode_of(unix_text), 0600);
	must_listen(first);
	endpoint_begin(&endpoints);
	ck_assert_int_eq(want_more(unix_text, 0, 0666, 1, &found), 1);
	ck_assert_ptr_eq(found, first);
	/* Not before the round has succeeded. */
	ck_assert_int_eq((int)mode_of(unix_text), 0600);
	must_listen(found);
	ck_assert_int_eq((int)mode_of(unix_text), 0666);
	/* Nothing said is nothing done. */
	done(wanted(unix_text, 1));
	must_listen(found);
	ck_assert_int_eq((int)mode_of(unix_text), 0666);
	done(found);
	done(first);
}
END_TEST

START_TEST(the_mode_of_a_round_that_failed_is_forgotten)
{
	struct endpoint *first, *found;

	endpoint_begin(&endpoints);
	ck_assert_int_eq(want_more(unix_text, 0, 0600, 1, &first), 1);
	must_listen(first);
	endpoint_begin(&endpoints);
	ck_assert_int_eq(want_more(unix_text, 0, 0666, 1, &found), 1);
	done(found);
	done(wanted(unix_text, 1));
	must_listen(first);
	ck_assert_int_eq((int)mode_of(unix_text), 0600);
	done(first);
}
END_TEST

/* The program before this one had it: with a client, and a clone. */
START_TEST(an_adopted_one_is_found_like_any_other)
{
	struct endpoint *old = wanted("127.0.0.1:0", 2), *adopted, *found;
	struct sock socks[2];
	int client, i;

	must_listen(old);
	client = client_of(old);
	for (i = 0; i < 2; i++) {
		socks[i] = old->socks[i];
		socks[i].fd = fcntl(old->socks[i].fd, F_DUPFD_CLOEXEC, 3);
		ck_assert_int_ge(socks[i].fd, 0);
	}
	done(old);
	adopted =
	    endpoint_adopt(&endpoints, "127.0.0.1:0", 0, 0, 0, 2, socks, 2);
	ck_assert_ptr_nonnull(adopted);
	ck_assert_int_eq(adopted->users, 0);
	found = wanted("127.0.0.1:0", 3);
	ck_assert_ptr_eq(found, adopted);
	ck_assert_int_eq(found->count, 3);
	ck_assert_int_eq(found->socks[0].fd, socks[0].fd);
	ck_assert_int_eq(found->listening, 2);
	must_listen(found);
	ck_assert_int_eq(accept_all(found), 1);
	close(client);
	done(found);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("endpoint");
	TCase *tcase = tcase_create("endpoint");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_same_text_has_the_same_sockets);
	tcase_add_test(tcase, each_port_0_of_a_round_is_another);
	tcase_add_loop_test(
	    tcase, another_spelling_keeps_sockets_and_clients, 0, 2);
	tcase_add_test(tcase, an_address_is_had_once_in_a_round);
	tcase_add_test(tcase, more_workers_get_sockets_of_their_own);
	tcase_add_test(tcase, fewer_workers_keep_all_sockets_and_clients);
	tcase_add_test(tcase, who_waits_does_not_notice_others);
	tcase_add_test(tcase, what_cannot_be_had_changes_nothing);
	tcase_add_test(tcase, a_name_that_is_unknown_is_refused);
	tcase_add_loop_test(
	    tcase, all_addresses_and_one_have_the_same_port, 0, 2);
	tcase_add_test(
	    tcase, a_unix_socket_is_shared_and_its_file_is_removed_at_last);
	tcase_add_test(tcase, the_mode_of_a_unix_socket_is_the_latest);
	tcase_add_test(tcase, the_mode_of_a_round_that_failed_is_forgotten);
	tcase_add_test(tcase, an_adopted_one_is_found_like_any_other);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
