/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters of processes: what the living hold and what the dead leave. */
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "tap.h"

static struct stats stats;

static void
setup(void)
{
	ck_assert_int_eq(stats_init(&stats), 0);
}

static void
teardown(void)
{
	stats_clear(&stats);
}

static struct counters
sum_of(const struct stats *of)
{
	struct counters sum;

	stats_sum(of, &sum);
	return sum;
}

/* As a process that has accepted 5 and holds 3. */
static int
busy_share(void)
{
	int share = stats_take(&stats);

	ck_assert_int_gt(share, 0);
	stats.shares[share].counters.accepted = 5;
	stats.shares[share].counters.connections = 3;
	stats.shares[share].counters.closed[1] = 1;
	stats.shares[share].counters.closed[COUNTERS_REASONS - 1] = 1;
	return share;
}

START_TEST(each_process_has_a_share_until_none_is_left)
{
	unsigned char seen[STATS_SHARES] = { 0 };
	int i, share;

	for (i = 1; i < STATS_SHARES; i++) {
		share = stats_take(&stats);
		ck_assert_int_gt(share, 0);
		ck_assert_int_lt(share, STATS_SHARES);
		ck_assert_int_eq(seen[share], 0);
		seen[share] = 1;
	}
	ck_assert_int_eq(stats_take(&stats), -1);
	stats_return(&stats, 77);
	ck_assert_int_eq(stats_take(&stats), 77);
	ck_assert_int_eq(stats_take(&stats), -1);
}
END_TEST

START_TEST(a_share_begins_empty_whoever_had_it)
{
	int share = busy_share();

	stats.shares[share].heartbeat_ms = 1;
	stats.shares[share].crash.signal = 11;
	stats.shares[share].crash.handler = 2;
	stats_return(&stats, share);
	ck_assert_int_eq(stats_take(&stats), share);
	ck_assert(stats.shares[share].counters.accepted == 0);
	ck_assert(stats.shares[share].counters.connections == 0);
	ck_assert(stats.shares[share].heartbeat_ms == 0);
	ck_assert_int_eq(stats.shares[share].crash.signal, 0);
	ck_assert_int_eq(stats.shares[share].crash.handler, -1);
}
END_TEST

START_TEST(a_dead_process_holds_nothing_and_has_counted)
{
	int share = busy_share();
	struct counters sum = sum_of(&stats);

	ck_assert(sum.accepted == 5 && sum.connections == 3);
	stats_return(&stats, share);
	sum = sum_of(&stats);
	ck_assert(sum.connections == 0);
	ck_assert(sum.accepted == 5);
	ck_assert(sum.closed[1] == 1);
	ck_assert(sum.closed[COUNTERS_REASONS - 1] == 1);
	ck_assert(sum.closed[0] == 0);
}
END_TEST

START_TEST(the_sum_is_of_the_living_and_the_dead)
{
	struct counters sum;
	int i;

	for (i = 0; i < 10; i++) {
		int share = busy_share();

		if (i % 2 == 0)
			stats_return(&stats, share);
	}
	sum = sum_of(&stats);
	ck_assert(sum.accepted == 50);
	ck_assert(sum.closed[1] == 10);
	ck_assert(sum.connections == 15);
}
END_TEST

START_TEST(what_another_process_counts_is_seen)
{
	int share = stats_take(&stats), status;
	pid_t pid = fork();
	struct stats_share *own;
	struct counters sum;

	if (pid == 0) {
		own = stats_attach(stats.fd, share);
		if (own == NULL)
			_exit(1);
		own->counters.accepted += 9;
		own->counters.connections += 4;
		own->heartbeat_ms = 123;
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	sum = sum_of(&stats);
	ck_assert(sum.accepted == 9 && sum.connections == 4);
	ck_assert(stats.shares[share].heartbeat_ms == 123);
	stats_return(&stats, share);
	sum = sum_of(&stats);
	ck_assert(sum.accepted == 9 && sum.connections == 0);
}
END_TEST

START_TEST(a_share_that_is_none_is_not_attached)
{
	static const int numbers[] = { -1, 0, STATS_SHARES, 0x7fffffff };

	errno = 0;
	ck_assert_ptr_null(stats_attach(stats.fd, numbers[_i]));
	ck_assert_int_eq(errno, EPROTO);
}
END_TEST

START_TEST(memory_of_another_size_is_refused)
{
	static const off_t more[] = { -1, 1, 64 };
	int fd = memfd_create("other", MFD_CLOEXEC);
	struct stats other;
	struct stat st;

	ck_assert_int_eq(fstat(stats.fd, &st), 0);
	ck_assert_int_eq(ftruncate(fd, _i < 3 ? st.st_size + more[_i] : 0), 0);
	errno = 0;
	ck_assert_ptr_null(stats_attach(fd, 1));
	ck_assert_int_eq(errno, EPROTO);
	errno = 0;
	ck_assert_int_eq(stats_adopt(&other, fd), -1);
	ck_assert_int_eq(errno, EPROTO);
	/* Either way the fd is its own then. */
	stats_clear(&other);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(what_is_no_memory_is_refused)
{
	errno = 0;
	ck_assert_ptr_null(stats_attach(-1, 1));
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(a_new_master_goes_on_with_the_old_ones_memory)
{
	int living = busy_share(), dead = busy_share();
	struct stats next;
	struct counters sum;

	stats_return(&stats, dead);
	ck_assert_int_eq(
	    stats_adopt(&next, fcntl(stats.fd, F_DUPFD_CLOEXEC, 3)), 0);
	sum = sum_of(&next);
	ck_assert(sum.accepted == 5); /* of the dead */
	ck_assert_int_eq(stats_keep(&next, living), 0);
	sum = sum_of(&next);
	ck_assert(sum.accepted == 10 && sum.connections == 3);
	/* It is not given to another. */
	ck_assert_int_ne(stats_take(&next), living);
	stats_return(&next, living);
	sum = sum_of(&next);
	ck_assert(sum.accepted == 10 && sum.connections == 0);
	stats_clear(&next);
}
END_TEST

START_TEST(a_share_that_is_none_or_taken_is_not_kept)
{
	static const int numbers[] = { -1, 0, STATS_SHARES, 0x7fffffff };
	int share = stats_take(&stats), i;

	for (i = 0; i < 4; i++) {
		errno = 0;
		ck_assert_int_eq(stats_keep(&stats, numbers[i]), -1);
		ck_assert_int_eq(errno, EPROTO);
	}
	ck_assert_int_eq(stats_keep(&stats, share), -1);
	ck_assert_int_eq(stats_keep(&stats, share + 1), 0);
	ck_assert_int_eq(stats_keep(&stats, share + 1), -1);
}
END_TEST

START_TEST(the_memory_does_not_survive_exec_and_is_closed)
{
	struct stats other;
	int fd;

	ck_assert_int_eq(stats_init(&other), 0);
	fd = other.fd;
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	stats_clear(&other);
	stats_clear(&other);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(time_goes_on)
{
	int64_t before = clock_ms();

	ck_assert(before > 0);
	ck_assert(clock_ms() >= before);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tcase = tcase_create("stats");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_process_has_a_share_until_none_is_left);
	tcase_add_test(tcase, a_share_begins_empty_whoever_had_it);
	tcase_add_test(tcase, a_dead_process_holds_nothing_and_has_counted);
	tcase_add_test(tcase, the_sum_is_of_the_living_and_the_dead);
	tcase_add_test(tcase, what_another_process_counts_is_seen);
	tcase_add_loop_test(tcase, a_share_that_is_none_is_not_attached, 0, 4);
	tcase_add_loop_test(tcase, memory_of_another_size_is_refused, 0, 4);
	tcase_add_test(tcase, what_is_no_memory_is_refused);
	tcase_add_test(tcase, a_new_master_goes_on_with_the_old_ones_memory);
	tcase_add_test(tcase, a_share_that_is_none_or_taken_is_not_kept);
	tcase_add_test(tcase, the_memory_does_not_survive_exec_and_is_closed);
	tcase_add_test(tcase, time_goes_on);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
