/* SPDX-License-Identifier: BSD-2-Clause */
/* A handler without a network: its time, its clients and its memory. */
#include "rig.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "failing.h"
#include "plugin_load.h"
#include "quarantine.h"
#include "tap.h"

static char path[4096];
static struct rig_options options;
static struct rig_left left;

/* One of tests/plugins and tests/planted. */
static const char *
plugin(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s.so", getenv("BEVHOST_TEST_PLUGINS"),
	    name);
	return path;
}

static struct rig *
start(const char *name)
{
	struct rig *rig;

	options.plugin = plugin(name);
	rig = rig_new(&options, &left);
	ck_assert_ptr_nonnull(rig);
	return rig;
}

static void
setup(void)
{
	memset(&options, 0, sizeof(options));
}

static void
teardown(void)
{
	plugin_remove_copies();
}

static void
send_text(struct rig *rig, struct rig_end *end, const char *text)
{
	ck_assert_int_eq(rig_send(rig, end, text, strlen(text)), 0);
	ck_assert_int_eq(rig_settle(rig), 0);
}

static void
check_came(const struct rig_end *end, const char *text)
{
	ck_assert_uint_eq(end->len, strlen(text));
	if (end->len > 0)
		ck_assert_mem_eq(end->came, text, end->len);
}

static void
leave(struct rig *rig)
{
	ck_assert_int_eq(rig_leave(rig, 60000), 0);
	ck_assert_uint_eq(rig_connections(rig), 0);
	rig_free(rig, &left);
	ck_assert_int_eq(left.held, 0);
	ck_assert_int_eq(left.descriptors, 0);
	ck_assert_int_eq(left.spoiled, 0);
}

/* Time */

START_TEST(time_goes_on_when_it_is_told_to)
{
	struct rig *rig = start("serve");
	struct rig_end *end = rig_connect(rig);
	struct timespec before, after;
	time_t clock = time(NULL);

	send_text(rig, end, "after 50000\n");
	clock_gettime(CLOCK_MONOTONIC, &before);
	ck_assert_int_eq(rig_wait(rig, 49999), 0);
	check_came(end, "");
	ck_assert_int_eq(rig_wait(rig, 1), 0);
	check_came(end, "after");
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_eq(after.tv_sec - before.tv_sec, 50);
	ck_assert_int_eq(after.tv_nsec, before.tv_nsec);
	ck_assert_int_ge(time(NULL) - clock, 50);
	leave(rig);
	/* It is real again. */
	ck_assert_int_lt(time(NULL) - clock, 50);
}
END_TEST

START_TEST(time_goes_on_for_timers_when_all_have_gone)
{
	struct rig *rig = start("correct_late_timer");
	struct rig_end *end = rig_connect(rig);

	send_text(rig, end, "hello\n");
	ck_assert_int_eq(rig_leave(rig, 60000), 0);
	ck_assert_uint_eq(rig_connections(rig), 0);
	rig_free(rig, &left);
}
END_TEST

START_TEST(who_sleeps_is_noticed)
{
	struct rig *rig = start("planted_blocks");
	struct rig_end *end = rig_connect(rig);

	send_text(rig, end, "hel");
	check_came(end, "");
	send_text(rig, end, "lo\n");
	check_came(end, "hello\n");
	ck_assert_int_ge(rig_slept_ms(rig), 140);
	leave(rig);
}
END_TEST

/* Clients */

START_TEST(clients_are_told_apart)
{
	struct rig *rig = start("correct_partial");
	struct rig_end *one = rig_connect(rig), *two = rig_connect(rig);

	send_text(rig, one, "hel");
	send_text(rig, two, "four\n");
	send_text(rig, one, "lo\n");
	check_came(one, "5\n");
	check_came(two, "4\n");
	ck_assert_uint_eq(rig_connections(rig), 2);
	leave(rig);
}
END_TEST

START_TEST(each_way_to_go_has_its_reason)
{
	struct rig *rig = start("correct_partial");
	struct rig_end *ends[4];
	int i;

	for (i = 0; i < 4; i++) {
		ends[i] = rig_connect(rig);
		ck_assert_ptr_nonnull(ends[i]);
	}
	ck_assert_int_eq(rig_settle(rig), 0);
	rig_end_writing(ends[0]);
	rig_close(ends[1]);
	rig_reset(ends[2]);
	ck_assert_int_eq(rig_settle(rig), 0);
	ck_assert_int_eq(ends[0]->eof, 1);
	ck_assert_int_eq(ends[0]->reason, BEVHOST_REASON_PEER);
	ck_assert_int_eq(ends[1]->reason, BEVHOST_REASON_PEER);
	ck_assert_int_eq(ends[2]->reason, BEVHOST_REASON_RESET);
	ck_assert_int_eq(ends[3]->gone, 0);
	rig_drain(rig);
	ck_assert_int_eq(rig_settle(rig), 0);
	ck_assert_int_eq(ends[3]->eof, 1);
	rig_close(ends[3]);
	ck_assert_int_eq(rig_settle(rig), 0);
	ck_assert_int_eq(ends[3]->reason, BEVHOST_REASON_DRAIN);
	leave(rig);
}
END_TEST

START_TEST(there_is_an_end_to_clients)
{
	struct rig *rig = start("minimal");
	int i;

	for (i = 0; i < RIG_ENDS_MAX; i++)
		ck_assert_ptr_nonnull(rig_connect(rig));
	ck_assert_ptr_null(rig_connect(rig));
	leave(rig);
}
END_TEST

START_TEST(much_goes_both_ways)
{
	static const size_t size = (size_t)8 << 20;
	struct rig *rig = start("correct_descriptor"); /* says it again */
	struct rig_end *end = rig_connect(rig);
	char *bytes = malloc(size);
	size_t i;

	ck_assert_ptr_nonnull(bytes);
	for (i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 / 3);
	ck_assert_int_eq(rig_send(rig, end, bytes, size), 0);
	ck_assert_int_eq(rig_settle(rig), 0);
	ck_assert_uint_eq(end->len, size);
	ck_assert(memcmp(end->came, bytes, size) == 0);
	free(bytes);
	leave(rig);
}
END_TEST

/* A page of 16384 bytes and "done": as often as little of it is owed. */
START_TEST(a_slow_reader_is_written_to_in_pieces)
{
	size_t len[2];
	int slow;

	for (slow = 0; slow < 2; slow++) {
		struct rig_end *end;
		struct rig *rig;

		options.slow_reader = slow;
		rig = start("planted_sent_twice");
		end = rig_connect(rig);
		send_text(rig, end, "page\n");
		len[slow] = end->len;
		leave(rig);
	}
	ck_assert_uint_eq(len[0], 16384 + 5);
	ck_assert_uint_gt(len[1], 16384 + 5);
}
END_TEST

START_TEST(who_stalls_gets_nothing_before_it_reads_on)
{
	struct rig *rig = start("correct_partial");
	struct rig_end *end = rig_connect(rig);
	int i;

	for (i = 0; i < 3; i++) {
		rig_stall(end);
		send_text(rig, end, "hello\n");
		ck_assert_uint_eq(end->len, (size_t)2 * (size_t)i);
		rig_resume(end);
		ck_assert_int_eq(rig_settle(rig), 0);
	}
	check_came(end, "5\n5\n5\n");
	/* What has come before it stalls it has; also when that is not read. */
	ck_assert_int_eq(rig_send(rig, end, "four\n", 5), 0);
	rig_stall(end);
	ck_assert_int_eq(rig_settle(rig), 0);
	rig_end_writing(end);
	ck_assert_int_eq(rig_settle(rig), 0);
	ck_assert_int_eq(end->eof, 0);
	rig_resume(end);
	ck_assert_int_eq(rig_settle(rig), 0);
	check_came(end, "5\n5\n5\n4\n");
	ck_assert_int_eq(end->eof, 1);
	leave(rig);
}
END_TEST

START_TEST(who_stops_reading_is_not_waited_for)
{
	static char bytes[64 * 1024];
	struct rig *rig = start("serve");
	struct rig_end *end = rig_connect(rig);
	int status = 0, i;

	send_text(rig, end, "deaf 3600000\n");
	memset(bytes, '\n', sizeof(bytes));
	for (i = 0; i < 100 && status == 0; i++)
		status = rig_send(rig, end, bytes, sizeof(bytes));
	ck_assert_int_eq(status, -1);
	ck_assert_str_eq(rig_why(rig), "the handler has stopped reading");
	leave(rig);
}
END_TEST

/* Memory */

static int64_t
count_allocations(void)
{
	struct rig *rig = start("correct_leak");
	int64_t count;

	send_text(rig, rig_connect(rig), "one\ntwo\n\n");
	count = rig_allocations(rig);
	leave(rig);
	return count;
}

START_TEST(allocations_have_the_same_numbers_each_time)
{
	int64_t count;

	count_allocations();
	count = count_allocations();
	ck_assert_int_gt(count, 0);
	ck_assert_int_eq(count_allocations(), count);
	ck_assert_int_eq(left.blocks, 0);
}
END_TEST

START_TEST(that_allocation_fails_and_those_after_it)
{
	struct rig *rig;
	struct rig_end *end;
	int64_t count;

	count_allocations();
	count = count_allocations();
	options.fail_first = count;
	options.fail_after = count + 1;
	rig = start("correct_leak");
	end = rig_connect(rig);
	send_text(rig, end, "one\ntwo\n\n");
	ck_assert_int_eq(rig_failed(rig), 1);
	leave(rig);
	ck_assert_int_eq(left.blocks, 0);

	options.fail_first = 1;
	options.fail_after = INT64_MAX;
	options.plugin = plugin("correct_leak");
	ck_assert_ptr_null(rig_new(&options, &left));
	ck_assert_int_eq(left.blocks, 0);
	ck_assert_int_eq(left.descriptors, 0);
}
END_TEST

START_TEST(descriptors_that_stay_open_are_counted)
{
	struct rig *rig = start("planted_descriptor");
	struct rig_end *end = rig_connect(rig);

	send_text(rig, end, "x");
	rig_reset(end);
	ck_assert_int_eq(rig_leave(rig, 60000), 0);
	rig_free(rig, &left);
	ck_assert_int_eq(left.descriptors, 1);
}
END_TEST

#ifndef SANITIZERS /* which would say it first */

/* Which is between two turns, or not, as it happens. */
static void *
free_later(void *barrier)
{
	void *volatile block = malloc(16);

	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	free(block);
	pthread_barrier_wait(barrier);
	return NULL;
}

START_TEST(what_a_job_frees_between_two_turns_is_freed)
{
	struct failing failing = { 0 };
	pthread_barrier_t barrier;
	pthread_t thread;
	int64_t live, other;
	void *volatile block;

	pthread_barrier_init(&barrier, NULL, 2);
	failing_set(&failing);
	ck_assert_int_eq(
	    pthread_create(&thread, NULL, free_later, &barrier), 0);
	pthread_barrier_wait(&barrier);
	live = failing.live;
	failing_pause(1);
	block = malloc(16);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	other = failing.live;
	free(block);
	failing_pause(0);
	failing_set(NULL);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&barrier);
	ck_assert_int_eq(other, live - 1);
}
END_TEST

START_TEST(what_is_lost_is_counted)
{
	struct rig *rig;
	struct rig_end *end;

	count_allocations();
	/* The line's text is there, and its entry is not. */
	options.fail_first = count_allocations();
	for (; options.fail_first > 1; options.fail_first--) {
		options.fail_after = options.fail_first + 1;
		options.plugin = plugin("planted_leak");
		rig = rig_new(&options, &left);
		if (rig == NULL)
			break;
		end = rig_connect(rig);
		if (end != NULL)
			send_text(rig, end, "one\ntwo\n\n");
		leave(rig);
		if (left.blocks > 0)
			break;
	}
	ck_assert_int_eq(left.blocks, 1);
}
END_TEST

START_TEST(memory_that_is_freed_is_filled_and_watched)
{
	struct failing failing = { .pid = 0 };
	volatile unsigned char *block;
	volatile uintptr_t where; /* the compiler would know better */

	quarantine_start();
	failing_set(&failing);
	where = (uintptr_t)malloc(100);
	free((void *)where);
	failing_set(NULL);
	block = (volatile unsigned char *)where;
	ck_assert_int_eq(block[50], 0xdb);
	block[99] = 1;
	ck_assert_int_eq(quarantine_stop(), 1);
	ck_assert_int_eq(failing.live, 0);

	quarantine_start();
	failing_set(&failing);
	free(malloc(100));
	failing_set(NULL);
	ck_assert_int_eq(quarantine_stop(), 0);
}
END_TEST

START_TEST(memory_that_is_freed_twice_ends_it)
{
	struct failing failing = { .pid = 0 };
	volatile uintptr_t where;

	quarantine_start();
	failing_set(&failing);
	where = (uintptr_t)malloc(100);
	free((void *)where);
	free((void *)where);
}
END_TEST

#endif

START_TEST(what_does_not_start_leaves_nothing)
{
	static const char *const words[] = { "nothing=here", NULL };

	options.plugin = "/nowhere.so";
	ck_assert_ptr_null(rig_new(&options, &left));
	ck_assert_int_eq(left.refused, EX_CONFIG);
	options.plugin = plugin("refused_api");
	ck_assert_ptr_null(rig_new(&options, &left));
	options.plugin = plugin("correct_partial");
	options.words = words;
	ck_assert_ptr_null(rig_new(&options, &left));
	ck_assert_int_eq(left.refused, EX_USAGE);
	ck_assert_str_eq(
	    left.why, "partial: unknown parameter 'nothing': it takes none");
	ck_assert_int_eq(left.descriptors, 0);
	ck_assert_int_eq(left.held, 0);
	options.words = NULL;
	leave(start("correct_partial"));
}
END_TEST

static void
add_memory(Suite *suite)
{
	TCase *tcase = tcase_create("memory");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, allocations_have_the_same_numbers_each_time);
	tcase_add_test(tcase, that_allocation_fails_and_those_after_it);
#ifndef SANITIZERS
	tcase_add_test(tcase, what_a_job_frees_between_two_turns_is_freed);
	tcase_add_test(tcase, what_is_lost_is_counted);
	tcase_add_test(tcase, memory_that_is_freed_is_filled_and_watched);
	tcase_add_test_raise_signal(
	    tcase, memory_that_is_freed_twice_ends_it, SIGABRT);
#endif
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("rig");
	TCase *tcase = tcase_create("time");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, time_goes_on_when_it_is_told_to);
	tcase_add_test(tcase, time_goes_on_for_timers_when_all_have_gone);
	tcase_add_test(tcase, who_sleeps_is_noticed);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("clients");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, clients_are_told_apart);
	tcase_add_test(tcase, each_way_to_go_has_its_reason);
	tcase_add_test(tcase, there_is_an_end_to_clients);
	tcase_add_test(tcase, much_goes_both_ways);
	tcase_add_test(tcase, a_slow_reader_is_written_to_in_pieces);
	tcase_add_test(tcase, who_stalls_gets_nothing_before_it_reads_on);
	tcase_add_test(tcase, who_stops_reading_is_not_waited_for);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("left");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, descriptors_that_stay_open_are_counted);
	tcase_add_test(tcase, what_does_not_start_leaves_nothing);
	suite_add_tcase(suite, tcase);
	/* Valgrind's functions stand in the place of those that count. */
	if (getenv("BEVHOST_UNDER") == NULL)
		add_memory(suite);
	return tap_run(suite);
}
