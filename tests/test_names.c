/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of names, for how long, and how often it is asked for. */
#include "names.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "addr.h"
#include "job.h"
#include "loop.h"
#include "tap.h"

#define KEEP_MS 10000
#define OLD_MS	30000

/* The time, and what is in it: in place of libc's. */

static int64_t later_ms;

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int status = (int)syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += (time_t)(later_ms / 1000);
	return status;
}

static struct {
	pthread_mutex_t lock;
	int lookups, error;
	unsigned first; /* the last byte of the first of two addresses */
} world = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct addrinfo *
make_info(unsigned last, struct addrinfo *next)
{
	struct addrinfo *info = calloc(1, sizeof(*info));
	struct sockaddr_in *in = calloc(1, sizeof(*in));

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0xc0000200 + last);
	*info = (struct addrinfo){
		.ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_addrlen = sizeof(*in),
		.ai_addr = (struct sockaddr *)in,
		.ai_next = next,
	};
	return info;
}

int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
    struct addrinfo **list)
{
	int error;

	(void)host;
	ck_assert_ptr_null(port);
	ck_assert_int_eq(hints->ai_socktype, SOCK_STREAM);
	pthread_mutex_lock(&world.lock);
	world.lookups++;
	error = world.error;
	if (error == 0)
		*list =
		    make_info(world.first, make_info(world.first - 1, NULL));
	pthread_mutex_unlock(&world.lock);
	return error;
}

void
freeaddrinfo(struct addrinfo *list)
{
	while (list != NULL) {
		struct addrinfo *next = list->ai_next;

		free(list->ai_addr);
		free(list);
		list = next;
	}
}

/* Asking */

struct asked {
	struct names_wait wait; /* first */
	int calls, status;
	unsigned first, second;
};

static struct event_base *base;
static int gone;

static unsigned
last_byte(const struct addr *addr)
{
	ck_assert_int_eq(addr->u.sa.sa_family, AF_INET);
	ck_assert_int_eq(addr->u.in.sin_port, 0);
	return ntohl(addr->u.in.sin_addr.s_addr) & 255;
}

static void
note(struct asked *asked, int status, const struct addr *addrs)
{
	asked->status = status;
	if (status <= 0)
		return;
	asked->first = last_byte(&addrs[0]);
	asked->second = last_byte(&addrs[1]);
}

static void
on_found(struct names_wait *wait, int status, const struct addr *addrs)
{
	struct asked *asked = (struct asked *)wait;

	asked->calls++;
	note(asked, status, addrs);
}

static void
on_gone(void *arg)
{
	ck_assert_ptr_eq(arg, &base);
	gone++;
}

static int
ask(struct asked *asked, const char *host)
{
	struct addr addrs[NAMES_ADDRS_MAX];

	*asked = (struct asked){ .wait.on_found = on_found };
	asked->status = names_find(host, addrs, &asked->wait);
	note(asked, asked->status, addrs);
	return asked->status;
}

static void
settle(void)
{
	while (job_unfinished() > 0)
		event_base_loop(base, EVLOOP_ONCE);
}

/* The number of addresses, or the error, that one who waits gets. */
static int
wait_for(struct asked *asked, const char *host)
{
	int status = ask(asked, host);

	if (status != -EINPROGRESS)
		return status;
	settle();
	ck_assert_int_eq(asked->calls, 1);
	return asked->status;
}

static void
assert_old(unsigned first)
{
	struct asked asked;

	ck_assert_int_eq(ask(&asked, "name"), 2);
	ck_assert_uint_eq(asked.first, first);
}

static void
change(unsigned first, int error)
{
	world.first = first;
	world.error = error;
	world.lookups = 0;
}

static void
start(int64_t keep_ms)
{
	later_ms = gone = 0;
	change(7, 0);
	base = loop_new(NULL);
	ck_assert_ptr_nonnull(base);
	names_init(keep_ms, on_gone, &base);
	ck_assert_int_eq(job_pool_init(base, 2), 0);
}

static void
setup(void)
{
	start(KEEP_MS);
}

static void
teardown(void)
{
	job_pool_clear();
	names_clear();
	event_base_free(base);
}

START_TEST(what_is_found_is_known_for_a_while_in_its_order)
{
	struct asked asked;

	ck_assert_int_eq(ask(&asked, "name"), -EINPROGRESS);
	settle();
	ck_assert_int_eq(asked.status, 2);
	ck_assert_uint_eq(asked.first, 7);
	ck_assert_uint_eq(asked.second, 6);
	change(9, 0);
	later_ms = KEEP_MS - 1000;
	ck_assert_int_eq(ask(&asked, "NAME"), 2);
	ck_assert_uint_eq(asked.first, 7);
	ck_assert_uint_eq(asked.second, 6);
	settle();
	ck_assert_int_eq(world.lookups, 0);
	ck_assert_int_eq(gone, 0);
}
END_TEST

START_TEST(a_thousand_who_ask_at_once_ask_once)
{
	static struct asked asked[1000];
	int i;

	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(ask(&asked[i], "name"), -EINPROGRESS);
	settle();
	ck_assert_int_eq(world.lookups, 1);
	for (i = 0; i < 1000; i++) {
		ck_assert_int_eq(asked[i].calls, 1);
		ck_assert_int_eq(asked[i].status, 2);
	}
}
END_TEST

START_TEST(an_old_answer_is_used_while_one_looks_again)
{
	struct asked asked;

	wait_for(&asked, "name");
	change(9, 0);
	later_ms = KEEP_MS + 1000;
	assert_old(7);
	assert_old(7);
	ck_assert_uint_eq(names_count(), 1);
	settle();
	ck_assert_int_eq(world.lookups, 1);
	ck_assert_int_eq(gone, 1);
	ck_assert_uint_eq(names_count(), 0);
	assert_old(9);
}
END_TEST

START_TEST(one_that_is_too_old_is_waited_for)
{
	struct asked asked;

	wait_for(&asked, "name");
	change(9, 0);
	later_ms = KEEP_MS + OLD_MS + 1000;
	ck_assert_int_eq(ask(&asked, "name"), -EINPROGRESS);
	settle();
	ck_assert_uint_eq(asked.first, 9);
}
END_TEST

START_TEST(an_old_answer_outlives_failures_for_a_while)
{
	struct asked asked;

	wait_for(&asked, "name");
	change(0, EAI_AGAIN);
	later_ms = KEEP_MS + 1000;
	assert_old(7);
	settle();
	/* Asked again each second, and not for each connection. */
	assert_old(7);
	settle();
	ck_assert_int_eq(world.lookups, 1);
	later_ms += 2000;
	assert_old(7);
	settle();
	ck_assert_int_eq(world.lookups, 2);
	later_ms = KEEP_MS + OLD_MS + 1000;
	ck_assert_int_eq(wait_for(&asked, "name"), -EAGAIN);
	/* And then it works again. */
	change(9, 0);
	later_ms += 2000;
	ck_assert_int_eq(wait_for(&asked, "name"), 2);
	ck_assert_uint_eq(asked.first, 9);
}
END_TEST

START_TEST(that_there_is_none_is_known_for_a_second)
{
	struct asked asked;

	change(0, EAI_NONAME);
	ck_assert_int_eq(wait_for(&asked, "name"), -ENOENT);
	ck_assert_int_eq(ask(&asked, "name"), -ENOENT);
	ck_assert_int_eq(world.lookups, 1);
	later_ms = 2000;
	ck_assert_int_eq(wait_for(&asked, "name"), -ENOENT);
	ck_assert_int_eq(world.lookups, 2);
}
END_TEST

START_TEST(addresses_that_lead_nowhere_are_looked_up_again)
{
	struct asked asked;

	wait_for(&asked, "name");
	names_doubt("name");
	names_doubt("of nobody");
	/* They were found just now. */
	assert_old(7);
	change(9, 0);
	later_ms = 2000;
	names_doubt("name");
	ck_assert_int_eq(ask(&asked, "name"), -EINPROGRESS);
	settle();
	ck_assert_int_eq(world.lookups, 1);
	ck_assert_uint_eq(asked.first, 9);
	/* If nobody knows better, they are tried. */
	change(0, EAI_AGAIN);
	later_ms = 4000;
	names_doubt("name");
	ck_assert_int_eq(wait_for(&asked, "name"), 2);
	ck_assert_uint_eq(asked.first, 9);
}
END_TEST

START_TEST(who_leaves_is_not_told)
{
	struct asked one, other;

	ck_assert_int_eq(ask(&one, "name"), -EINPROGRESS);
	ck_assert_int_eq(ask(&other, "name"), -EINPROGRESS);
	names_leave(&one.wait);
	names_leave(&one.wait);
	settle();
	ck_assert_int_eq(one.calls, 0);
	ck_assert_int_eq(other.calls, 1);
	names_leave(&other.wait);
	/* A lookup of which nobody wants to know goes on, if it runs. */
	ck_assert_int_eq(ask(&one, "another"), -EINPROGRESS);
	names_leave(&one.wait);
	ck_assert_uint_eq(names_count(), job_unfinished());
	settle();
	ck_assert_int_eq(one.calls, 0);
	ck_assert_int_eq(gone, world.lookups - 1);
	ck_assert_uint_eq(names_count(), 0);
}
END_TEST

START_TEST(there_is_room_for_so_many)
{
	struct asked asked;
	char host[16];
	int i;

	for (i = 0; i < 1030; i++) {
		snprintf(host, sizeof(host), "name%d", i);
		ck_assert_int_eq(wait_for(&asked, host), 2);
		/* This one is asked for all the time. */
		ck_assert_int_eq(wait_for(&asked, "name0"), 2);
	}
	ck_assert_int_eq(world.lookups, 1030);
	ck_assert_int_eq(ask(&asked, "name1"), -EINPROGRESS);
	settle();
	ck_assert_int_eq(ask(&asked, "name1029"), 2);
	ck_assert_int_eq(ask(&asked, "name0"), 2);
}
END_TEST

START_TEST(one_may_keep_none)
{
	struct asked asked, other;

	teardown();
	start(0);
	ck_assert_int_eq(ask(&asked, "name"), -EINPROGRESS);
	ck_assert_int_eq(ask(&other, "name"), -EINPROGRESS);
	settle();
	ck_assert_int_eq(world.lookups, 1);
	ck_assert_int_eq(asked.status, 2);
	change(0, EAI_NONAME);
	ck_assert_int_eq(wait_for(&asked, "name"), -ENOENT);
	ck_assert_int_eq(wait_for(&asked, "name"), -ENOENT);
	ck_assert_int_eq(world.lookups, 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("names");
	TCase *tcase = tcase_create("names");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_found_is_known_for_a_while_in_its_order);
	tcase_add_test(tcase, a_thousand_who_ask_at_once_ask_once);
	tcase_add_test(tcase, an_old_answer_is_used_while_one_looks_again);
	tcase_add_test(tcase, one_that_is_too_old_is_waited_for);
	tcase_add_test(tcase, an_old_answer_outlives_failures_for_a_while);
	tcase_add_test(tcase, that_there_is_none_is_known_for_a_second);
	tcase_add_test(tcase, addresses_that_lead_nowhere_are_looked_up_again);
	tcase_add_test(tcase, who_leaves_is_not_told);
	tcase_add_test(tcase, there_is_room_for_so_many);
	tcase_add_test(tcase, one_may_keep_none);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
