/* SPDX-License-Identifier: BSD-2-Clause */
/* Where options were given, and how they are named then. */
#include "settings_origin.h"

#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "heard.h"
#include "log.h"
#include "settings_edit.h"
#include "settings_guard.h"
#include "settings_say.h"

static struct settings settings, other;
static struct settings_guard *all, *own; /* of all, and of one listener */

static void
setup(void)
{
	struct settings_handler *handler;

	settings_init(&settings);
	settings_init(&other);
	handler = settings_add_handler(&settings, "echo");
	ck_assert_ptr_nonnull(handler);
	all = &settings.guard;
	own = &handler->guard;
}

static void
teardown(void)
{
	settings_clear(&settings);
	settings_clear(&other);
}

static void
give(struct settings_guard *guard, const char *name, const char *where)
{
	ck_assert_int_eq(settings_give(guard, name, where), 0);
}

static void
finish(void)
{
	ck_assert_int_eq(settings_finish(&settings), 0);
}

START_TEST(a_listener_has_its_own_and_else_that_of_all)
{
	give(all, "proxy", "a.conf:1");
	give(all, "keepalive", "a.conf:2");
	give(own, "proxy", "a.conf:7");
	finish();
	ck_assert_str_eq(settings_where(own, "proxy"), "a.conf:7");
	ck_assert_str_eq(settings_where(own, "keepalive"), "a.conf:2");
	ck_assert(settings_is_own(own, "proxy"));
	ck_assert(!settings_is_own(own, "keepalive"));
	ck_assert(settings_is_given(own, "keepalive"));
	ck_assert(!settings_is_given(own, "lifetime"));
	ck_assert_ptr_null(settings_where(own, "lifetime"));
}
END_TEST

START_TEST(the_command_line_is_everybodys_own_and_the_last_that_counts)
{
	give(all, "proxy", "a.conf:1");
	give(all, "proxy", NULL);
	finish();
	ck_assert_ptr_null(settings_where(own, "proxy"));
	ck_assert(settings_is_own(own, "proxy"));
}
END_TEST

START_TEST(what_is_finished_again_has_what_holds_then)
{
	give(all, "proxy", "a.conf:1");
	give(all, "keepalive", "a.conf:2");
	finish();
	give(all, "proxy", NULL);
	give(own, "keepalive", "a.conf:9");
	finish();
	ck_assert_ptr_null(settings_where(own, "proxy"));
	ck_assert_str_eq(settings_where(own, "keepalive"), "a.conf:9");
	ck_assert_int_eq(own->origin_count, 2);
}
END_TEST

START_TEST(what_a_listener_cannot_have_is_not_inherited)
{
	/* In a listener it is another limit. */
	give(all, "max-connections", "a.conf:1");
	give(all, "user", "a.conf:2");
	finish();
	ck_assert_str_eq(settings_where(all, "user"), "a.conf:2");
	ck_assert_int_eq(own->origin_count, 0);
}
END_TEST

START_TEST(what_is_no_option_is_given_nowhere)
{
	ck_assert_int_eq(settings_give(all, "nothing", "a.conf:1"), -1);
	ck_assert_int_eq(all->origin_count, 0);
}
END_TEST

START_TEST(a_worker_knows_it_too)
{
	int fd = memfd_create("settings", MFD_CLOEXEC);

	give(all, "user", "a.conf:1");
	give(all, "keepalive", NULL);
	give(own, "proxy", "a.conf:7");
	finish();
	ck_assert_int_eq(settings_write(&settings, fd), 0);
	ck_assert_int_eq(settings_read(&other, fd), 0);
	close(fd);
	own = &other.handlers[0].guard;
	ck_assert_str_eq(settings_where(&other.guard, "user"), "a.conf:1");
	ck_assert_str_eq(settings_where(own, "proxy"), "a.conf:7");
	ck_assert(settings_is_given(own, "keepalive"));
	ck_assert_int_eq(own->origin_count, 2);
}
END_TEST

START_TEST(an_option_is_named_as_it_was_given)
{
	char text[32];
	struct settings_item item;

	own->keepalive = 90000;
	listen_to_stderr();
	log_set_where("a.conf:5");
	item = settings_scalar(own, "keepalive", text, sizeof(text));
	ck_assert_int_eq(settings_say(BEVHOST_LOG_ERROR, &item, "no: give %s",
			     SETTINGS_SPELL(item.where, "lifetime")),
	    -EX_USAGE);
	give(own, "keepalive", "a.conf:7");
	item = settings_scalar(own, "keepalive", text, sizeof(text));
	ck_assert_int_eq(settings_say(BEVHOST_LOG_ERROR, &item, "no: give %s",
			     SETTINGS_SPELL(item.where, "lifetime")),
	    -EX_CONFIG);
	ck_assert_int_eq(
	    settings_say_error("pin", "x", NULL, "is wrong"), -EX_USAGE);
	ck_assert_int_eq(
	    settings_say_error("pin", "x", "b:1", "is wrong"), -EX_CONFIG);
	/* What was to stand before lines does again. */
	log_write(BEVHOST_LOG_ERROR, NULL, "end");
	log_set_where(NULL);
	restore_stderr();
	ck_assert_str_eq(heard,
	    "bevhost: --keepalive=90s: no: give --lifetime\n"
	    "bevhost: a.conf:7: keepalive = '90s': no: give lifetime\n"
	    "bevhost: --pin=x is wrong\n"
	    "bevhost: b:1: pin = 'x': it is wrong\n"
	    "bevhost: a.conf:5: end\n");
}
END_TEST

START_TEST(who_is_to_blame_is_where_it_stands)
{
	ck_assert_int_eq(settings_blame(-EX_USAGE, "a:1"), -EX_CONFIG);
	ck_assert_int_eq(settings_blame(-EX_CONFIG, NULL), -EX_USAGE);
	ck_assert_int_eq(settings_blame(EX_USAGE, "a:1"), EX_CONFIG);
	ck_assert_int_eq(settings_blame(EX_CONFIG, NULL), EX_USAGE);
	ck_assert_int_eq(settings_blame(-EX_NOUSER, "a:1"), -EX_NOUSER);
	ck_assert_int_eq(settings_blame(0, "a:1"), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("settings_origin");
	TCase *tcase = tcase_create("origin");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_listener_has_its_own_and_else_that_of_all);
	tcase_add_test(
	    tcase, the_command_line_is_everybodys_own_and_the_last_that_counts);
	tcase_add_test(tcase, what_is_finished_again_has_what_holds_then);
	tcase_add_test(tcase, what_a_listener_cannot_have_is_not_inherited);
	tcase_add_test(tcase, what_is_no_option_is_given_nowhere);
	tcase_add_test(tcase, a_worker_knows_it_too);
	tcase_add_test(tcase, an_option_is_named_as_it_was_given);
	tcase_add_test(tcase, who_is_to_blame_is_where_it_stands);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
