/* SPDX-License-Identifier: BSD-2-Clause */
/* Which ways there are to cut a conversation, and how they are written. */
#include "cut.h"

#include <stdio.h>
#include <string.h>

#include "script.h"
#include "tap.h"

static struct script script;

static void
parse(const char *text)
{
	char why[256];

	script_clear(&script);
	ck_assert_msg(
	    script_parse(&script, "x.conv", text, why, sizeof(why)) == 0, "%s",
	    why);
}

/* All of a kind, as "1 2 5". */
static const char *
all(enum cut_kind kind, int64_t allocations)
{
	static char text[256];
	int64_t at = -1;
	int len = 0;

	text[0] = '\0';
	while ((at = cut_next(&script, kind, at, allocations)) >= 0)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
		    "%s%lld", len > 0 ? " " : "", (long long)at);
	return text;
}

static void
teardown(void)
{
	script_clear(&script);
}

START_TEST(a_cut_is_written_as_it_is_read)
{
	static const char *const texts[] = { "whole", "bytes", "slow", "joined",
		"split:1", "half:2", "stall:2", "fin:0", "leave:10", "reset:7",
		"drain:0", "alloc:3", "allocs:9223372036854775807" };
	struct cut cut;
	char text[64];
	int i;

	ck_assert_uint_eq(sizeof(texts) / sizeof(texts[0]), CUT_KINDS);
	for (i = 0; i < CUT_KINDS; i++) {
		ck_assert_int_eq(cut_parse(&cut, texts[i]), 0);
		ck_assert_int_eq(cut.kind, i);
		ck_assert_str_eq(cut_text(&cut, text, sizeof(text)), texts[i]);
		ck_assert_uint_gt(strlen(cut_title((enum cut_kind)i)), 0);
	}
}
END_TEST

START_TEST(what_is_no_cut_is_refused)
{
	static const char *const texts[] = { "", "whol", "wholes", "whole:1",
		"split", "split:", "split:x", "split:1x", "split:-1", "all",
		"split:9223372036854775808", ":1" };
	struct cut cut;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(
		    cut_parse(&cut, texts[i]) == -1, "'%s'", texts[i]);
}
END_TEST

START_TEST(what_has_no_place_is_done_once)
{
	parse("> ab\n");
	ck_assert_str_eq(all(CUT_WHOLE, 0), "0");
	ck_assert_str_eq(all(CUT_BYTES, 0), "0");
	ck_assert_str_eq(all(CUT_SLOW, 0), "0");
}
END_TEST

START_TEST(a_message_is_split_within)
{
	/* 0 1 2 3 | 4 | 5 6 7: at its ends it is split already. */
	parse(">- abcd\n< x\n>- e\n< x\n>- fgh\n");
	ck_assert_str_eq(all(CUT_SPLIT, 0), "1 2 3 6 7");
	ck_assert_str_eq(all(CUT_FIN, 0), "0 1 2 3 4 5 6 7 8");
	ck_assert_str_eq(all(CUT_LEAVE, 0), "0 1 2 3 4 5 6 7 8");
	ck_assert_str_eq(all(CUT_RESET, 0), "0 1 2 3 4 5 6 7 8");
}
END_TEST

START_TEST(split_off_leaves_messages_whole)
{
	parse("split off\n> abcd\n");
	ck_assert_str_eq(all(CUT_SPLIT, 0), "");
	ck_assert_str_eq(all(CUT_BYTES, 0), "");
	ck_assert_str_eq(all(CUT_WHOLE, 0), "0");
}
END_TEST

START_TEST(what_is_asked_is_asked_at_once)
{
	parse("> a\n< a\nbob< b\n> d\n");
	/* connect, send, expect, connect: somebody else does something */
	ck_assert_int_eq(cut_joined(&script, 1), -1);
	ck_assert_str_eq(all(CUT_JOINED, 0), "");
	parse("> a\n< a\n> b\n<~ c\n<* 1\n> d\nend\n");
	ck_assert_str_eq(all(CUT_JOINED, 0), "0");
	ck_assert_int_eq(cut_joined(&script, 1), 3);
	ck_assert_int_eq(cut_joined(&script, 3), 6);
	ck_assert_int_eq(cut_joined(&script, 6), -1);
}
END_TEST

START_TEST(what_is_not_joined)
{
	static const char *const texts[] = { "> a\n< a\n",
		"> a\nwait 1s\n> b\n", "> a\nsilent\n> b\n",
		"> a\n< a\nbob> b\n< b\n> c\n", "> a\naccept far\n> b\n",
		"> a\n< a\ndrain\n> b\n", "split off\n> a\n< a\n> b\n",
		"pipelining off\n> a\n< a\n> b\n" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		parse(texts[i]);
		ck_assert_msg(
		    *all(CUT_JOINED, 0) == '\0', "joined: %s", texts[i]);
	}
}
END_TEST

START_TEST(the_end_comes_with_what_is_answered)
{
	parse(">- ab\n< x\n>- c\nsilent\n>- d\nwait 5s\n<* 3\n>- e\nbob< x\n"
	      ">- f\nwait 1s\n");
	ck_assert_str_eq(all(CUT_HALF, 0), "2 4");
	ck_assert_str_eq(all(CUT_STALL, 0), "2 4");
	parse("half-close off\n>- ab\n< x\n");
	ck_assert_str_eq(all(CUT_HALF, 0), "");
	ck_assert_str_eq(all(CUT_STALL, 0), "");
}
END_TEST

START_TEST(an_answer_is_heard_by_who_has_asked)
{
	int i;

	parse("> a\n< x\n<~ x\n<* 1\nwait 1s\nbob< x\nsilent\nclosed\n");
	for (i = 2; i < 6; i++)
		ck_assert_int_eq(
		    cut_is_answer(&script.steps[i], script.steps[1].who), 1);
	for (; i < script.step_count; i++)
		ck_assert_int_eq(
		    cut_is_answer(&script.steps[i], script.steps[1].who), 0);
}
END_TEST

static int
is_edge(enum cut_kind kind, int64_t at)
{
	const struct cut cut = { kind, at };

	return cut_is_edge(&script, &cut);
}

START_TEST(edges_of_buffers_are_always_tried)
{
	static const int edges[] = { 64, 128, 256, 512, 1024, 1536, 2048, 8192,
		12288, 32768, 65536, 131072, 1 << 20 };
	static const int others[] = { 0, 1, 32, 62, 66, 1000, 1026, 8704, 69632,
		1000000 };
	size_t i;

	parse("> a\n");
	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		ck_assert_msg(is_edge(CUT_FIN, edges[i] - 1), "%d", edges[i]);
		ck_assert_msg(is_edge(CUT_RESET, edges[i]), "%d", edges[i]);
		ck_assert_msg(is_edge(CUT_SPLIT, edges[i] + 1), "%d", edges[i]);
		ck_assert_int_eq(is_edge(CUT_ALLOC, edges[i]), 0);
		ck_assert_int_eq(is_edge(CUT_DRAIN, edges[i]), 0);
	}
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_msg(!is_edge(CUT_FIN, others[i]), "%d", others[i]);
}
END_TEST

START_TEST(edges_are_those_of_messages_too)
{
	/* The second one begins after 2 bytes, the third after 4. */
	parse("> a\n< a\n> b\nsilent\n> c\n");
	ck_assert_int_eq(is_edge(CUT_FIN, 100 + 4), 0);
	ck_assert_int_eq(is_edge(CUT_FIN, 65 + 4), 1);
	ck_assert_int_eq(is_edge(CUT_FIN, 66 + 4), 0);
}
END_TEST

START_TEST(the_host_stops_before_each_step)
{
	/* connect, send, expect */
	parse("> a\n< a\n");
	ck_assert_str_eq(all(CUT_DRAIN, 0), "0 1 2");
}
END_TEST

START_TEST(allocations_are_counted_from_one)
{
	parse("> a\n< a\n");
	ck_assert_str_eq(all(CUT_ALLOC, 0), "");
	ck_assert_str_eq(all(CUT_ALLOC, 3), "1 2 3");
	ck_assert_str_eq(all(CUT_ALLOCS, 2), "1 2");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cut");
	TCase *text = tcase_create("text");
	TCase *next = tcase_create("next");

	tcase_add_test(text, a_cut_is_written_as_it_is_read);
	tcase_add_test(text, what_is_no_cut_is_refused);
	suite_add_tcase(suite, text);
	tcase_add_checked_fixture(next, NULL, teardown);
	tcase_add_test(next, what_has_no_place_is_done_once);
	tcase_add_test(next, a_message_is_split_within);
	tcase_add_test(next, split_off_leaves_messages_whole);
	tcase_add_test(next, what_is_asked_is_asked_at_once);
	tcase_add_test(next, what_is_not_joined);
	tcase_add_test(next, the_end_comes_with_what_is_answered);
	tcase_add_test(next, an_answer_is_heard_by_who_has_asked);
	tcase_add_test(next, edges_of_buffers_are_always_tried);
	tcase_add_test(next, edges_are_those_of_messages_too);
	tcase_add_test(next, the_host_stops_before_each_step);
	tcase_add_test(next, allocations_are_counted_from_one);
	suite_add_tcase(suite, next);
	return tap_run(suite);
}
