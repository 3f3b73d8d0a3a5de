/* SPDX-License-Identifier: BSD-2-Clause */
/* Which certificates are for a host. */
#include "tls_names.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

static struct tls_names names;

static void
add(const char *text, int cert)
{
	ck_assert_int_eq(tls_names_add(&names, text, strlen(text), cert), 0);
}

static void
setup(void)
{
	memset(&names, 0, sizeof(names));
	add("www.example.org", 0);
	add("*.example.org", 1);
	add("WWW.Example.Org", 2);
	add("example.org.", 3);
	add("*.deep.example.org", 4);
	add("localhost", 5);
	tls_names_sort(&names);
}

static void
teardown(void)
{
	tls_names_clear(&names);
}

/* Their numbers as text: "0,2". */
static const char *
found(const char *host)
{
	static char text[64];
	const struct tls_name *name;
	int count, i;

	name = tls_names_find(&names, host, &count);
	ck_assert(name != NULL ? count > 0 : count == 0);
	text[0] = '\0';
	for (i = 0; i < count; i++)
		sprintf(text + strlen(text), "%s%d", i > 0 ? "," : "",
		    name[i].cert);
	return text;
}

START_TEST(its_own_name_comes_before_a_wildcard)
{
	ck_assert_str_eq(found("www.example.org"), "0,2");
	ck_assert_str_eq(found("mail.example.org"), "1");
}
END_TEST

START_TEST(case_and_a_last_dot_do_not_matter)
{
	ck_assert_str_eq(found("wWw.eXample.oRg."), "0,2");
	ck_assert_str_eq(found("example.org"), "3");
	ck_assert_str_eq(found("A.DEEP.example.org"), "4");
}
END_TEST

START_TEST(a_wildcard_is_for_one_label)
{
	ck_assert_str_eq(found("a.b.example.org"), "");
	ck_assert_str_eq(found("a.b.deep.example.org"), "");
	ck_assert_str_eq(found("deep.example.org"), "1");
	ck_assert_str_eq(found(".example.org"), "");
}
END_TEST

START_TEST(what_is_no_host_is_not_found)
{
	char text[400];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_str_eq(found(text), "");
	ck_assert_str_eq(found(""), "");
	ck_assert_str_eq(found("."), "");
	ck_assert_str_eq(found("*.example.org"), "");
	ck_assert_str_eq(found("other.org"), "");
	ck_assert_str_eq(found("localhos"), "");
	ck_assert_str_eq(found("localhost1"), "");
	ck_assert_str_eq(found("localhost"), "5");
}
END_TEST

START_TEST(a_host_of_the_greatest_length_is_found)
{
	char text[256];

	memset(text, 'a', 255);
	text[255] = '\0';
	add(text, 6);
	tls_names_sort(&names);
	ck_assert_str_eq(found(text), "6");
}
END_TEST

START_TEST(a_name_that_is_none_is_passed_over)
{
	int count = names.count;

	ck_assert_int_eq(tls_names_add(&names, "", 0, 7), 0);
	ck_assert_int_eq(tls_names_add(&names, ".", 1, 7), 0);
	ck_assert_int_eq(
	    tls_names_add(&names, "localhost\0.example.org", 22, 7), 0);
	ck_assert_int_eq(names.count, count);
}
END_TEST

START_TEST(without_names_nothing_is_found)
{
	tls_names_clear(&names);
	tls_names_sort(&names);
	ck_assert_str_eq(found("localhost"), "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_names");
	TCase *tcase = tcase_create("tls_names");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, its_own_name_comes_before_a_wildcard);
	tcase_add_test(tcase, case_and_a_last_dot_do_not_matter);
	tcase_add_test(tcase, a_wildcard_is_for_one_label);
	tcase_add_test(tcase, what_is_no_host_is_not_found);
	tcase_add_test(tcase, a_host_of_the_greatest_length_is_found);
	tcase_add_test(tcase, a_name_that_is_none_is_passed_over);
	tcase_add_test(tcase, without_names_nothing_is_found);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
