/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declared parameters: what each type takes and what it refuses, ranges,
 * declarations that make no sense, where values are stored, and the texts
 * that say what is allowed.
 */
#include "param.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct bevhost_param types[] = {
	{ .name = "s", .type = BEVHOST_PARAM_STRING },
	{ .name = "i", .type = BEVHOST_PARAM_INT },
	{ .name = "b", .type = BEVHOST_PARAM_BOOL },
	{ .name = "z", .type = BEVHOST_PARAM_SIZE },
	{ .name = "d", .type = BEVHOST_PARAM_DURATION },
	{ .name = "e", .type = BEVHOST_PARAM_ENUM, .choices = colours },
};

/* The declaration of a type without a range. */
static const struct bevhost_param *
declared(enum bevhost_param_type type)
{
	const struct bevhost_param *param = &types[type - 1];

	ck_assert_uint_eq(param->type, type);
	return param;
}

struct accepted {
	const char *text;
	int64_t number;
};

static void
check_accepted(const struct bevhost_param *param, const struct accepted *cases,
    size_t count)
{
	char why[PARAM_TEXT_SIZE];
	int64_t number;
	size_t i;

	for (i = 0; i < count; i++) {
		number = 4711;
		why[0] = '\0';
		ck_assert_msg(param_parse(param, cases[i].text, &number, why,
				  sizeof(why)) == 0,
		    "'%s' %s", cases[i].text, why);
		ck_assert_msg(number == cases[i].number, "'%s' is %jd",
		    cases[i].text, (intmax_t)number);
	}
}

static void
check_refused(const struct bevhost_param *param, const char *const *texts,
    size_t count, const char *expected)
{
	char why[PARAM_TEXT_SIZE];
	int64_t number;
	size_t i;

	for (i = 0; i < count; i++) {
		why[0] = '\0';
		ck_assert_msg(param_parse(param, texts[i], &number, why,
				  sizeof(why)) == -1,
		    "'%s' was accepted", texts[i]);
		ck_assert_msg(
		    strcmp(why, expected) == 0, "'%s' %s", texts[i], why);
	}
}

START_TEST(strings_take_any_text)
{
	static const struct accepted cases[] = {
		{ "", 0 },
		{ "text", 4 },
		{ " a b = \n", 8 },
		{ "\xc3\xa9", 2 },
	};

	check_accepted(declared(BEVHOST_PARAM_STRING), cases, COUNT(cases));
}
END_TEST

START_TEST(integers_are_decimal)
{
	static const struct accepted cases[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "1", 1 },
		{ "-1", -1 },
		{ "007", 7 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
	};

	check_accepted(declared(BEVHOST_PARAM_INT), cases, COUNT(cases));
}
END_TEST

START_TEST(what_is_not_all_number_is_no_integer)
{
	static const char *const texts[] = { "", "-", "+1", "--1", "- 1", " 1",
		"1 ", "1.0", "1e3", "0x10", "1k", "one", "9223372036854775808",
		"-9223372036854775809", "99999999999999999999999999" };

	check_refused(declared(BEVHOST_PARAM_INT), texts, COUNT(texts),
	    "is not a whole number");
}
END_TEST

START_TEST(booleans_take_four_words_each_in_any_case)
{
	static const struct accepted cases[] = {
		{ "on", 1 },
		{ "yes", 1 },
		{ "true", 1 },
		{ "1", 1 },
		{ "off", 0 },
		{ "no", 0 },
		{ "false", 0 },
		{ "0", 0 },
		{ "ON", 1 },
		{ "Yes", 1 },
		{ "False", 0 },
	};

	check_accepted(declared(BEVHOST_PARAM_BOOL), cases, COUNT(cases));
}
END_TEST

START_TEST(other_words_are_no_booleans)
{
	static const char *const texts[] = { "", "2", "-1", "00", "y", "n", "o",
		"on ", " off", "onoff", "enabled" };

	check_refused(declared(BEVHOST_PARAM_BOOL), texts, COUNT(texts),
	    "is not on or off");
}
END_TEST

START_TEST(sizes_are_bytes_or_powers_of_1024)
{
	static const struct accepted cases[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "64k", 65536 },
		{ "64K", 65536 },
		{ "1M", INT64_C(1) << 20 },
		{ "1m", INT64_C(1) << 20 },
		{ "2G", INT64_C(2) << 30 },
		{ "3T", INT64_C(3) << 40 },
		{ "9223372036854775807", INT64_MAX },
		{ "8388607T", INT64_C(8388607) << 40 },
	};

	check_accepted(declared(BEVHOST_PARAM_SIZE), cases, COUNT(cases));
}
END_TEST

START_TEST(sizes_with_other_units_or_too_large_are_refused)
{
	static const char *const texts[] = { "", "k", "1kb", "1kB", "1KiB",
		"1 k", "1b", "1p", "1.5k", "1k1", "+1k", "1s", "8388608T",
		"9007199254740992k", "9223372036854775808",
		"-9223372036854775808k" };

	check_refused(declared(BEVHOST_PARAM_SIZE), texts, COUNT(texts),
	    "is not a size, such as 4096, 64k or 1M");
}
END_TEST

START_TEST(durations_are_in_milliseconds)
{
	static const struct accepted cases[] = {
		{ "0s", 0 },
		{ "250ms", 250 },
		{ "30s", 30000 },
		{ "5m", 300000 },
		{ "2h", 7200000 },
		{ "1d", 86400000 },
		{ "30S", 30000 },
		{ "250MS", 250 },
		{ "9223372036854775807ms", INT64_MAX },
	};

	check_accepted(declared(BEVHOST_PARAM_DURATION), cases, COUNT(cases));
}
END_TEST

START_TEST(a_duration_needs_its_unit)
{
	static const char *const texts[] = { "", "0", "30", "ms", "30 s",
		"30sec", "1w", "1y", "1.5s", "1h30m", "30us", "+30s",
		"9223372036854775807s", "106751991168d",
		"9223372036854775808ms" };

	check_refused(declared(BEVHOST_PARAM_DURATION), texts, COUNT(texts),
	    "is not a duration with its unit, such as 250ms, 30s or 5m");
}
END_TEST

START_TEST(no_size_or_duration_is_negative)
{
	static const char *const sizes[] = { "-1", "-64k",
		"-9223372036854775808" };
	static const char *const durations[] = { "-1ms", "-30s", "-1d" };

	check_refused(
	    declared(BEVHOST_PARAM_SIZE), sizes, COUNT(sizes), "is negative");
	check_refused(declared(BEVHOST_PARAM_DURATION), durations,
	    COUNT(durations), "is negative");
}
END_TEST

START_TEST(an_enum_is_the_index_of_its_choice)
{
	static const struct accepted cases[] = {
		{ "red", 0 },
		{ "green", 1 },
		{ "blue", 2 },
	};

	check_accepted(declared(BEVHOST_PARAM_ENUM), cases, COUNT(cases));
}
END_TEST

START_TEST(what_is_no_choice_is_refused_with_the_choices)
{
	static const char *const texts[] = { "", "Red", "purple", "0",
		"red, green" };

	check_refused(declared(BEVHOST_PARAM_ENUM), texts + 2, COUNT(texts) - 2,
	    "is not one of red, green, blue");
	check_refused(declared(BEVHOST_PARAM_ENUM), texts, 1,
	    "is not one of red, green, blue");
	check_refused(declared(BEVHOST_PARAM_ENUM), texts + 1, 1,
	    "is not one of red, green, blue, did you mean 'red'?");
}
END_TEST

static const struct {
	struct bevhost_param param;
	const char *range, *allowed[3], *refused[3];
} ranges[] = {
	{ { .type = BEVHOST_PARAM_STRING, .min = 1, .max = 4 },
	    "1 to 4 bytes long", { "a", "abcd" }, { "", "abcde" } },
	{ { .type = BEVHOST_PARAM_INT, .min = -3, .max = 5 }, "-3 to 5",
	    { "-3", "0", "5" }, { "-4", "6" } },
	{ { .type = BEVHOST_PARAM_INT, .min = 1, .max = INT64_MAX },
	    "at least 1", { "1", "9223372036854775807" }, { "0", "-1" } },
	{ { .type = BEVHOST_PARAM_INT, .min = 0, .max = 1 }, "0 to 1",
	    { "0", "1" }, { "2", "-1" } },
	{ { .type = BEVHOST_PARAM_INT, .min = -5, .max = 0 }, "-5 to 0",
	    { "-5", "0" }, { "1", "-6" } },
	{ { .type = BEVHOST_PARAM_SIZE, .min = 1024, .max = 1 << 20 },
	    "1k to 1M", { "1k", "1024", "1M" }, { "1023", "1025k", "0" } },
	{ { .type = BEVHOST_PARAM_SIZE, .min = 1025, .max = 3 << 20 },
	    "1025 to 3M", { "1025", "3m" }, { "1024", "3073k" } },
	{ { .type = BEVHOST_PARAM_DURATION, .min = 250, .max = 90000 },
	    "250ms to 90s", { "250ms", "1m", "90s" }, { "249ms", "2m" } },
	{ { .type = BEVHOST_PARAM_DURATION, .max = 86400000 }, "0s to 1d",
	    { "0s", "1d", "24h" }, { "25h", "86400001ms" } },
};

START_TEST(the_ends_of_a_range_are_part_of_it)
{
	char why[PARAM_TEXT_SIZE] = "";
	int64_t number;
	size_t i, j;

	for (i = 0; i < COUNT(ranges); i++)
		for (j = 0; j < 3 && ranges[i].allowed[j] != NULL; j++)
			ck_assert_msg(
			    param_parse(&ranges[i].param, ranges[i].allowed[j],
				&number, why, sizeof(why)) == 0,
			    "row %zu: '%s' %s", i, ranges[i].allowed[j], why);
}
END_TEST

START_TEST(what_is_out_of_range_is_refused_with_the_range)
{
	char expected[PARAM_TEXT_SIZE + 64];
	size_t i, j;

	for (i = 0; i < COUNT(ranges); i++) {
		snprintf(expected, sizeof(expected),
		    "is out of range: it may be %s", ranges[i].range);
		for (j = 0; j < 3 && ranges[i].refused[j] != NULL; j++)
			check_refused(&ranges[i].param, &ranges[i].refused[j],
			    1, expected);
	}
}
END_TEST

START_TEST(a_range_is_written_in_the_largest_units_that_fit)
{
	char buf[PARAM_TEXT_SIZE];
	size_t i;

	for (i = 0; i < COUNT(ranges); i++)
		ck_assert_str_eq(
		    param_range_text(&ranges[i].param, buf, sizeof(buf)),
		    ranges[i].range);
}
END_TEST

START_TEST(without_a_range_there_is_no_text)
{
	char buf[PARAM_TEXT_SIZE];
	size_t i;

	for (i = 0; i < COUNT(types); i++)
		if (types[i].type != BEVHOST_PARAM_ENUM)
			ck_assert_str_eq(
			    param_range_text(&types[i], buf, sizeof(buf)), "");
	ck_assert_str_eq(
	    param_range_text(declared(BEVHOST_PARAM_ENUM), buf, sizeof(buf)),
	    "one of red, green, blue");
}
END_TEST

START_TEST(texts_never_exceed_their_buffers)
{
	static const char *const many[] = { "a-long-choice", "another-choice",
		"the-last-choice", NULL };
	struct bevhost_param param = {
		.name = "e", .type = BEVHOST_PARAM_ENUM, .choices = many
	};
	char buf[96];
	int64_t number;
	size_t size;

	for (size = 1; size < sizeof(buf); size++) {
		memset(buf, '#', sizeof(buf));
		param_range_text(&param, buf, size);
		ck_assert_uint_lt(strlen(buf), size);
		ck_assert_int_eq(buf[size], '#');
		memset(buf, '#', sizeof(buf));
		ck_assert_int_eq(
		    param_parse(&param, "else", &number, buf, size), -1);
		ck_assert_uint_lt(strlen(buf), size);
		ck_assert_int_eq(buf[size], '#');
	}
}
END_TEST

START_TEST(more_choices_than_fit_are_cut_not_overrun)
{
	static const char *many[400];
	struct bevhost_param param = {
		.name = "e", .type = BEVHOST_PARAM_ENUM, .choices = many
	};
	char why[PARAM_TEXT_SIZE];
	int64_t number;
	size_t i;

	for (i = 0; i + 1 < COUNT(many); i++)
		many[i] = "choice";
	ck_assert_int_eq(
	    param_parse(&param, "else", &number, why, sizeof(why)), -1);
	ck_assert_uint_lt(strlen(why), sizeof(why));
	ck_assert_int_eq(strncmp(why, "is not one of choice, ", 22), 0);
}
END_TEST

START_TEST(an_unknown_type_takes_nothing)
{
	static const uint32_t unknown[] = { 0, 7, UINT32_MAX };
	struct bevhost_param param = { .name = "x" };
	char why[PARAM_TEXT_SIZE];
	int64_t number;
	size_t i;

	for (i = 0; i < COUNT(unknown); i++) {
		param.type = unknown[i];
		ck_assert_int_eq(
		    param_parse(&param, "text", &number, why, sizeof(why)), -1);
	}
}
END_TEST

START_TEST(sound_declarations_are_accepted)
{
	static const struct bevhost_param params[] = {
		{ .name = "a", .type = BEVHOST_PARAM_STRING },
		{ .name = "max-2-lines", .type = BEVHOST_PARAM_INT },
		{ .name = "s",
		    .type = BEVHOST_PARAM_STRING,
		    .value = "",
		    .field = { 0, sizeof(const char *) } },
		{ .name = "i",
		    .type = BEVHOST_PARAM_INT,
		    .value = "5",
		    .min = 5,
		    .max = 5,
		    .field = { 8, sizeof(int64_t) } },
		{ .name = "e",
		    .type = BEVHOST_PARAM_ENUM,
		    .value = "green",
		    .choices = colours },
		{ .name = "d",
		    .type = BEVHOST_PARAM_DURATION,
		    .flags = BEVHOST_PARAM_REQUIRED },
		{ .name = "r",
		    .type = BEVHOST_PARAM_SIZE,
		    .flags = BEVHOST_PARAM_REPEAT | BEVHOST_PARAM_REQUIRED },
		{ .name = "b", .type = BEVHOST_PARAM_BOOL, .value = "off" },
	};
	char why[PARAM_TEXT_SIZE] = "";
	size_t i;

	for (i = 0; i < COUNT(params); i++)
		ck_assert_msg(param_check(&params[i], why, sizeof(why)) == 0,
		    "'%s' %s", params[i].name, why);
}
END_TEST

static const char *const no_choices[] = { NULL };

START_TEST(senseless_declarations_are_refused)
{
	static const char improper[] = "has no proper name (lower case, "
				       "digits and '-')";
	static const struct {
		struct bevhost_param param;
		const char *why;
	} cases[] = {
		{ { .name = "", .type = BEVHOST_PARAM_INT }, improper },
		{ { .name = "Upper", .type = BEVHOST_PARAM_INT }, improper },
		{ { .name = "lowEr", .type = BEVHOST_PARAM_INT }, improper },
		{ { .name = "1st", .type = BEVHOST_PARAM_INT }, improper },
		{ { .name = "-a", .type = BEVHOST_PARAM_INT }, improper },
		{ { .name = "a_b", .type = BEVHOST_PARAM_INT }, improper },
		{ { .name = "a=b", .type = BEVHOST_PARAM_INT }, improper },
		{ { .name = "a b", .type = BEVHOST_PARAM_INT }, improper },
		{ { .name = "x" }, "has the unknown type 0" },
		{ { .name = "x", .type = 7 }, "has the unknown type 7" },
		{ { .name = "x", .type = BEVHOST_PARAM_INT, .flags = 4 },
		    "has unknown flags (0x4)" },
		{ { .name = "x", .type = BEVHOST_PARAM_ENUM },
		    "is an enum without choices" },
		{ { .name = "x",
		      .type = BEVHOST_PARAM_ENUM,
		      .choices = no_choices },
		    "is an enum without choices" },
		{ { .name = "x",
		      .type = BEVHOST_PARAM_INT,
		      .min = 2,
		      .max = 1 },
		    "has a range of which nothing is part" },
		{ { .name = "x", .type = BEVHOST_PARAM_INT, .min = 1 },
		    "has a range of which nothing is part" },
		{ { .name = "x", .type = BEVHOST_PARAM_INT, .field = { 0, 4 } },
		    "has a field of 4 bytes: it must be int64_t" },
		{ { .name = "x",
		      .type = BEVHOST_PARAM_BOOL,
		      .field = { 0, 1 } },
		    "has a field of 1 bytes: it must be int64_t" },
		{ { .name = "x",
		      .type = BEVHOST_PARAM_STRING,
		      .field = { 0, 64 } },
		    "has a field of 64 bytes: it must be const char *" },
		{ { .name = "x",
		      .type = BEVHOST_PARAM_INT,
		      .value = "1",
		      .flags = BEVHOST_PARAM_REQUIRED },
		    "is required and has a default" },
		{ { .name = "x", .type = BEVHOST_PARAM_INT, .value = "one" },
		    "has a default 'one' that is not a whole number" },
		{ { .name = "x",
		      .type = BEVHOST_PARAM_INT,
		      .value = "9",
		      .min = 1,
		      .max = 3 },
		    "has a default '9' that is out of range: it may be "
		    "1 to 3" },
		{ { .name = "x",
		      .type = BEVHOST_PARAM_ENUM,
		      .value = "pink",
		      .choices = colours },
		    "has a default 'pink' that is not one of red, green, "
		    "blue" },
		{ { .name = "x", .type = BEVHOST_PARAM_SIZE, .value = "-1" },
		    "has a default '-1' that is negative" },
	};
	char why[PARAM_TEXT_SIZE];
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		why[0] = '\0';
		ck_assert_int_eq(
		    param_check(&cases[i].param, why, sizeof(why)), -1);
		ck_assert_msg(strcmp(why, cases[i].why) == 0,
		    "row %zu: \"%s\" instead of \"%s\"", i, why, cases[i].why);
	}
}
END_TEST

struct stored {
	int64_t before;
	const char *text;
	int64_t number;
	int64_t after;
};

START_TEST(a_string_is_stored_as_a_pointer_to_its_text)
{
	static const struct bevhost_param param = { .name = "text",
		.type = BEVHOST_PARAM_STRING,
		.field = BEVHOST_FIELD(struct stored, text) };
	struct stored self = { 1, NULL, 2, 3 };
	const char *text = "kept";

	param_store(&param, &self, text, 4);
	ck_assert_ptr_eq(self.text, text);
	ck_assert_int_eq(self.before, 1);
	ck_assert_int_eq(self.number, 2);
	ck_assert_int_eq(self.after, 3);
}
END_TEST

START_TEST(every_other_type_is_stored_as_a_number)
{
	struct bevhost_param param = { .name = "number",
		.choices = colours,
		.field = BEVHOST_FIELD(struct stored, number) };
	struct stored self = { 1, NULL, 2, 3 };

	for (param.type = BEVHOST_PARAM_INT; param.type <= BEVHOST_PARAM_ENUM;
	     param.type++) {
		param_store(&param, &self, "text", INT64_MIN + param.type);
		ck_assert_int_eq(self.number, INT64_MIN + param.type);
		ck_assert_int_eq(self.before, 1);
		ck_assert_ptr_null(self.text);
		ck_assert_int_eq(self.after, 3);
	}
}
END_TEST

START_TEST(without_a_field_nothing_is_stored)
{
	struct stored self = { 1, NULL, 2, 3 };
	size_t i;

	for (i = 0; i < COUNT(types); i++)
		param_store(&types[i], &self, "text", 4711);
	ck_assert_int_eq(self.before, 1);
	ck_assert_ptr_null(self.text);
	ck_assert_int_eq(self.number, 2);
	ck_assert_int_eq(self.after, 3);
}
END_TEST

START_TEST(a_parameter_is_found_by_its_whole_name)
{
	static const struct bevhost_param params[] = {
		{ .name = "limit" },
		{ .name = "limit-total" },
		{ .name = NULL },
		{ .name = "behind" },
	};

	ck_assert_ptr_eq(param_find(params, "limit"), &params[0]);
	ck_assert_ptr_eq(param_find(params, "limit-total"), &params[1]);
	ck_assert_ptr_null(param_find(params, "limit-"));
	ck_assert_ptr_null(param_find(params, "lim"));
	ck_assert_ptr_null(param_find(params, "Limit"));
	ck_assert_ptr_null(param_find(params, ""));
	ck_assert_ptr_null(param_find(params, "behind"));
	ck_assert_ptr_null(param_find(NULL, "limit"));
}
END_TEST

START_TEST(a_number_as_text_is_parsed_back)
{
	static const struct {
		enum bevhost_param_type type;
		int64_t number;
		const char *text;
	} cases[] = {
		{ BEVHOST_PARAM_INT, -7, "-7" },
		{ BEVHOST_PARAM_BOOL, 0, "off" },
		{ BEVHOST_PARAM_BOOL, 1, "on" },
		{ BEVHOST_PARAM_SIZE, 0, "0" },
		{ BEVHOST_PARAM_SIZE, 65536, "64k" },
		{ BEVHOST_PARAM_SIZE, 65537, "65537" },
		{ BEVHOST_PARAM_DURATION, 0, "0s" },
		{ BEVHOST_PARAM_DURATION, 90000, "90s" },
		{ BEVHOST_PARAM_DURATION, 120000, "2m" },
		{ BEVHOST_PARAM_ENUM, 2, "blue" },
	};
	char text[64], why[PARAM_TEXT_SIZE];
	int64_t number;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		const struct bevhost_param *param = declared(cases[i].type);

		ck_assert_str_eq(
		    param_text(param, cases[i].number, text, sizeof(text)),
		    cases[i].text);
		ck_assert_int_eq(
		    param_parse(param, text, &number, why, sizeof(why)), 0);
		ck_assert_int_eq(number, cases[i].number);
	}
}
END_TEST

START_TEST(every_type_has_its_name)
{
	static const char *const names[] = { "string", "integer", "boolean",
		"size", "duration", "enum" };
	size_t i;

	ck_assert_uint_eq(COUNT(types), COUNT(names));
	for (i = 0; i < COUNT(types); i++)
		ck_assert_str_eq(param_type_name(&types[i]), names[i]);
}
END_TEST

static void
add_values(Suite *suite)
{
	TCase *tcase = tcase_create("values");

	tcase_add_test(tcase, strings_take_any_text);
	tcase_add_test(tcase, integers_are_decimal);
	tcase_add_test(tcase, what_is_not_all_number_is_no_integer);
	tcase_add_test(tcase, booleans_take_four_words_each_in_any_case);
	tcase_add_test(tcase, other_words_are_no_booleans);
	tcase_add_test(tcase, sizes_are_bytes_or_powers_of_1024);
	tcase_add_test(tcase, sizes_with_other_units_or_too_large_are_refused);
	tcase_add_test(tcase, durations_are_in_milliseconds);
	tcase_add_test(tcase, a_duration_needs_its_unit);
	tcase_add_test(tcase, no_size_or_duration_is_negative);
	tcase_add_test(tcase, an_enum_is_the_index_of_its_choice);
	tcase_add_test(tcase, what_is_no_choice_is_refused_with_the_choices);
	tcase_add_test(tcase, an_unknown_type_takes_nothing);
	suite_add_tcase(suite, tcase);
}

static void
add_ranges(Suite *suite)
{
	TCase *tcase = tcase_create("ranges");

	tcase_add_test(tcase, the_ends_of_a_range_are_part_of_it);
	tcase_add_test(tcase, what_is_out_of_range_is_refused_with_the_range);
	tcase_add_test(tcase, a_range_is_written_in_the_largest_units_that_fit);
	tcase_add_test(tcase, without_a_range_there_is_no_text);
	tcase_add_test(tcase, texts_never_exceed_their_buffers);
	tcase_add_test(tcase, more_choices_than_fit_are_cut_not_overrun);
	suite_add_tcase(suite, tcase);
}

static void
add_declarations(Suite *suite)
{
	TCase *tcase = tcase_create("declarations");

	tcase_add_test(tcase, sound_declarations_are_accepted);
	tcase_add_test(tcase, senseless_declarations_are_refused);
	tcase_add_test(tcase, a_string_is_stored_as_a_pointer_to_its_text);
	tcase_add_test(tcase, every_other_type_is_stored_as_a_number);
	tcase_add_test(tcase, without_a_field_nothing_is_stored);
	tcase_add_test(tcase, a_parameter_is_found_by_its_whole_name);
	tcase_add_test(tcase, every_type_has_its_name);
	tcase_add_test(tcase, a_number_as_text_is_parsed_back);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("param");

	add_values(suite);
	add_ranges(suite);
	add_declarations(suite);
	return tap_run(suite);
}
