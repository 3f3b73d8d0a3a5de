/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of code get the names of their functions, static ones too. */
#include "symbol.h"

#include <gnu/libc-version.h>
#include <string.h>

#include "safe.h"
#include "tap.h"

static const char *
describe(struct safe_text *text, uintptr_t address)
{
	text->len = 0;
	symbol_put(text, address);
	ck_assert_uint_lt(text->len, sizeof(text->bytes));
	text->bytes[text->len] = '\0';
	return text->bytes;
}

static __attribute__((noinline)) int
own_function(int a)
{
	return a + 1;
}

START_TEST(a_static_function_has_its_name)
{
	struct safe_text text;
	uintptr_t address = (uintptr_t)own_function;

	symbol_scan();
	ck_assert_ptr_nonnull(strstr(
	    describe(&text, address), "test_symbol(own_function+0x0) ["));
	ck_assert_ptr_nonnull(strstr(
	    describe(&text, address + 1), "test_symbol(own_function+0x1) ["));
}
END_TEST

START_TEST(a_function_of_a_library_has_its_name)
{
	struct safe_text text;

	symbol_scan();
	ck_assert_ptr_nonnull(
	    strstr(describe(&text, (uintptr_t)gnu_get_libc_version),
		"gnu_get_libc_version+0x"));
	ck_assert_ptr_nonnull(
	    strstr(describe(&text, (uintptr_t)gnu_get_libc_version), "libc"));
}
END_TEST

START_TEST(what_is_no_code_has_its_address)
{
	struct safe_text text;

	symbol_scan();
	ck_assert(symbol_is_known((uintptr_t)own_function));
	ck_assert(!symbol_is_known(0));
	ck_assert_str_eq(describe(&text, 0), "? [0x0]");
	ck_assert_str_eq(describe(&text, 0x10), "? [0x10]");
}
END_TEST

START_TEST(data_has_its_file_only)
{
	static int number;
	struct safe_text text;

	symbol_scan();
	ck_assert_ptr_nonnull(
	    strstr(describe(&text, (uintptr_t)&number), "test_symbol(+0x"));
}
END_TEST

START_TEST(scanning_again_changes_nothing)
{
	struct safe_text before, after;

	symbol_scan();
	describe(&before, (uintptr_t)own_function);
	symbol_scan();
	ck_assert_str_eq(
	    describe(&after, (uintptr_t)own_function), before.bytes);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("symbol");
	TCase *tcase = tcase_create("symbol");

	tcase_add_test(tcase, a_static_function_has_its_name);
	tcase_add_test(tcase, a_function_of_a_library_has_its_name);
	tcase_add_test(tcase, what_is_no_code_has_its_address);
	tcase_add_test(tcase, data_has_its_file_only);
	tcase_add_test(tcase, scanning_again_changes_nothing);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
