/* SPDX-License-Identifier: BSD-2-Clause */
/* byte_rate on a clock of our own. */
#include "byte_rate.h"

#include "tap.h"

/* Moves all that it may for so long; each wait is kept. */
static int64_t
move(struct byte_rate *rate, int64_t *now, int64_t ms, int *waits)
{
	int64_t end = *now + ms, moved = 0;

	while (*now < end) {
		size_t room = byte_rate_room(rate, *now);

		byte_rate_take(rate, room);
		moved += (int64_t)room;
		*now += byte_rate_wait(rate, SIZE_MAX);
		++*waits;
	}
	*now = end;
	return moved;
}

START_TEST(a_second_s_worth_moves_at_once)
{
	struct byte_rate rate;

	byte_rate_init(&rate, 1000, 50);
	ck_assert_uint_eq(byte_rate_room(&rate, 50), 1000);
	byte_rate_take(&rate, 1000);
	ck_assert_uint_eq(byte_rate_room(&rate, 50), 0);
}
END_TEST

START_TEST(over_time_no_more_moves_than_the_rate_and_one_second)
{
	static const int64_t rates[] = { 1, 7, 64, 1000, 65536, 10000000 };
	size_t i;

	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct byte_rate rate;
		int64_t now = 99, moved;
		int waits = 0;

		byte_rate_init(&rate, rates[i], now);
		moved = move(&rate, &now, 100 * 1000, &waits);
		ck_assert_int_le(moved, 101 * rates[i]);
		ck_assert_int_ge(moved, 100 * rates[i] - rates[i] / 5);
		ck_assert_int_le(waits, 1002);
	}
}
END_TEST

START_TEST(what_was_not_used_is_no_more_than_one_second_s_worth)
{
	struct byte_rate rate;

	byte_rate_init(&rate, 1000, 0);
	byte_rate_take(&rate, 1000);
	ck_assert_uint_eq(byte_rate_room(&rate, INT64_MAX / 2), 1000);
}
END_TEST

START_TEST(what_moved_too_much_is_waited_for)
{
	struct byte_rate rate;

	byte_rate_init(&rate, 1000, 0);
	byte_rate_take(&rate, 6000);
	ck_assert_uint_eq(byte_rate_room(&rate, 4999), 0);
	ck_assert_int_eq(byte_rate_wait(&rate, 1), 2);
	ck_assert_int_eq(byte_rate_wait(&rate, 50), 51);
	ck_assert_int_eq(byte_rate_wait(&rate, 5000), 101);
	ck_assert_uint_eq(byte_rate_room(&rate, 5100), 100);
}
END_TEST

START_TEST(a_clock_that_stands_or_goes_back_gives_nothing)
{
	struct byte_rate rate;

	byte_rate_init(&rate, 1000, 100);
	byte_rate_take(&rate, 1000);
	ck_assert_uint_eq(byte_rate_room(&rate, 100), 0);
	ck_assert_uint_eq(byte_rate_room(&rate, 0), 0);
}
END_TEST

START_TEST(the_largest_numbers_overflow_nothing)
{
	struct byte_rate rate;

	byte_rate_init(&rate, INT64_MAX, 0);
	ck_assert_uint_gt(byte_rate_room(&rate, 0), 0);
	byte_rate_take(&rate, SIZE_MAX);
	byte_rate_take(&rate, SIZE_MAX);
	byte_rate_take(&rate, SIZE_MAX);
	ck_assert_int_ge(byte_rate_wait(&rate, SIZE_MAX), 1);
	ck_assert_uint_gt(byte_rate_room(&rate, INT64_MAX), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("byte_rate");
	TCase *tcase = tcase_create("byte_rate");

	tcase_add_test(tcase, a_second_s_worth_moves_at_once);
	tcase_add_test(
	    tcase, over_time_no_more_moves_than_the_rate_and_one_second);
	tcase_add_test(
	    tcase, what_was_not_used_is_no_more_than_one_second_s_worth);
	tcase_add_test(tcase, what_moved_too_much_is_waited_for);
	tcase_add_test(tcase, a_clock_that_stands_or_goes_back_gives_nothing);
	tcase_add_test(tcase, the_largest_numbers_overflow_nothing);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
