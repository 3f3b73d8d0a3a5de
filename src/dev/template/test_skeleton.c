/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of skeleton: without a network, and in no time. See bevhost-test(3).
 */
#include <bevhost/test.h>

#include <check.h>
#include <string.h>

/* Says what is wrong when it is. */
#define ok(call) ck_assert_msg((call) == 0, "%s", bevhost_test_why())

static struct bevhost_test *test;
static struct bevhost_test_client *client;

static void
start(const char *const *parameters)
{
	test = bevhost_test_new(PLUGIN, parameters, NULL);
	ck_assert_msg(test != NULL, "%s", bevhost_test_why());
	client = bevhost_test_connect(test);
	ck_assert_msg(client != NULL, "%s", bevhost_test_why());
}

START_TEST(a_name_is_greeted_when_its_line_ends)
{
	const char *const parameters[] = { "greeting=Hi", NULL };

	start(parameters);
	ok(bevhost_test_send_text(client, "wor"));
	ok(bevhost_test_expect_silence(client));
	ok(bevhost_test_send_text(client, "ld\n"));
	ok(bevhost_test_expect_text(client, "Hi, world! You are number 1.\n"));
	ok(bevhost_test_free(test));
}
END_TEST

START_TEST(a_line_that_is_too_long_ends_it)
{
	char line[1000];

	memset(line, 'x', sizeof(line));
	start(NULL);
	ok(bevhost_test_send(client, line, sizeof(line)));
	ok(bevhost_test_expect_closed(client, BEVHOST_REASON_HANDLER));
	ok(bevhost_test_free(test));
}
END_TEST

/* However the network cuts it, and whichever allocation fails. */
START_TEST(the_conversation_is_held)
{
	ok(bevhost_test_conversation(PLUGIN, NULL, CONVERSATION));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("skeleton");
	TCase *tests = tcase_create("skeleton");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_name_is_greeted_when_its_line_ends);
	tcase_add_test(tests, a_line_that_is_too_long_ends_it);
	tcase_add_test(tests, the_conversation_is_held);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
