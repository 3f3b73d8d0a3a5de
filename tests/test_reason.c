/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of reasons: one lower-case word for each, and no word twice. */
#include "reason.h"

#include <string.h>

#include "tap.h"

static const struct {
	enum bevhost_reason reason;
	const char *word;
} words[] = {
	{ BEVHOST_REASON_NONE, "none" },
	{ BEVHOST_REASON_PEER, "peer" },
	{ BEVHOST_REASON_HANDLER, "handler" },
	{ BEVHOST_REASON_RESET, "reset" },
	{ BEVHOST_REASON_ERROR, "error" },
	{ BEVHOST_REASON_TIMEOUT, "timeout" },
	{ BEVHOST_REASON_REFUSED, "refused" },
	{ BEVHOST_REASON_OVERLOAD, "overload" },
	{ BEVHOST_REASON_DRAIN, "drain" },
	{ BEVHOST_REASON_DENIED, "denied" },
	{ BEVHOST_REASON_LIMIT, "limit" },
	{ BEVHOST_REASON_PROXY, "proxy" },
	{ BEVHOST_REASON_TLS, "tls" },
	{ BEVHOST_REASON_TRUNCATED, "truncated" },
	{ BEVHOST_REASON_IDLE, "idle" },
	{ BEVHOST_REASON_SLOW, "slow" },
	{ BEVHOST_REASON_LIFETIME, "lifetime" },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

START_TEST(every_reason_has_its_word)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		ck_assert_str_eq(reason_name(words[i].reason), words[i].word);
}
END_TEST

/* Whoever adds a reason adds it here too. */
START_TEST(this_test_knows_every_reason)
{
	size_t count = 0;

	while (strcmp(reason_name((enum bevhost_reason)count), "unknown") != 0)
		count++;
	ck_assert_uint_eq(count, WORDS);
}
END_TEST

START_TEST(words_are_lower_case_letters_only)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	const char *word;
	size_t i;

	for (i = 0; i < WORDS; i++) {
		word = reason_name(words[i].reason);
		ck_assert_uint_gt(strlen(word), 0);
		ck_assert_uint_eq(strspn(word, letters), strlen(word));
	}
}
END_TEST

START_TEST(no_two_reasons_share_a_word)
{
	size_t i, j;

	for (i = 0; i < WORDS; i++)
		for (j = 0; j < i; j++)
			ck_assert_str_ne(reason_name(words[i].reason),
			    reason_name(words[j].reason));
}
END_TEST

START_TEST(a_number_that_is_no_reason_is_unknown)
{
	static const int numbers[] = { (int)WORDS, 100, 1 << 30, -1, -100 };
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ck_assert_str_eq(
		    reason_name((enum bevhost_reason)numbers[i]), "unknown");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reason");
	TCase *tcase = tcase_create("words");

	tcase_add_test(tcase, every_reason_has_its_word);
	tcase_add_test(tcase, this_test_knows_every_reason);
	tcase_add_test(tcase, words_are_lower_case_letters_only);
	tcase_add_test(tcase, no_two_reasons_share_a_word);
	tcase_add_test(tcase, a_number_that_is_no_reason_is_unknown);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
