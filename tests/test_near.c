/* SPDX-License-Identifier: BSD-2-Clause */
/* What is near to a mistyped word, what is not, and which one is offered. */
#include "near.h"

#include <string.h>

#include "tap.h"

/* What is offered for a word among candidates, ended by NULL. */
static const char *
offered(const char *word, const char *const *candidates, char *buf, size_t size)
{
	struct near near = { .word = word };

	for (; *candidates != NULL; candidates++)
		near_offer(&near, *candidates);
	return near_text(&near, buf, size);
}

struct near_case {
	const char *word, *candidates[6], *hint;
};

static void
check_cases(const struct near_case *cases, size_t count)
{
	char buf[96];
	size_t i;

	for (i = 0; i < count; i++) {
		const char *hint = offered(
		    cases[i].word, cases[i].candidates, buf, sizeof(buf));

		ck_assert_msg(strcmp(hint, cases[i].hint) == 0,
		    "'%s': got \"%s\" instead of \"%s\"", cases[i].word, hint,
		    cases[i].hint);
	}
}

#define CHECK_CASES(cases) check_cases(cases, sizeof(cases) / sizeof(cases[0]))

START_TEST(one_slip_of_the_finger_is_near)
{
	static const struct near_case cases[] = {
		{ "greting", { "greeting" }, ", did you mean 'greeting'?" },
		{ "greeeting", { "greeting" }, ", did you mean 'greeting'?" },
		{ "greetimg", { "greeting" }, ", did you mean 'greeting'?" },
		{ "greetign", { "greeting" }, ", did you mean 'greeting'?" },
		{ "ehco", { "echo" }, ", did you mean 'echo'?" },
		{ "xecho", { "echo" }, ", did you mean 'echo'?" },
		{ "echox", { "echo" }, ", did you mean 'echo'?" },
		{ "echo", { "echo" }, ", did you mean 'echo'?" },
	};

	CHECK_CASES(cases);
}
END_TEST

START_TEST(a_third_of_the_letters_and_one_may_be_wrong)
{
	static const struct near_case cases[] = {
		{ "abc", { "axy" }, ", did you mean 'axy'?" },
		{ "abc", { "xyz" }, "" },
		{ "abcdef", { "abcxyz" }, ", did you mean 'abcxyz'?" },
		{ "abcdef", { "abwxyz" }, "" },
		{ "listen", { "verbose" }, "" },
	};

	CHECK_CASES(cases);
}
END_TEST

START_TEST(a_word_with_no_letter_right_has_no_near_one)
{
	static const struct near_case cases[] = {
		{ "", { "a", "ab", "" }, "" },
		{ "a", { "b", "bc", "" }, "" },
		{ "ab", { "cd" }, "" },
	};

	CHECK_CASES(cases);
}
END_TEST

START_TEST(nothing_is_offered_when_there_is_nothing_to_offer)
{
	static const struct near_case cases[] = {
		{ "echo", { NULL }, "" },
		{ "echo", { "" }, "" },
	};

	CHECK_CASES(cases);
}
END_TEST

START_TEST(the_nearest_wins_wherever_it_stands)
{
	static const struct near_case cases[] = {
		{ "timeout", { "timeline", "timeouts", "time" },
		    ", did you mean 'timeouts'?" },
		{ "timeout", { "timeouts", "timeline", "time" },
		    ", did you mean 'timeouts'?" },
		{ "timeout", { "timeline", "time", "timeout" },
		    ", did you mean 'timeout'?" },
	};

	CHECK_CASES(cases);
}
END_TEST

START_TEST(the_first_of_two_equally_near_wins)
{
	static const struct near_case cases[] = {
		{ "bat", { "cat", "hat" }, ", did you mean 'cat'?" },
		{ "bat", { "hat", "cat" }, ", did you mean 'hat'?" },
	};

	CHECK_CASES(cases);
}
END_TEST

/* At every length around the tables' size and far beyond. */
START_TEST(long_words_are_near_to_nothing_else)
{
	char word[1025], other[1025], buf[2048];
	const char *candidates[] = { "echo", "greeting", other, NULL };
	size_t len;

	for (len = 12; len < sizeof(word); len++) {
		memset(word, 'x', len);
		memset(other, 'y', len);
		word[len] = other[len] = '\0';
		ck_assert_msg(
		    offered(word, candidates, buf, sizeof(buf))[0] == '\0',
		    "a word of %zu letters: %s", len, buf);
	}
}
END_TEST

START_TEST(the_longest_words_that_are_compared_have_63_letters)
{
	char word[66], other[66], buf[128];
	const char *candidates[] = { other, NULL };
	size_t len;

	for (len = 60; len < sizeof(word) - 1; len++) {
		memset(word, 'x', len);
		memset(other, 'x', len);
		word[len] = other[len] = '\0';
		other[len / 2] = 'y';
		offered(word, candidates, buf, sizeof(buf));
		if (len <= 63)
			ck_assert_ptr_nonnull(strstr(buf, other));
		else
			ck_assert_str_eq(buf, "");
	}
}
END_TEST

START_TEST(the_text_never_exceeds_its_buffer)
{
	static const char whole[] = ", did you mean 'greeting'?";
	const char *candidates[] = { "greeting", NULL };
	char buf[64];
	size_t size;

	for (size = 1; size <= sizeof(whole) + 1; size++) {
		memset(buf, '#', sizeof(buf));
		offered("greting", candidates, buf, size);
		ck_assert_uint_lt(strlen(buf), size);
		ck_assert_int_eq(strncmp(buf, whole, strlen(buf)), 0);
		ck_assert_int_eq(buf[size], '#');
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("near");
	TCase *tcase = tcase_create("near");

	tcase_add_test(tcase, one_slip_of_the_finger_is_near);
	tcase_add_test(tcase, a_third_of_the_letters_and_one_may_be_wrong);
	tcase_add_test(tcase, a_word_with_no_letter_right_has_no_near_one);
	tcase_add_test(
	    tcase, nothing_is_offered_when_there_is_nothing_to_offer);
	tcase_add_test(tcase, the_nearest_wins_wherever_it_stands);
	tcase_add_test(tcase, the_first_of_two_equally_near_wins);
	tcase_add_test(tcase, long_words_are_near_to_nothing_else);
	tcase_add_test(
	    tcase, the_longest_words_that_are_compared_have_63_letters);
	tcase_add_test(tcase, the_text_never_exceeds_its_buffer);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
