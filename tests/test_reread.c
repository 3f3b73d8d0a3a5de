/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings that are read anew: they come over whole, or why they do not. */
#include "reread.h"

#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "settings.h"
#include "tap.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static char program[] = "bevhost", listen_option[] = "-l",
	    address[] = "127.0.0.1:1", plugin[] = "echo",
	    wrong[] = "--drain-timeout=soon", fine[] = "--drain-timeout=7s";

START_TEST(what_the_command_line_says_comes_back)
{
	char *argv[] = { program, fine, listen_option, address, plugin };
	struct settings settings;
	char why[256];

	ck_assert_int_eq(
	    reread_settings(&settings, COUNT(argv), argv, why, sizeof(why)), 0);
	ck_assert_str_eq(why, "");
	ck_assert_int_eq(settings.drain_timeout, 7000);
	ck_assert_int_eq(settings.handler_count, 1);
	ck_assert_str_eq(settings.handlers[0].plugin, "echo");
	ck_assert_str_eq(settings.handlers[0].addresses[0].text, address);
	settings_clear(&settings);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(what_is_wrong_comes_back_in_words)
{
	char *argv[] = { program, wrong };
	struct settings settings;
	char why[256], little[8];

	ck_assert_int_eq(
	    reread_settings(&settings, COUNT(argv), argv, why, sizeof(why)),
	    -EX_USAGE);
	ck_assert_ptr_nonnull(strstr(why, "soon"));
	ck_assert_int_eq(reread_settings(&settings, COUNT(argv), argv, little,
			     sizeof(little)),
	    -EX_USAGE);
	ck_assert_uint_eq(strlen(little), sizeof(little) - 1);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
	char *argv[] = { program, wrong };
	struct settings settings;
	char why[256];
	int before = dup(0), after;

	close(before);
	ck_assert_int_lt(
	    reread_settings(&settings, COUNT(argv), argv, why, sizeof(why)), 0);
	after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reread");
	TCase *tcase = tcase_create("reread");

	tcase_add_test(tcase, what_the_command_line_says_comes_back);
	tcase_add_test(tcase, what_is_wrong_comes_back_in_words);
	tcase_add_test(tcase, no_descriptor_is_left);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
