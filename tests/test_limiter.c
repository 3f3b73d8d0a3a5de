/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts of several processes, and what is left of one that died. */
#include "limiter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static int memory;
static struct limiter *master, *one, *two;

static void
start(void)
{
	memory = limiter_create();
	ck_assert_int_ge(memory, 0);
	master = limiter_attach(memory, 0);
	ck_assert_ptr_nonnull(master);
	limiter_open(master, 1);
	limiter_open(master, 2);
	one = limiter_attach(memory, 1);
	two = limiter_attach(memory, 2);
	ck_assert_ptr_nonnull(one);
	ck_assert_ptr_nonnull(two);
}

static void
stop(void)
{
	limiter_detach(one);
	limiter_detach(two);
	limiter_detach(master);
	close(memory);
}

static uint64_t
client(const char *text, int scope, int bits_ipv4, int bits_ipv6)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return limiter_client(
		    one, scope, (struct sockaddr *)&in, bits_ipv4, bits_ipv6);
	ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return limiter_client(
	    one, scope, (struct sockaddr *)&in6, bits_ipv4, bits_ipv6);
}

START_TEST(all_processes_have_one_limit)
{
	ck_assert_int_eq(limiter_take(one, LIMITER_HOST, 3), 0);
	ck_assert_int_eq(limiter_take(two, LIMITER_HOST, 3), 0);
	ck_assert_int_eq(limiter_take(one, LIMITER_HOST, 3), 0);
	ck_assert_int_eq(limiter_take(one, LIMITER_HOST, 3), -EUSERS);
	ck_assert_int_eq(limiter_take(two, LIMITER_HOST, 3), -EUSERS);
	ck_assert_int_eq(limiter_used(master, LIMITER_HOST), 3);
	limiter_return(two, LIMITER_HOST);
	ck_assert_int_eq(limiter_take(one, LIMITER_HOST, 3), 0);
	ck_assert_int_eq(limiter_take(two, LIMITER_HOST, 3), -EUSERS);
}
END_TEST

START_TEST(without_a_limit_all_are_counted)
{
	int i;

	for (i = 0; i < 10; i++)
		ck_assert_int_eq(limiter_take(one, LIMITER_HOST, 0), 0);
	ck_assert_int_eq(limiter_take(two, LIMITER_HOST, 10), -EUSERS);
	ck_assert_int_eq(limiter_take(two, LIMITER_HOST, 11), 0);
}
END_TEST

START_TEST(scopes_are_apart_and_known_by_their_names)
{
	int a = limiter_scope(one, "127.0.0.1:1"),
	    b = limiter_scope(one, "127.0.0.1:2");

	ck_assert_int_gt(a, LIMITER_HOST);
	ck_assert_int_gt(b, LIMITER_HOST);
	ck_assert_int_ne(a, b);
	ck_assert_int_eq(limiter_scope(two, "127.0.0.1:2"), b);
	ck_assert_int_eq(limiter_scope(master, "127.0.0.1:1"), a);
	ck_assert_int_eq(limiter_take(one, a, 1), 0);
	ck_assert_int_eq(limiter_take(two, b, 1), 0);
	ck_assert_int_eq(limiter_take(two, a, 1), -EUSERS);
	ck_assert_int_eq(limiter_used(one, LIMITER_HOST), 0);
}
END_TEST

START_TEST(more_scopes_than_there_is_room_for_are_refused)
{
	char name[32];
	int i;

	for (i = 1; i < LIMITER_SCOPES; i++) {
		snprintf(name, sizeof(name), "listener %d", i);
		ck_assert_int_eq(limiter_scope(one, name), i);
	}
	ck_assert_int_eq(limiter_scope(one, "one more"), -1);
	ck_assert_int_eq(limiter_scope(two, "listener 7"), 7);
}
END_TEST

START_TEST(what_a_dead_process_held_comes_back)
{
	uint64_t it = client("192.0.2.1", 1, 32, 64);

	ck_assert_int_eq(limiter_take(one, LIMITER_HOST, 2), 0);
	ck_assert_int_eq(limiter_take(two, LIMITER_HOST, 2), 0);
	ck_assert_int_eq(limiter_take_client(one, it, 2), 0);
	ck_assert_int_eq(limiter_take_client(two, it, 2), 0);
	limiter_set_waiting(one, LIMITER_HOST, 1, 1000);
	limiter_close(master, 1);
	ck_assert_int_eq(limiter_used(two, LIMITER_HOST), 1);
	ck_assert_int_eq(limiter_used_by_client(two, it), 1);
	ck_assert(!limiter_is_others_turn(two, LIMITER_HOST, 0, 1000));
	limiter_open(master, 1);
	ck_assert_int_eq(limiter_take(one, LIMITER_HOST, 2), 0);
	ck_assert_int_eq(limiter_take(two, LIMITER_HOST, 2), -EUSERS);
}
END_TEST

START_TEST(clients_are_networks_at_a_scope)
{
	ck_assert_uint_eq(
	    client("192.0.2.1", 1, 24, 64), client("192.0.2.200", 1, 24, 64));
	ck_assert_uint_ne(
	    client("192.0.2.1", 1, 32, 64), client("192.0.2.2", 1, 32, 64));
	ck_assert_uint_ne(
	    client("192.0.2.1", 1, 32, 64), client("192.0.2.1", 2, 32, 64));
	ck_assert_uint_eq(client("2001:db8::1", 1, 32, 64),
	    client("2001:db8::ffff:1", 1, 32, 64));
	ck_assert_uint_ne(client("2001:db8::1", 1, 32, 65),
	    client("2001:db8::8000:0:0:1", 1, 32, 65));
	ck_assert_uint_eq(client("::ffff:192.0.2.1", 1, 32, 64),
	    client("192.0.2.1", 1, 32, 64));
	ck_assert_uint_ne(
	    client("c000:201::", 1, 32, 64), client("192.0.2.1", 1, 32, 64));
	ck_assert_uint_eq(
	    client("192.0.2.1", 1, 0, 0), client("10.0.0.1", 1, 0, 0));
}
END_TEST

START_TEST(a_peer_without_an_address_is_no_client)
{
	struct sockaddr peer = { .sa_family = AF_UNIX };

	ck_assert_uint_eq(
	    limiter_client(one, 1, &peer, 32, 64), LIMITER_CLIENT_NONE);
}
END_TEST

START_TEST(a_client_has_one_limit_in_all_processes)
{
	uint64_t it = client("192.0.2.1", 1, 32, 64);
	uint64_t other = client("192.0.2.2", 1, 32, 64);

	ck_assert_int_eq(limiter_take_client(one, it, 2), 0);
	ck_assert_int_eq(limiter_take_client(two, it, 2), 0);
	ck_assert_int_eq(limiter_take_client(one, it, 2), -EUSERS);
	ck_assert_int_eq(limiter_take_client(two, it, 2), -EUSERS);
	ck_assert_int_eq(limiter_take_client(two, other, 2), 0);
	limiter_return_client(one, it);
	ck_assert_int_eq(limiter_take_client(two, it, 2), 0);
	ck_assert_int_eq(limiter_used_by_client(master, it), 2);
}
END_TEST

START_TEST(clients_that_are_gone_leave_room_for_others)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	uint64_t it;
	uint32_t i;

	for (i = 0; i < 300000; i++) {
		in.sin_addr.s_addr = htonl(i);
		it = limiter_client(one, 1, (struct sockaddr *)&in, 32, 64);
		ck_assert_int_eq(limiter_take_client(one, it, 1), 0);
		limiter_return_client(one, it);
	}
}
END_TEST

START_TEST(more_clients_than_there_is_room_for_are_not_counted)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	uint64_t it;
	uint32_t i;
	int status = 0;

	for (i = 0; i < 1 << 17 && status == 0; i++) {
		in.sin_addr.s_addr = htonl(i);
		it = limiter_client(one, 1, (struct sockaddr *)&in, 32, 64);
		status = limiter_take_client(one, it, 1);
	}
	ck_assert_int_eq(status, -ENOSPC);
	if (sizeof(void *) > 4)
		ck_assert_uint_gt(i, 40000);
	/* The other process has room of its own. */
	ck_assert_int_eq(limiter_take_client(two, it, 1), 0);
}
END_TEST

START_TEST(a_rate_has_a_burst_and_no_more)
{
	int i;

	/* In an hour: nothing comes back while this runs. */
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(limiter_spend(i % 2 ? one : two, 1, 5), 0);
	ck_assert_int_eq(limiter_spend(one, 1, 5), -EAGAIN);
	ck_assert_int_eq(limiter_spend(two, 1, 5), -EAGAIN);
	ck_assert_int_eq(limiter_spend(two, 2, 5), 0);
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(limiter_spend(one, 3, 60), 0);
	ck_assert_int_eq(limiter_spend(one, 3, 60), -EAGAIN);
}
END_TEST

START_TEST(what_was_spent_comes_back)
{
	int i;

	for (i = 0; i < 100; i++)
		ck_assert_int_eq(limiter_spend(one, 1, 100 * 3600), 0);
	for (i = 0; limiter_spend(one, 1, 100 * 3600) != 0; i++)
		usleep(1000);
	ck_assert_int_lt(i, 60000);
}
END_TEST

START_TEST(each_client_has_a_rate)
{
	uint64_t it = client("192.0.2.1", 1, 32, 64);
	uint64_t other = client("192.0.2.2", 1, 32, 64);
	int crowded = 0;

	ck_assert_int_eq(limiter_spend_client(one, it, 2, &crowded), 0);
	ck_assert_int_eq(limiter_spend_client(two, it, 2, &crowded), 0);
	ck_assert_int_eq(limiter_spend_client(one, it, 2, &crowded), -EAGAIN);
	ck_assert_int_eq(limiter_spend_client(two, it, 2, &crowded), -EAGAIN);
	ck_assert_int_eq(limiter_spend_client(two, other, 2, &crowded), 0);
	ck_assert_int_eq(crowded, 0);
}
END_TEST

START_TEST(too_many_rates_forget_the_oldest)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int crowded = 0;
	uint32_t i;

	for (i = 0; i < 1 << 20 && !crowded; i++) {
		in.sin_addr.s_addr = htonl(i);
		ck_assert_int_eq(
		    limiter_spend_client(one,
			limiter_client(one, 1, (struct sockaddr *)&in, 32, 64),
			1, &crowded),
		    0);
	}
	ck_assert_int_eq(crowded, 1);
	ck_assert_uint_gt(i, 100000);
}
END_TEST

START_TEST(who_waits_longer_comes_first)
{
	int64_t now = 100000;

	limiter_set_waiting(one, LIMITER_HOST, now - 1000, now);
	ck_assert(limiter_is_others_turn(two, LIMITER_HOST, 0, now));
	ck_assert(limiter_is_others_turn(two, LIMITER_HOST, now - 100, now));
	ck_assert(!limiter_is_others_turn(two, LIMITER_HOST, now - 1000, now));
	ck_assert(!limiter_is_others_turn(two, LIMITER_HOST, now - 2000, now));
	ck_assert(!limiter_is_others_turn(one, LIMITER_HOST, now - 10, now));
	ck_assert(!limiter_is_others_turn(two, 1, 0, now));
	limiter_set_waiting(one, LIMITER_HOST, 0, now);
	ck_assert(!limiter_is_others_turn(two, LIMITER_HOST, 0, now));
}
END_TEST

START_TEST(who_says_no_more_that_he_waits_does_not_wait)
{
	int64_t now = 100000;

	limiter_set_waiting(one, LIMITER_HOST, now - 1000, now);
	ck_assert(limiter_is_others_turn(two, LIMITER_HOST, 0, now + 1000));
	ck_assert(!limiter_is_others_turn(two, LIMITER_HOST, 0, now + 10000));
	limiter_set_waiting(one, LIMITER_HOST, now - 1000, now + 10000);
	ck_assert(limiter_is_others_turn(two, LIMITER_HOST, 0, now + 10000));
}
END_TEST

START_TEST(memory_of_another_layout_is_refused)
{
	int other = memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(other, 4096), 0);
	ck_assert_ptr_null(limiter_attach(other, 1));
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_ptr_null(limiter_attach(memory, -1));
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_ptr_null(limiter_attach(memory, 1 << 20));
	ck_assert_int_eq(errno, EPROTO);
	close(other);
}
END_TEST

#define RACERS 4
#define PLACES 3

static struct {
	_Atomic int inside, client_inside, exceeded, turns[RACERS];
	_Atomic int stop;
} * race;

/* Each that is inside counts itself there, too. */
static void
race_once(struct limiter *own, int number, uint64_t it)
{
	if (limiter_take(own, LIMITER_HOST, PLACES) == 0) {
		if (atomic_fetch_add(&race->inside, 1) >= PLACES)
			race->exceeded = 1;
		race->turns[number]++;
		atomic_fetch_sub(&race->inside, 1);
		limiter_return(own, LIMITER_HOST);
	}
	if (limiter_take_client(own, it, PLACES) == 0) {
		if (atomic_fetch_add(&race->client_inside, 1) >= PLACES)
			race->exceeded = 1;
		atomic_fetch_sub(&race->client_inside, 1);
		limiter_return_client(own, it);
	}
}

static pid_t
racer(int number)
{
	struct limiter *own;
	uint64_t it;
	pid_t pid;

	limiter_open(master, number + 1);
	pid = fork();
	if (pid != 0)
		return pid;
	own = limiter_attach(memory, number + 1);
	it = client("192.0.2.1", 1, 32, 64);
	while (own != NULL && !race->stop)
		race_once(own, number, it);
	_exit(own == NULL);
}

static void
race_until(int turns)
{
	int i;

	for (i = 0; i < RACERS; i++)
		while (race->turns[i] < turns)
			usleep(1000);
}

START_TEST(processes_that_race_never_exceed_a_limit)
{
	pid_t racers[RACERS];
	int i, status;

	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(race, MAP_FAILED);
	for (i = 0; i < RACERS; i++) {
		racers[i] = racer(i);
		ck_assert_int_gt(racers[i], 0);
	}
	race_until(2000);
	race->stop = 1;
	for (i = 0; i < RACERS; i++) {
		ck_assert_int_eq(waitpid(racers[i], &status, 0), racers[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(race->exceeded, 0);
	ck_assert_int_eq(limiter_used(master, LIMITER_HOST), 0);
	munmap(race, sizeof(*race));
}
END_TEST

/* Wherever it was: inside of a call, most likely. */
START_TEST(a_process_that_is_killed_leaves_no_count)
{
	uint64_t it = client("192.0.2.1", 1, 32, 64);
	int i, round, status;
	pid_t pid;

	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(race, MAP_FAILED);
	for (round = 0; round < 20; round++) {
		race->turns[2] = 0;
		pid = racer(2);
		ck_assert_int_gt(pid, 0);
		while (race->turns[2] < 100 + round)
			usleep(10);
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		limiter_close(master, 3);
		for (i = 0; i < PLACES; i++) {
			ck_assert_int_eq(
			    limiter_take(one, LIMITER_HOST, PLACES), 0);
			ck_assert_int_eq(
			    limiter_take_client(two, it, PLACES), 0);
		}
		ck_assert_int_eq(
		    limiter_take(two, LIMITER_HOST, PLACES), -EUSERS);
		ck_assert_int_eq(limiter_take_client(one, it, PLACES), -EUSERS);
		for (i = 0; i < PLACES; i++) {
			limiter_return(one, LIMITER_HOST);
			limiter_return_client(two, it);
		}
	}
	munmap(race, sizeof(*race));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limiter");
	TCase *places = tcase_create("places");
	TCase *clients = tcase_create("clients");
	TCase *rates = tcase_create("rates");
	TCase *processes = tcase_create("processes");

	tcase_add_checked_fixture(places, start, stop);
	tcase_add_test(places, all_processes_have_one_limit);
	tcase_add_test(places, without_a_limit_all_are_counted);
	tcase_add_test(places, scopes_are_apart_and_known_by_their_names);
	tcase_add_test(places, more_scopes_than_there_is_room_for_are_refused);
	tcase_add_test(places, what_a_dead_process_held_comes_back);
	tcase_add_test(places, who_waits_longer_comes_first);
	tcase_add_test(places, who_says_no_more_that_he_waits_does_not_wait);
	tcase_add_test(places, memory_of_another_layout_is_refused);
	suite_add_tcase(suite, places);
	tcase_add_checked_fixture(clients, start, stop);
	tcase_set_timeout(clients, 60);
	tcase_add_test(clients, clients_are_networks_at_a_scope);
	tcase_add_test(clients, a_peer_without_an_address_is_no_client);
	tcase_add_test(clients, a_client_has_one_limit_in_all_processes);
	tcase_add_test(clients, clients_that_are_gone_leave_room_for_others);
	tcase_add_test(
	    clients, more_clients_than_there_is_room_for_are_not_counted);
	suite_add_tcase(suite, clients);
	tcase_add_checked_fixture(rates, start, stop);
	tcase_set_timeout(rates, 60);
	tcase_add_test(rates, a_rate_has_a_burst_and_no_more);
	tcase_add_test(rates, what_was_spent_comes_back);
	tcase_add_test(rates, each_client_has_a_rate);
	tcase_add_test(rates, too_many_rates_forget_the_oldest);
	suite_add_tcase(suite, rates);
	tcase_add_checked_fixture(processes, start, stop);
	tcase_set_timeout(processes, 120);
	tcase_add_test(processes, processes_that_race_never_exceed_a_limit);
	tcase_add_test(processes, a_process_that_is_killed_leaves_no_count);
	suite_add_tcase(suite, processes);
	return tap_run(suite);
}
