/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is let in, what is counted for it, and who has the next place. */
#include "gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "clock.h"
#include "counters.h"
#include "gate_host.h"
#include "gate_place.h"
#include "gate_ticket.h"
#include "limit_log.h"
#include "limiter.h"
#include "log.h"
#include "settings_guard.h"
#include "tap.h"

static struct counters counters;
static struct settings_item items[8];
static struct settings_guard guard;
static struct gate *gate;
static struct limit_log place; /* of no listener */

static void
item(const char *name, const char *value)
{
	items[guard.item_count++] = (struct settings_item){
		.name = name,
		.value = (char *)(uintptr_t)value,
	};
}

static void
begin(void)
{
	log_set_level(BEVHOST_LOG_ERROR);
	memset(&counters, 0, sizeof(counters));
	memset(&guard, 0, sizeof(guard));
	guard.items = items;
	guard.kinds = ~guard.kinds; /* there may be any */
	guard.client_prefix_ipv4 = 32;
	guard.client_prefix_ipv6 = 64;
}

static void
start(int64_t max_connections)
{
	const struct settings settings = { .max_connections = max_connections };

	ck_assert_int_eq(gate_host_start(-1, 1, &counters, &settings), 0);
	gate = gate_new("test", "0 127.0.0.1:1", &guard);
	ck_assert_ptr_nonnull(gate);
}

static void
stop(void)
{
	gate_free(gate);
	gate_host_end();
}

static enum bevhost_reason
enter(const char *text, uint64_t *ticket)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr peer = { .sa_family = AF_UNIX };
	struct gate_waiter waiter = { .since_ms = 0 };

	*ticket = 0;
	ck_assert_int_eq(gate_take_place(gate, &waiter), 0);
	if (strcmp(text, "unix") == 0)
		return gate_enter(gate, &place, &peer, ticket);
	ck_assert_int_eq(inet_pton(AF_INET, text, &in.sin_addr), 1);
	return gate_enter(gate, &place, (struct sockaddr *)&in, ticket);
}

static enum bevhost_reason
visit(const char *text)
{
	uint64_t ticket;
	enum bevhost_reason reason = enter(text, &ticket);

	gate_leave(gate, ticket);
	return reason;
}

START_TEST(without_limits_everybody_may_enter)
{
	uint64_t ticket;

	start(0);
	ck_assert_int_eq(enter("192.0.2.1", &ticket), BEVHOST_REASON_NONE);
	gate_leave(gate, ticket);
	ck_assert_int_eq(visit("unix"), BEVHOST_REASON_NONE);
	stop();
}
END_TEST

START_TEST(no_gate_is_an_open_gate)
{
	struct gate_waiter waiter = { .since_ms = 0 };
	struct sockaddr peer = { .sa_family = AF_UNIX };
	uint64_t ticket = 0;

	ck_assert_int_eq(gate_take_place(NULL, &waiter), 0);
	ck_assert_int_eq(
	    gate_enter(NULL, NULL, &peer, &ticket), BEVHOST_REASON_NONE);
	gate_leave(NULL, ticket);
	gate_return_place(NULL);
	gate_take_second_place(NULL);
}
END_TEST

START_TEST(without_a_host_the_access_list_is_asked_all_the_same)
{
	item("deny", "192.0.2.0/24");
	guard.max_connections = guard.max_connections_per_client = 1;
	guard.connection_rate = 1;
	gate = gate_new("test", "scope", &guard);
	ck_assert_ptr_nonnull(gate);
	ck_assert_int_eq(visit("192.0.2.1"), BEVHOST_REASON_DENIED);
	ck_assert_int_eq(visit("10.0.0.1"), BEVHOST_REASON_NONE);
	ck_assert_int_eq(visit("10.0.0.1"), BEVHOST_REASON_NONE);
	gate_free(gate);
}
END_TEST

START_TEST(the_first_rule_that_fits_decides)
{
	item("deny", "192.0.2.7");
	item("proxy-from", "10.0.0.0/8");
	item("allow", "192.0.2.0/24");
	item("deny", "all");
	start(0);
	ck_assert_int_eq(visit("192.0.2.7"), BEVHOST_REASON_DENIED);
	ck_assert_int_eq(visit("192.0.2.8"), BEVHOST_REASON_NONE);
	ck_assert_int_eq(visit("10.0.0.1"), BEVHOST_REASON_DENIED);
	ck_assert_int_eq(visit("unix"), BEVHOST_REASON_DENIED);
	ck_assert_uint_eq(counters.limited[LIMIT_ACCESS], 3);
	ck_assert_uint_eq(counters.spared[LIMIT_ACCESS], 0);
	stop();
}
END_TEST

START_TEST(what_is_no_network_makes_no_gate)
{
	item("allow", "192.0.2.1/24");
	ck_assert_ptr_null(gate_new("test", "scope", &guard));
}
END_TEST

START_TEST(a_client_has_so_many_and_no_more)
{
	uint64_t one, two, three, other;

	guard.max_connections_per_client = 2;
	start(0);
	ck_assert_int_eq(enter("192.0.2.1", &one), BEVHOST_REASON_NONE);
	ck_assert_int_eq(enter("192.0.2.1", &two), BEVHOST_REASON_NONE);
	ck_assert_int_eq(enter("192.0.2.1", &three), BEVHOST_REASON_LIMIT);
	gate_leave(gate, three);
	ck_assert_int_eq(enter("192.0.2.2", &other), BEVHOST_REASON_NONE);
	ck_assert_uint_eq(counters.limited[LIMIT_CONNECTIONS_PER_CLIENT], 1);
	gate_leave(gate, one);
	ck_assert_int_eq(enter("192.0.2.1", &three), BEVHOST_REASON_NONE);
	gate_leave(gate, two);
	gate_leave(gate, three);
	gate_leave(gate, other);
	stop();
}
END_TEST

START_TEST(who_is_refused_later_is_not_counted)
{
	uint64_t one, two;

	guard.max_connections_per_client = 1;
	guard.connection_rate = 1;
	start(0);
	ck_assert_int_eq(enter("192.0.2.1", &one), BEVHOST_REASON_NONE);
	ck_assert_int_eq(enter("192.0.2.2", &two), BEVHOST_REASON_LIMIT);
	ck_assert_uint_eq(two, 0);
	gate_leave(gate, two);
	ck_assert_int_eq(enter("192.0.2.2", &two), BEVHOST_REASON_LIMIT);
	ck_assert_uint_eq(counters.limited[LIMIT_RATE], 2);
	ck_assert_uint_eq(counters.limited[LIMIT_CONNECTIONS_PER_CLIENT], 0);
	gate_leave(gate, two);
	gate_leave(gate, one);
	stop();
}
END_TEST

START_TEST(who_comes_too_often_uses_up_nothing_of_the_listeners)
{
	int i;

	guard.connection_rate_per_client = 1;
	guard.connection_rate = 2;
	start(0);
	ck_assert_int_eq(visit("192.0.2.1"), BEVHOST_REASON_NONE);
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(visit("192.0.2.1"), BEVHOST_REASON_LIMIT);
	ck_assert_int_eq(visit("192.0.2.2"), BEVHOST_REASON_NONE);
	ck_assert_int_eq(visit("192.0.2.3"), BEVHOST_REASON_LIMIT);
	ck_assert_uint_eq(counters.limited[LIMIT_RATE_PER_CLIENT], 10);
	ck_assert_uint_eq(counters.limited[LIMIT_RATE], 1);
	stop();
}
END_TEST

START_TEST(a_dry_run_counts_and_refuses_nobody)
{
	uint64_t tickets[5];
	int i;

	item("deny", "all");
	item("dry-run", "access");
	item("dry-run", "connection-rate");
	item("dry-run", "connection-rate-per-client");
	item("dry-run", "max-connections-per-client");
	guard.connection_rate = guard.connection_rate_per_client = 1;
	guard.max_connections_per_client = 2;
	start(0);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(
		    enter("192.0.2.1", &tickets[i]), BEVHOST_REASON_NONE);
	ck_assert_uint_eq(counters.spared[LIMIT_ACCESS], 5);
	ck_assert_uint_eq(counters.spared[LIMIT_RATE], 4);
	ck_assert_uint_eq(counters.spared[LIMIT_RATE_PER_CLIENT], 4);
	ck_assert_uint_eq(counters.spared[LIMIT_CONNECTIONS_PER_CLIENT], 3);
	ck_assert_uint_eq(counters.limited[LIMIT_ACCESS], 0);
	for (i = 0; i < 5; i++)
		gate_leave(gate, tickets[i]);
	stop();
}
END_TEST

START_TEST(without_a_place_one_waits)
{
	struct gate_waiter one = { .since_ms = 0 };

	start(2);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	ck_assert_int_eq(gate_take_place(gate, &one), -EUSERS);
	ck_assert_int_ne(one.since_ms, 0);
	ck_assert_uint_eq(counters.limited[LIMIT_CONNECTIONS], 1);
	ck_assert_int_eq(gate_take_place(gate, &one), -EUSERS);
	ck_assert_uint_eq(counters.limited[LIMIT_CONNECTIONS], 1);
	gate_return_place(gate);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	ck_assert_int_eq(one.since_ms, 0);
	gate_return_place(gate);
	gate_return_place(gate);
	stop();
}
END_TEST

START_TEST(a_gate_has_a_limit_of_its_own)
{
	struct gate_waiter one = { .since_ms = 0 }, two = { .since_ms = 0 };
	struct gate *other;

	guard.max_connections = 1;
	start(2);
	other = gate_new("test", "0 127.0.0.1:2", &guard);
	ck_assert_ptr_nonnull(other);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	ck_assert_int_eq(gate_take_place(gate, &one), -EUSERS);
	/* Its own limit keeps no other from a place. */
	ck_assert_int_eq(gate_take_place(other, &two), 0);
	gate_return_place(gate);
	gate_return_place(other);
	gate_stop_waiting(&one);
	gate_stop_waiting(&two);
	gate_free(other);
	stop();
}
END_TEST

START_TEST(who_waits_longer_has_the_next_place)
{
	struct gate_waiter one = { .since_ms = 0 }, two = { .since_ms = 0 };

	start(1);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	ck_assert_int_eq(gate_take_place(gate, &two), -EUSERS);
	two.since_ms -= 1000;
	gate_return_place(gate);
	ck_assert_int_eq(gate_take_place(gate, &one), -EUSERS);
	ck_assert_int_eq(gate_take_place(gate, &two), 0);
	gate_return_place(gate);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	gate_return_place(gate);
	stop();
}
END_TEST

START_TEST(who_waits_no_more_is_in_nobodys_way)
{
	struct gate_waiter one = { .since_ms = 0 }, two = { .since_ms = 0 };

	start(1);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	ck_assert_int_eq(gate_take_place(gate, &two), -EUSERS);
	two.since_ms -= 1000;
	gate_return_place(gate);
	gate_stop_waiting(&two);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	gate_return_place(gate);
	gate_stop_waiting(&two);
	stop();
}
END_TEST

START_TEST(a_dry_run_has_places_without_end)
{
	struct gate_waiter one = { .since_ms = 0 };
	int i;

	item("dry-run", "max-connections");
	start(1);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(gate_take_place(gate, &one), 0);
	ck_assert_uint_eq(counters.spared[LIMIT_CONNECTIONS], 2);
	for (i = 0; i < 3; i++)
		gate_return_place(gate);
	stop();
}
END_TEST

START_TEST(a_second_place_needs_no_first_one)
{
	struct gate_waiter one = { .since_ms = 0 };

	start(1);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	gate_take_second_place(gate);
	gate_return_place(gate);
	ck_assert_int_eq(gate_take_place(gate, &one), -EUSERS);
	gate_return_place(gate);
	ck_assert_int_eq(gate_take_place(gate, &one), 0);
	gate_return_place(gate);
	stop();
}
END_TEST

START_TEST(names_of_limits_are_checked)
{
	char why[256];

	ck_assert_int_eq(limit_check("max-connections", why, sizeof(why)), 0);
	ck_assert_int_eq(limit_find("bytes-out-rate"), LIMIT_BYTES_OUT);
	ck_assert_int_eq(
	    limit_check("max-conections", why, sizeof(why)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "max-connections"));
	ck_assert_int_eq(limit_check("tea", why, sizeof(why)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "bytes-in-rate"));
}
END_TEST

static void
bind_at(struct addr *bound, struct limit_log *log, const char *text)
{
	struct addr_spec spec;
	const char *why;

	ck_assert_int_eq(addr_parse(text, &spec, &why), 0);
	ck_assert_int_eq(addr_resolve(&spec, bound, 1, &why), 1);
	log->bound = bound;
}

START_TEST(the_log_is_bounded_for_each_limit_and_listener)
{
	struct limit_log one = { .bound = NULL }, other = { .bound = NULL };
	char more[LIMIT_MORE_SIZE] = "";
	struct addr bound, elsewhere;

	bind_at(&bound, &one, "127.0.0.1:1001");
	bind_at(&elsewhere, &other, "127.0.0.1:1002");
	ck_assert(limit_may_say(&one, LIMIT_BYTES_IN, more, sizeof(more)));
	ck_assert_str_eq(more, " on 127.0.0.1:1001");
	ck_assert(limit_may_say(&one, LIMIT_RATE, more, sizeof(more)));
	ck_assert(limit_may_say(&other, LIMIT_BYTES_IN, more, sizeof(more)));
	ck_assert_str_eq(more, " on 127.0.0.1:1002");
	ck_assert(limit_may_say(&one, LIMIT_CONNECTIONS, more, sizeof(more)));
	ck_assert(!limit_may_say(&one, LIMIT_CONNECTIONS, more, sizeof(more)));
	while (!limit_may_say(&one, LIMIT_RATE, more, sizeof(more)))
		usleep(100000);
	ck_assert_ptr_nonnull(strstr(more, " on 127.0.0.1:1001 (and "));
	ck_assert_ptr_nonnull(strstr(more, " more since the last)"));
}
END_TEST

START_TEST(without_a_listener_the_log_is_bounded_too)
{
	char more[LIMIT_MORE_SIZE] = "";

	ck_assert(limit_may_say(NULL, LIMIT_RATE, more, sizeof(more)));
	ck_assert_str_eq(more, "");
	ck_assert(!limit_may_say(NULL, LIMIT_RATE, more, sizeof(more)));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gate");
	TCase *enter_case = tcase_create("enter");
	TCase *places = tcase_create("places");
	TCase *limits = tcase_create("limits");

	tcase_add_checked_fixture(enter_case, begin, NULL);
	tcase_add_test(enter_case, without_limits_everybody_may_enter);
	tcase_add_test(enter_case, no_gate_is_an_open_gate);
	tcase_add_test(
	    enter_case, without_a_host_the_access_list_is_asked_all_the_same);
	tcase_add_test(enter_case, the_first_rule_that_fits_decides);
	tcase_add_test(enter_case, what_is_no_network_makes_no_gate);
	tcase_add_test(enter_case, a_client_has_so_many_and_no_more);
	tcase_add_test(enter_case, who_is_refused_later_is_not_counted);
	tcase_add_test(
	    enter_case, who_comes_too_often_uses_up_nothing_of_the_listeners);
	tcase_add_test(enter_case, a_dry_run_counts_and_refuses_nobody);
	suite_add_tcase(suite, enter_case);
	tcase_add_checked_fixture(places, begin, NULL);
	tcase_add_test(places, without_a_place_one_waits);
	tcase_add_test(places, a_gate_has_a_limit_of_its_own);
	tcase_add_test(places, who_waits_longer_has_the_next_place);
	tcase_add_test(places, who_waits_no_more_is_in_nobodys_way);
	tcase_add_test(places, a_dry_run_has_places_without_end);
	tcase_add_test(places, a_second_place_needs_no_first_one);
	suite_add_tcase(suite, places);
	tcase_set_timeout(limits, 60);
	tcase_add_test(limits, names_of_limits_are_checked);
	tcase_add_test(limits, the_log_is_bounded_for_each_limit_and_listener);
	tcase_add_test(limits, without_a_listener_the_log_is_bounded_too);
	suite_add_tcase(suite, limits);
	return tap_run(suite);
}
