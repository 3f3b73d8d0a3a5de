/* SPDX-License-Identifier: BSD-2-Clause */
/* What a conversation's text means, and what is said of what means nothing. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

static struct script script;
static char why[512];

static void
parse(const char *text)
{
	script_clear(&script);
	why[0] = '\0';
	ck_assert_msg(
	    script_parse(&script, "x.conv", text, why, sizeof(why)) == 0, "%s",
	    why);
}

/* Parses it; the message is "x.conv:" and that. */
static void
refused(const char *text, const char *message)
{
	script_clear(&script);
	why[0] = '\0';
	ck_assert_int_eq(
	    script_parse(&script, "x.conv", text, why, sizeof(why)), -1);
	ck_assert_int_eq(strncmp(why, "x.conv:", 7), 0);
	ck_assert_str_eq(why + 7, message);
}

/* The same, of which libc says the end. */
static void
refused_pattern(const char *text, const char *message)
{
	script_clear(&script);
	ck_assert_int_eq(
	    script_parse(&script, "x.conv", text, why, sizeof(why)), -1);
	ck_assert_msg(strncmp(why, message, strlen(message)) == 0, "%s", why);
}

/* After the connection, which is the first step of each. */
static const struct script_step *
step(int number, enum script_kind kind)
{
	ck_assert_int_lt(number, script.step_count);
	ck_assert_int_eq(script.steps[number].kind, kind);
	return &script.steps[number];
}

static void
check_bytes(const struct script_step *of, const char *bytes, size_t len)
{
	ck_assert_uint_eq(of->len, len);
	ck_assert_mem_eq(of->bytes, bytes, len);
}

static void
setup(void)
{
	memset(&script, 0, sizeof(script));
}

static void
teardown(void)
{
	script_clear(&script);
}

START_TEST(a_line_is_text_and_its_end)
{
	parse("# a comment\n\n \t\n> hello\n< you\n");
	step(0, SCRIPT_CONNECT);
	check_bytes(step(1, SCRIPT_SEND), "hello\n", 6);
	ck_assert_int_eq(script.steps[1].line, 4);
	check_bytes(step(2, SCRIPT_EXPECT), "you\n", 4);
	ck_assert_int_eq(script.step_count, 3);
}
END_TEST

START_TEST(a_text_may_be_empty_or_unended)
{
	parse(">\n<\n> \n<- a\n<-b\n<-  c\n<~ x*");
	check_bytes(step(1, SCRIPT_SEND), "\n", 1);
	check_bytes(step(2, SCRIPT_EXPECT), "\n", 1);
	check_bytes(step(3, SCRIPT_SEND), "\n", 1);
	check_bytes(step(4, SCRIPT_EXPECT), "a", 1);
	check_bytes(step(5, SCRIPT_EXPECT), "b", 1);
	check_bytes(step(6, SCRIPT_EXPECT), " c", 2);
	ck_assert_str_eq(step(7, SCRIPT_EXPECT_LIKE)->pattern, "x*");
}
END_TEST

START_TEST(lines_end_as_eol_says_from_there_on)
{
	parse("> a\n< a\neol crlf\n> b\n<~ b\neol lf\n> c\n<~ c\n");
	check_bytes(step(1, SCRIPT_SEND), "a\n", 2);
	check_bytes(step(3, SCRIPT_SEND), "b\r\n", 3);
	ck_assert_str_eq(step(4, SCRIPT_EXPECT_LIKE)->eol, "\r\n");
	check_bytes(step(5, SCRIPT_SEND), "c\n", 2);
	ck_assert_str_eq(step(6, SCRIPT_EXPECT_LIKE)->eol, "\n");
	refused("eol cr\n", "1: 'cr' ends no line: eol is lf or crlf");
}
END_TEST

START_TEST(escapes_are_bytes)
{
	parse("> \\r\\n\\t\\0\\x00\\xfF\\\\\\ \n< a\\ \n");
	check_bytes(step(1, SCRIPT_SEND), "\r\n\t\0\0\xff\\ \n", 9);
	check_bytes(step(2, SCRIPT_EXPECT), "a \n", 3);
	refused("> a\\q\n",
	    "1: '\\q' is no escape: \\n \\r \\t \\0 \\xHH, '\\ ' for a space, "
	    "and \\\\");
	refused("\n> \\x1\n",
	    "2: '\\x1' is no escape: \\n \\r \\t \\0 \\xHH, '\\ ' for a "
	    "space, and \\\\");
	refused("> at the end\\",
	    "1: '\\' is no escape: \\n \\r \\t \\0 \\xHH, '\\ ' for a space, "
	    "and \\\\");
}
END_TEST

START_TEST(digits_are_bytes)
{
	parse(">x 00ff 0D 0a\n<x\n");
	check_bytes(step(1, SCRIPT_SEND), "\0\xff\r\n", 4);
	check_bytes(step(2, SCRIPT_EXPECT), "", 0);
	refused(">x 0g\n", "1: '0g' is no byte of two hexadecimal digits");
	refused(">x 123\n", "1: '3' is no byte of two hexadecimal digits");
}
END_TEST

START_TEST(lines_of_one_client_are_one_message)
{
	parse("> a\n> b\nbob> c\n> d\n< d\n> e\n");
	check_bytes(step(1, SCRIPT_SEND), "a\nb\n", 4);
	ck_assert_uint_eq(script.steps[1].at, 0);
	step(2, SCRIPT_CONNECT);
	check_bytes(step(3, SCRIPT_SEND), "c\n", 2);
	ck_assert_uint_eq(script.steps[3].at, 4);
	check_bytes(step(4, SCRIPT_SEND), "d\n", 2);
	check_bytes(step(6, SCRIPT_SEND), "e\n", 2);
	ck_assert_uint_eq(script.steps[6].at, 8);
	ck_assert_uint_eq(script.sent, 10);
}
END_TEST

START_TEST(clients_connect_where_they_are_named_first)
{
	parse("bob> a\n> b\nbob< a\nend bob\nclosed bob peer\nann< hi\n");
	ck_assert_str_eq(script.names[step(0, SCRIPT_CONNECT)->who], "bob");
	ck_assert_str_eq(script.names[step(2, SCRIPT_CONNECT)->who], "");
	ck_assert_int_eq(
	    step(4, SCRIPT_EXPECT)->who, step(0, SCRIPT_CONNECT)->who);
	ck_assert_int_eq(
	    step(5, SCRIPT_END)->who, step(0, SCRIPT_CONNECT)->who);
	ck_assert_int_eq(step(6, SCRIPT_CLOSED)->reason, BEVHOST_REASON_PEER);
	ck_assert_str_eq(script.names[step(7, SCRIPT_CONNECT)->who], "ann");
	refused("9bob> a\n",
	    "1: '9bob' is no name: a letter, then letters, digits, - and _");
	refused("bob > a\n", "1: no blank may stand between 'bob' and >");
	refused(" > a\n", "1: a blank stands before the sign or the word");
}
END_TEST

START_TEST(there_is_an_end_to_names)
{
	char text[SCRIPT_NAMES_MAX * 16] = "";
	int i, len = 0;

	for (i = 0; i < SCRIPT_NAMES_MAX; i++)
		len += snprintf(
		    text + len, sizeof(text) - (size_t)len, "n%d> a\n", i);
	parse(text);
	ck_assert_int_eq(script.name_count, SCRIPT_NAMES_MAX);
	strcat(text, "> a\n");
	refused(text, "65: more than 64 names");
}
END_TEST

START_TEST(an_outbound_connection_gets_a_new_name)
{
	parse("> go\naccept far\nfar< hi\nrefuse\n");
	ck_assert_str_eq(script.names[step(2, SCRIPT_ACCEPT)->who], "far");
	ck_assert_int_eq(
	    step(3, SCRIPT_EXPECT)->who, step(2, SCRIPT_ACCEPT)->who);
	step(4, SCRIPT_REFUSE);
	refused("accept far\naccept far\n",
	    "2: somebody is 'far' already: accept gives a new name");
	refused("accept\n",
	    "1: accept wants a name for the far end, as in 'accept far'");
	refused("refuse far\n", "1: refuse stands alone, not before 'far'");
}
END_TEST

START_TEST(time_has_a_unit)
{
	parse("wait 5s\nwait 250ms\nwait 366d\n");
	ck_assert_int_eq(step(0, SCRIPT_WAIT)->number, 5000);
	ck_assert_int_eq(step(1, SCRIPT_WAIT)->number, 250);
	ck_assert_int_eq(
	    step(2, SCRIPT_WAIT)->number, INT64_C(366) * 24 * 3600 * 1000);
	refused("wait 5\n",
	    "1: wait: '5' is not a duration with its unit, such as 250ms, 30s "
	    "or 5m");
	refused("wait\n", "1: wait needs a time: wait 5s, say");
	refused("wait 0s\n",
	    "1: wait: '0s' is out of range: it may be 1ms to 366d");
}
END_TEST

START_TEST(reasons_are_words)
{
	parse("closed\nann> a\nclosed ann lifetime\nbob> a\nclosed bob\n");
	ck_assert_int_eq(step(1, SCRIPT_CLOSED)->reason, BEVHOST_REASON_NONE);
	ck_assert_int_eq(
	    step(4, SCRIPT_CLOSED)->reason, BEVHOST_REASON_LIFETIME);
	ck_assert_int_eq(step(7, SCRIPT_CLOSED)->reason, BEVHOST_REASON_NONE);
	refused("closed pear\n",
	    "1: 'pear' is no reason to close, did you mean 'peer'?");
	refused("closed bob\n",
	    "1: 'bob' is no reason to close, and nobody here: bevhost(8) lists "
	    "the reasons");
}
END_TEST

START_TEST(who_has_ended_reads_on)
{
	parse("> a\nend\n< a\n<~ b\n<* 3\nsilent\nclosed peer\n");
	step(6, SCRIPT_SILENT);
	parse("end\nclose\nclosed peer\nbob> a\nend bob\nreset bob\n");
	step(2, SCRIPT_CLOSE);
	step(7, SCRIPT_RESET);
	refused("> a\nend\n< a\n> b\n",
	    "4: the client sends no more since line 2: write this before it, "
	    "or take it away");
	refused("end bob\n> a\nbob>- a\n",
	    "3: 'bob' sends no more since line 1: write this before it, or "
	    "take it away");
	refused("end\nend\n",
	    "2: the client sends no more since line 1: write this before it, "
	    "or take it away");
}
END_TEST

START_TEST(who_has_closed_is_heard_no_more)
{
	static const char *const steps[] = { "> a", "< a", "<~ a", "<* 1",
		"silent", "end", "close", "reset" };
	char text[64];
	size_t i;

	parse("close\nwait 1s\nclosed peer\nreset bob\nclosed bob reset\n");
	ck_assert_int_eq(step(3, SCRIPT_CLOSED)->reason, BEVHOST_REASON_PEER);
	ck_assert_int_eq(step(6, SCRIPT_CLOSED)->reason, BEVHOST_REASON_RESET);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		snprintf(text, sizeof(text), "> a\n%s\nbob> b\n%s\n",
		    i % 2 ? "close" : "reset", steps[i]);
		refused(text,
		    "4: the client has closed on line 2: only closed may "
		    "follow, with the reason for which the host has closed");
	}
	refused("> go\naccept far\nclose far\nclosed far\n",
	    "4: 'far' has closed on line 3: of a server nothing can follow "
	    "that");
}
END_TEST

START_TEST(who_stalls_hears_nothing)
{
	parse("> a\nstall\n> b\nresume\n< b\nstall bob\nclose bob\n"
	      "closed bob\nstall\nclosed\n");
	ck_assert_int_eq(script.steps[2].kind, SCRIPT_STALL);
	ck_assert_int_eq(script.steps[4].kind, SCRIPT_RESUME);
	ck_assert_int_eq(script.steps[7].who, script.steps[6].who);
	refused("stall\n< a\n",
	    "2: the client does not read since line 1: write resume before "
	    "this");
	refused("stall bob\n> a\nsilent bob\n",
	    "3: 'bob' does not read since line 1: write resume before this");
	refused("stall\nstall\n",
	    "2: the client does not read since line 1: this changes nothing");
	refused("> a\nresume\n", "2: resume follows a stall");
}
END_TEST

START_TEST(who_is_gone_stays_so)
{
	static const char *const steps[] = { "> a", "< a", "silent", "end",
		"close", "reset", "closed", "closed peer" };
	char text[64];
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		snprintf(text, sizeof(text), "%sclosed\n%s\n",
		    i % 2 ? "close\n" : "\n", steps[i]);
		refused(text,
		    "3: the client is gone since line 2: a name that is new "
		    "connects again");
	}
	refused("closed pear\nclosed\n",
	    "1: 'pear' is no reason to close, did you mean 'peer'?");
}
END_TEST

START_TEST(what_the_handler_connects_to_has_no_reason)
{
	parse("> go\naccept far\nclosed far\n");
	ck_assert_int_eq(step(3, SCRIPT_CLOSED)->reason, BEVHOST_REASON_NONE);
	refused("> go\naccept far\nclosed far peer\n",
	    "3: 'far' is a server: reasons are for clients, closed alone is "
	    "right");
}
END_TEST

START_TEST(a_pattern_is_for_the_whole_line)
{
	const struct script_step *like;

	parse("<~ [0-9]+|many\n");
	like = step(1, SCRIPT_EXPECT_LIKE);
	ck_assert_int_eq(regexec(&like->regex, "12", 0, NULL, 0), 0);
	ck_assert_int_eq(regexec(&like->regex, "many", 0, NULL, 0), 0);
	ck_assert_int_ne(regexec(&like->regex, "12 more", 0, NULL, 0), 0);
	ck_assert_int_ne(regexec(&like->regex, "so many", 0, NULL, 0), 0);
	refused("<~\n", "1: a regular expression is needed");
	refused_pattern("<~ (\n", "x.conv:1: '(' is no regular expression: ");
	/* Alone it is none, though it would be between the others. */
	refused_pattern(
	    "<~ a)|(b\n", "x.conv:1: 'a)|(b' is no regular expression: ");
}
END_TEST

START_TEST(a_number_of_bytes_is_one)
{
	parse("<* 100\n<*7\n");
	ck_assert_int_eq(step(1, SCRIPT_EXPECT_ANY)->number, 100);
	ck_assert_int_eq(step(2, SCRIPT_EXPECT_ANY)->number, 7);
	refused(
	    "<* some\n", "1: 'some' is no number of bytes: write <* 100, say");
	refused("<* 0\n", "1: '0' is no number of bytes: write <* 100, say");
	refused("<* -1\n", "1: '-1' is no number of bytes: write <* 100, say");
	refused("<* 99999999999999999999\n",
	    "1: '99999999999999999999' is no number of bytes: write <* 100, "
	    "say");
}
END_TEST

START_TEST(parameters_and_options_stand_first)
{
	parse("with a=b\nwith text\nset idle-timeout=5s\nset deny=10.0.0.0/8\n"
	      "half-close off\nsplit off\npipelining off\n> a\n");
	ck_assert_int_eq(script.no_half_close, 1);
	ck_assert_int_eq(script.no_split, 1);
	ck_assert_int_eq(script.no_pipelining, 1);
	ck_assert_int_eq(script.word_count, 2);
	ck_assert_str_eq(script.words[0], "a=b");
	ck_assert_str_eq(script.words[1], "text");
	ck_assert_ptr_null(script.words[2]);
	ck_assert_str_eq(script.options[0], "idle-timeout=5s");
	ck_assert_str_eq(script.options[1], "deny=10.0.0.0/8");
	ck_assert_ptr_null(script.options[2]);
	ck_assert_int_eq(script.no_half_close, 1);
	ck_assert_int_eq(script.no_split, 1);
	refused("> a\nwith x=y\n",
	    "2: with must stand before what is said and done");
	refused("with\n", "1: with needs a parameter: KEY=VALUE");
}
END_TEST

/* So many lines, and then a step. */
static const char *
many(int count, const char *line)
{
	static char text[(SCRIPT_WORDS_MAX + 1) * 32];
	int i;

	text[0] = '\0';
	for (i = 0; i < count; i++)
		strcat(text, line);
	return strcat(text, "> a\n");
}

START_TEST(there_is_an_end_to_parameters_and_options)
{
	parse(many(SCRIPT_WORDS_MAX, "with a=b\n"));
	ck_assert_int_eq(script.word_count, SCRIPT_WORDS_MAX);
	parse(many(SCRIPT_WORDS_MAX, "set deny=10.0.0.0/8\n"));
	ck_assert_int_eq(script.option_count, SCRIPT_WORDS_MAX);
	refused(many(SCRIPT_WORDS_MAX + 1, "with a=b\n"),
	    "51: more than 50 lines of with: leave out those that are the "
	    "default");
	refused(many(SCRIPT_WORDS_MAX + 1, "set deny=10.0.0.0/8\n"),
	    "51: more than 50 lines of set: leave out those that are the "
	    "default");
}
END_TEST

START_TEST(options_are_those_of_a_listener)
{
	refused("set idle-timout=5s\n",
	    "1: listeners have no option 'idle-timout', did you mean "
	    "'idle-timeout'?");
	refused("set user=root\n",
	    "1: listeners have no option 'user': bevhost.conf(5) lists them");
	refused("set idle-timeout=5\n",
	    "1: idle-timeout: '5' is not a duration with its unit, such as "
	    "250ms, 30s or 5m");
	refused("set idle-timeout\n",
	    "1: 'idle-timeout' is not OPTION=VALUE: write set "
	    "idle-timeout=30s, say");
	refused("set max-connections=1\n",
	    "1: conversations have neither TLS nor limits of connections: "
	    "max-connections would do nothing");
}
END_TEST

START_TEST(an_apology_is_an_expectation)
{
	parse("without-memory <~ sorry.*\n> a\n");
	ck_assert_int_eq(script.apology->kind, SCRIPT_EXPECT_LIKE);
	parse("without-memory <x 05 01\n> a\n");
	ck_assert_int_eq(script.apology->kind, SCRIPT_EXPECT);
	check_bytes(script.apology, "\5\1", 2);
	refused("without-memory sorry\n",
	    "1: without-memory needs what may come then: without-memory < "
	    "sorry, say");
	refused("without-memory < a\nwithout-memory < b\n",
	    "2: there is a without-memory already");
	refused_pattern("without-memory <~ [\n",
	    "x.conv:1: '[' is no regular expression: ");
}
END_TEST

START_TEST(words_that_are_none_are_named)
{
	refused(
	    "> a\nclosd\n", "2: 'closd' is no word, did you mean 'closed'?");
	refused("frobnicate\n",
	    "1: 'frobnicate' is no word: a line begins with > or <, with a "
	    "name and one of them, or with a word such as wait, end or closed");
	refused("half-close on\n",
	    "1: 'on': half-close can be off, or not be there");
	refused(
	    "pipelining 1\n", "1: '1': pipelining can be off, or not be there");
	refused("drain now\n", "1: drain stands alone, not before 'now'");
	refused("end bob jones\n",
	    "1: 'bob jones' is no name: a letter, then letters, digits, - "
	    "and _");
	refused(">hello\n",
	    "1: after > or < comes a space and a text, - for a text without an "
	    "end of line, or x for hexadecimal digits");
}
END_TEST

START_TEST(what_is_no_text_is_shown_as_text)
{
	refused("\x7f\x45\x1b[31m\xff\n",
	    "1: '\\x7fE\\x1b[31m\\xff' is no word: a line begins with > or <, "
	    "with a name and one of them, or with a word such as wait, end or "
	    "closed");
}
END_TEST

START_TEST(files_of_other_systems_are_the_same)
{
	parse("\xef\xbb\xbf> hello\r\n<- you\r\n\r\nend\r\n");
	check_bytes(step(1, SCRIPT_SEND), "hello\n", 6);
	check_bytes(step(2, SCRIPT_EXPECT), "you", 3);
	step(3, SCRIPT_END);
}
END_TEST

START_TEST(nothing_is_no_conversation)
{
	refused("", " it says nothing: a line such as > hello is needed");
	refused("# only this\n\n",
	    " it says nothing: a line such as > hello is needed");
	refused("with a=b\neol crlf\n",
	    " it says nothing: a line such as > hello is needed");
}
END_TEST

START_TEST(a_file_is_read_or_it_is_said_why)
{
	char path[] = "/tmp/bevhost-test-XXXXXX", wanted[128];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "> hello", 7), 7);
	ck_assert_int_eq(script_read(&script, path, why, sizeof(why)), 0);
	check_bytes(step(1, SCRIPT_SEND), "hello\n", 6);
	script_clear(&script);

	ck_assert_int_eq(write(fd, "\0\n", 2), 2);
	ck_assert_int_eq(script_read(&script, path, why, sizeof(why)), -1);
	snprintf(wanted, sizeof(wanted),
	    "%s: it has a zero byte: write it as \\0", path);
	ck_assert_str_eq(why, wanted);
	script_clear(&script);

	ck_assert_int_eq(script_read(&script, "/tmp", why, sizeof(why)), -1);
	ck_assert_str_eq(why, "/tmp: Is a directory");
	script_clear(&script);
	unlink(path);
	ck_assert_int_eq(script_read(&script, path, why, sizeof(why)), -1);
	snprintf(wanted, sizeof(wanted), "%s: No such file or directory", path);
	ck_assert_str_eq(why, wanted);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("script");
	TCase *parse_case = tcase_create("parse");
	TCase *refuse = tcase_create("refuse");

	tcase_add_checked_fixture(parse_case, setup, teardown);
	tcase_add_test(parse_case, a_line_is_text_and_its_end);
	tcase_add_test(parse_case, a_text_may_be_empty_or_unended);
	tcase_add_test(parse_case, lines_end_as_eol_says_from_there_on);
	tcase_add_test(parse_case, escapes_are_bytes);
	tcase_add_test(parse_case, digits_are_bytes);
	tcase_add_test(parse_case, lines_of_one_client_are_one_message);
	tcase_add_test(parse_case, clients_connect_where_they_are_named_first);
	tcase_add_test(parse_case, there_is_an_end_to_names);
	tcase_add_test(parse_case, an_outbound_connection_gets_a_new_name);
	tcase_add_test(parse_case, time_has_a_unit);
	tcase_add_test(parse_case, reasons_are_words);
	tcase_add_test(parse_case, who_has_ended_reads_on);
	tcase_add_test(parse_case, who_has_closed_is_heard_no_more);
	tcase_add_test(parse_case, who_stalls_hears_nothing);
	tcase_add_test(parse_case, who_is_gone_stays_so);
	tcase_add_test(parse_case, what_the_handler_connects_to_has_no_reason);
	tcase_add_test(parse_case, a_pattern_is_for_the_whole_line);
	tcase_add_test(parse_case, a_number_of_bytes_is_one);
	tcase_add_test(parse_case, parameters_and_options_stand_first);
	tcase_add_test(parse_case, there_is_an_end_to_parameters_and_options);
	tcase_add_test(parse_case, an_apology_is_an_expectation);
	tcase_add_test(parse_case, files_of_other_systems_are_the_same);
	tcase_add_test(parse_case, a_file_is_read_or_it_is_said_why);
	suite_add_tcase(suite, parse_case);
	tcase_add_checked_fixture(refuse, setup, teardown);
	tcase_add_test(refuse, options_are_those_of_a_listener);
	tcase_add_test(refuse, words_that_are_none_are_named);
	tcase_add_test(refuse, what_is_no_text_is_shown_as_text);
	tcase_add_test(refuse, nothing_is_no_conversation);
	suite_add_tcase(suite, refuse);
	return tap_run(suite);
}
