/* SPDX-License-Identifier: BSD-2-Clause */
/* How often the log may have a line, and what is told of the others. */
#include "seldom.h"

#include "tap.h"

#define HOUR_MS (60 * 60 * INT64_C(1000))

START_TEST(the_first_is_said_and_those_after_it_are_counted)
{
	struct seldom seldom = { .said_ms = 0 };
	char more[SELDOM_MORE_SIZE] = "x";

	ck_assert(seldom_may(&seldom, HOUR_MS, more));
	ck_assert_str_eq(more, "");
	ck_assert(!seldom_may(&seldom, HOUR_MS, more));
	ck_assert(!seldom_may(&seldom, HOUR_MS, more));
	/* The time is over. */
	ck_assert(seldom_may(&seldom, 0, more));
	ck_assert_str_eq(more, " (and 2 more since the last)");
	ck_assert(seldom_may(&seldom, 0, more));
	ck_assert_str_eq(more, "");
}
END_TEST

START_TEST(one_kind_of_line_does_not_silence_another)
{
	struct seldom one = { .said_ms = 0 }, other = { .said_ms = 0 };
	char more[SELDOM_MORE_SIZE];

	ck_assert(seldom_may(&one, HOUR_MS, more));
	ck_assert(seldom_may(&other, HOUR_MS, more));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("seldom");
	TCase *tcase = tcase_create("may");

	tcase_add_test(tcase, the_first_is_said_and_those_after_it_are_counted);
	tcase_add_test(tcase, one_kind_of_line_does_not_silence_another);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
