/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings that contradict each other, and those that nobody uses. */
#include "settings_check.h"

#include <string.h>
#include <sysexits.h>

#include "heard.h"
#include "settings_edit.h"
#include "settings_guard.h"
#include "settings_origin.h"

static struct settings settings;
static struct settings_guard *all, *one, *two; /* of all, and of listeners */

static void
setup(void)
{
	settings_init(&settings);
	ck_assert_ptr_nonnull(settings_add_handler(&settings, "echo"));
	ck_assert_ptr_nonnull(settings_add_handler(&settings, "echo"));
	all = &settings.guard;
	one = &settings.handlers[0].guard;
	two = &settings.handlers[1].guard;
}

static void
teardown(void)
{
	settings_clear(&settings);
}

static void
anew(void)
{
	teardown();
	setup();
}

static void
add(struct settings_guard *guard, const char *name, const char *value,
    const char *where)
{
	char why[128];

	ck_assert_int_eq(settings_add_item(guard, settings_list_find(name),
			     value, where, why, sizeof(why)),
	    0);
}

static void
set(struct settings_guard *guard, const char *name, const char *text)
{
	char why[128];

	ck_assert_int_eq(
	    settings_guard_set(guard, name, text, why, sizeof(why)), 0);
}

/* The status, and in heard what was said. */
static int
checked(void)
{
	int status;

	ck_assert_int_eq(settings_finish(&settings), 0);
	listen_to_stderr();
	status = settings_check(&settings);
	settings_warn(&settings);
	restore_stderr();
	return status;
}

static void
expect(int status, const char *text)
{
	ck_assert_int_eq(checked(), status);
	ck_assert_str_eq(heard, text);
}

START_TEST(a_tls_section_wants_a_certificate)
{
	struct settings_guard *guard = _i == 0 ? all : one;

	ck_assert_int_eq(settings_give(guard, SETTINGS_TLS_SECTION, "a:3"), 0);
	expect(-EX_CONFIG,
	    "bevhost: a:3: tls { } has no certificate, so there is no TLS: "
	    "name one with cert = FILE, or do without this section\n");
	add(_i == 1 ? all : two, "tls-cert", "x.pem", "a:7");
	expect(0, "");
}
END_TEST

START_TEST(the_certificate_of_another_listener_is_not_its_own)
{
	ck_assert_int_eq(settings_give(one, SETTINGS_TLS_SECTION, "a:3"), 0);
	add(two, "tls-cert", "x.pem", "a:7");
	ck_assert_int_eq(checked(), -EX_CONFIG);
}
END_TEST

START_TEST(networks_of_proxies_that_nobody_asks_are_named)
{
	static const char all_unused[] =
	    "bevhost: --proxy-from=10.0.0.0/8: --proxy is off, so no PROXY "
	    "header is read: make it optional or required, or do without "
	    "this\n";

	add(all, "proxy-from", "10.0.0.0/8", NULL);
	expect(0, all_unused);
	set(two, "proxy", "optional");
	expect(0, "");
	/* It has its own, and so those of all are nobody's. */
	anew();
	add(all, "proxy-from", "10.0.0.0/8", NULL);
	add(two, "proxy-from", "all", "a:9");
	set(two, "proxy", "optional");
	expect(0, all_unused);
}
END_TEST

START_TEST(networks_of_proxies_of_a_listener_are_named)
{
	add(one, "proxy-from", "unix", "a:4");
	set(two, "proxy", "required");
	expect(0,
	    "bevhost: a:4: proxy-from = 'unix': proxy is off, so no PROXY "
	    "header is read: make it optional or required, or do without "
	    "this\n");
	set(one, "proxy", "required");
	expect(0, "");
}
END_TEST

START_TEST(ciphers_of_a_version_that_is_not_spoken_are_named)
{
	add(all, "tls-cert", "x.pem", NULL);
	add(all, "tls-ciphers", "ECDHE", "a:1");
	expect(0, "");
	set(one, "tls-min-version", "1.3");
	expect(0, "");
	set(two, "tls-min-version", "1.3");
	expect(0,
	    "bevhost: a:1: tls-ciphers = 'ECDHE': these are for TLS 1.2, which "
	    "is not spoken, as tls-min-version is 1.3: do without this, or "
	    "give tls-ciphersuites\n");
	anew();
	add(all, "tls-cert", "x.pem", NULL);
	add(one, "tls-ciphers", "HIGH", "a:5");
	set(one, "tls-min-version", "1.3");
	expect(0,
	    "bevhost: a:5: tls-ciphers = 'HIGH': these are for TLS 1.2, which "
	    "is not spoken, as tls-min-version is 1.3: do without this, or "
	    "give tls-ciphersuites\n");
}
END_TEST

START_TEST(what_is_not_given_is_no_matter)
{
	expect(0, "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("settings_check");
	TCase *tcase = tcase_create("check");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_tls_section_wants_a_certificate, 0, 2);
	tcase_add_test(
	    tcase, the_certificate_of_another_listener_is_not_its_own);
	tcase_add_test(tcase, networks_of_proxies_that_nobody_asks_are_named);
	tcase_add_test(tcase, networks_of_proxies_of_a_listener_are_named);
	tcase_add_test(
	    tcase, ciphers_of_a_version_that_is_not_spoken_are_named);
	tcase_add_test(tcase, what_is_not_given_is_no_matter);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
