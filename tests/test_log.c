/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the log makes of a message: every byte escaped, no buffer exceeded,
 * whole lines on standard error and nowhere else.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

/* Datagrams in the place of standard error: each is one write. */
static int log_saved = -1, log_reader = -1;

static void
log_setup(void)
{
	int pair[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	log_saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	ck_assert_int_ge(log_saved, 0);
	ck_assert_int_eq(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
	close(pair[1]);
	log_reader = pair[0];
	log_set_level(BEVHOST_LOG_NOTICE);
}

static void
log_teardown(void)
{
	dup2(log_saved, STDERR_FILENO);
	close(log_saved);
	close(log_reader);
	log_set_level(BEVHOST_LOG_NOTICE);
}

/* The next write to standard error, "" when there was none. */
static const char *
log_written(void)
{
	static char text[8192];
	ssize_t len = recv(log_reader, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (len < 0)
		ck_assert_int_eq(errno, EAGAIN);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

/* What stands for a byte, written down a second time. */
static void
expected_escape(unsigned byte, int quote, char *buf, size_t size)
{
	switch (byte) {
	case '\a':
		snprintf(buf, size, "\\a");
		break;
	case '\b':
		snprintf(buf, size, "\\b");
		break;
	case '\t':
		snprintf(buf, size, "\\t");
		break;
	case '\n':
		snprintf(buf, size, "\\n");
		break;
	case '\v':
		snprintf(buf, size, "\\v");
		break;
	case '\f':
		snprintf(buf, size, "\\f");
		break;
	case '\r':
		snprintf(buf, size, "\\r");
		break;
	case '\\':
		snprintf(buf, size, quote ? "\\\\" : "\\");
		break;
	default:
		snprintf(buf, size, byte < 32 || byte > 126 ? "\\x%02x" : "%c",
		    byte);
	}
}

START_TEST(each_of_the_256_bytes_is_printable_ascii)
{
	char buf[16], expected[8];
	unsigned char byte;
	unsigned i;
	size_t len, j;

	for (i = 0; i < 512; i++) {
		byte = (unsigned char)(i & 255);
		expected_escape(byte, i > 255, expected, sizeof(expected));
		len = log_escape(buf, sizeof(buf), &byte, 1, i > 255);
		ck_assert_str_eq(buf, expected);
		ck_assert_uint_eq(len, strlen(expected));
		for (j = 0; j < len; j++)
			ck_assert(buf[j] >= ' ' && buf[j] <= '~');
	}
}
END_TEST

START_TEST(quoted_bytes_can_be_told_apart)
{
	char buf[16];

	log_escape(buf, sizeof(buf), "\n", 1, 1);
	ck_assert_str_eq(buf, "\\n");
	log_escape(buf, sizeof(buf), "\\n", 2, 1);
	ck_assert_str_eq(buf, "\\\\n");
}
END_TEST

START_TEST(a_zero_byte_does_not_end_the_text)
{
	char buf[16];

	ck_assert_uint_eq(log_escape(buf, sizeof(buf), "a\0b", 3, 0), 6);
	ck_assert_str_eq(buf, "a\\x00b");
}
END_TEST

START_TEST(no_bytes_make_an_empty_text)
{
	char buf[4] = "###";

	ck_assert_uint_eq(log_escape(buf, sizeof(buf), "", 0, 0), 0);
	ck_assert_str_eq(buf, "");
}
END_TEST

/* Whole escapes only, then the dots, and not a byte past the end. */
static void
check_truncation(const char *bytes, size_t len, size_t size)
{
	char full[128], buf[128], piece[8];
	size_t full_len, used, cut = 0, i;

	full_len = log_escape(full, sizeof(full), bytes, len, 1);
	memset(buf, '#', sizeof(buf));
	used = log_escape(buf, size, bytes, len, 1);
	ck_assert_uint_lt(used, size);
	ck_assert_uint_eq(used, strlen(buf));
	ck_assert_int_eq(buf[size], '#');
	if (full_len < size) {
		ck_assert_str_eq(buf, full);
		return;
	}
	if (size >= 4) {
		ck_assert_uint_ge(used, 3);
		used -= 3;
		ck_assert_str_eq(buf + used, "...");
	}
	ck_assert_int_eq(strncmp(buf, full, used), 0);
	for (i = 0; i < len && cut < used; i++) {
		expected_escape(
		    (unsigned char)bytes[i], 1, piece, sizeof(piece));
		cut += strlen(piece);
	}
	ck_assert_uint_eq(cut, used);
}

START_TEST(at_every_size_dots_stand_for_what_had_no_room)
{
	static const char *const texts[] = { "Hello World!",
		"\x01\x02\x03\x04\x05", "a\nb\tc\rd", "ab\x7f\xff\\\\yz",
		"\x80...\x80..." };
	size_t i, size;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size = 1; size < 40; size++)
			check_truncation(texts[i], strlen(texts[i]), size);
}
END_TEST

START_TEST(truncation_keeps_as_much_as_fits)
{
	char buf[16];

	log_escape(buf, 12, "Hello World!", 12, 0);
	ck_assert_str_eq(buf, "Hello Wo...");
	log_escape(buf, 13, "Hello World!", 12, 0);
	ck_assert_str_eq(buf, "Hello World!");
	log_escape(buf, 4, "Hello World!", 12, 0);
	ck_assert_str_eq(buf, "...");
	log_escape(buf, 3, "Hello World!", 12, 0);
	ck_assert_str_eq(buf, "He");
}
END_TEST

START_TEST(a_message_is_one_line_with_the_name_of_the_host)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "%d and '%s'", 42, "text");
	ck_assert_str_eq(log_written(), "bevhost: 42 and 'text'\n");
	ck_assert_str_eq(log_written(), "");
}
END_TEST

START_TEST(a_prefix_stands_before_the_text)
{
	log_write(BEVHOST_LOG_ERROR, "echo", "text");
	ck_assert_str_eq(log_written(), "bevhost: echo: text\n");
	log_write(BEVHOST_LOG_ERROR, "", "text");
	ck_assert_str_eq(log_written(), "bevhost: : text\n");
}
END_TEST

START_TEST(a_place_in_a_file_stands_before_the_prefix)
{
	log_set_where("some.conf:7");
	log_write(BEVHOST_LOG_ERROR, "echo", "text");
	ck_assert_str_eq(log_written(), "bevhost: some.conf:7: echo: text\n");
	log_set_where(NULL);
	log_write(BEVHOST_LOG_ERROR, "echo", "text");
	ck_assert_str_eq(log_written(), "bevhost: echo: text\n");
}
END_TEST

START_TEST(a_prefix_is_no_format)
{
	log_write(BEVHOST_LOG_ERROR, "%s%n%m", "text");
	ck_assert_str_eq(log_written(), "bevhost: %s%n%m: text\n");
}
END_TEST

START_TEST(an_empty_message_is_a_line_too)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "%s", "");
	ck_assert_str_eq(log_written(), "bevhost: \n");
}
END_TEST

START_TEST(no_byte_reaches_the_terminal_as_it_is)
{
	log_write(BEVHOST_LOG_ERROR, "p\x1b", "%s", "\x1b[31m\r\nbevhost: x\\");
	ck_assert_str_eq(
	    log_written(), "bevhost: p\\x1b: \\x1b[31m\\r\\nbevhost: x\\\n");
	ck_assert_str_eq(log_written(), "");
}
END_TEST

START_TEST(percent_m_is_the_text_of_errno)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "bevhost: p: here: %s\n",
	    strerror(ENOSPC));
	errno = ENOSPC;
	log_write(BEVHOST_LOG_ERROR, "p", "here: %m");
	ck_assert_str_eq(log_written(), expected);
}
END_TEST

START_TEST(errno_is_kept_whether_shown_or_not)
{
	errno = ENOSPC;
	log_write(BEVHOST_LOG_ERROR, NULL, "%s", "shown");
	ck_assert_int_eq(errno, ENOSPC);
	log_write(BEVHOST_LOG_DEBUG, NULL, "%s", "not shown");
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

START_TEST(errno_is_kept_when_nothing_can_be_written)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(null, 0);
	dup2(null, STDERR_FILENO);
	close(null);
	errno = ENOSPC;
	log_write(BEVHOST_LOG_ERROR, NULL, "to nowhere");
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

START_TEST(levels_above_the_limit_are_not_shown)
{
	enum bevhost_level limit, level;

	for (limit = BEVHOST_LOG_ERROR; limit <= BEVHOST_LOG_DEBUG; limit++) {
		log_set_level(limit);
		for (level = BEVHOST_LOG_ERROR; level <= BEVHOST_LOG_DEBUG;
		     level++) {
			log_write(level, NULL, "text");
			ck_assert_int_eq(
			    log_written()[0] != '\0', level <= limit);
			ck_assert_int_eq(
			    log_enabled(level) != 0, level <= limit);
		}
	}
}
END_TEST

START_TEST(notices_are_shown_at_first_and_no_more)
{
	ck_assert_int_ne(log_enabled(BEVHOST_LOG_ERROR), 0);
	ck_assert_int_ne(log_enabled(BEVHOST_LOG_NOTICE), 0);
	ck_assert_int_eq(log_enabled(BEVHOST_LOG_INFO), 0);
}
END_TEST

static void
check_long_line(const char *line)
{
	size_t len = strlen(line);

	ck_assert_uint_gt(len, 1024);
	ck_assert_uint_lt(len, 4096);
	ck_assert_int_eq(strncmp(line, "bevhost: p: ", 12), 0);
	ck_assert_str_eq(line + len - 4, "...\n");
	ck_assert_ptr_eq(strchr(line, '\n'), line + len - 1);
}

START_TEST(dots_end_a_line_that_is_too_long)
{
	static char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	log_write(BEVHOST_LOG_ERROR, "p", "%s", text);
	check_long_line(log_written());
}
END_TEST

START_TEST(dots_end_a_line_whose_escapes_are_too_long)
{
	static char text[5000];
	size_t len;

	for (len = 1000; len < sizeof(text); len += 1333) {
		memset(text, '\x01', len);
		text[len] = '\0';
		log_write(BEVHOST_LOG_ERROR, "p", "%s", text);
		check_long_line(log_written());
	}
}
END_TEST

START_TEST(a_line_of_two_thousand_bytes_is_whole)
{
	static char text[2001], expected[2100];

	memset(text, 'x', sizeof(text) - 1);
	snprintf(expected, sizeof(expected), "bevhost: %s\n", text);
	log_write(BEVHOST_LOG_ERROR, NULL, "%s", text);
	ck_assert_str_eq(log_written(), expected);
}
END_TEST

static void write_by_list(enum bevhost_level level, const char *prefix,
    const char *format, ...) BEVHOST_PRINTF(3, 4);

static void
write_by_list(
    enum bevhost_level level, const char *prefix, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(level, prefix, format, args);
	va_end(args);
}

START_TEST(arguments_as_a_list_say_the_same)
{
	write_by_list(BEVHOST_LOG_NOTICE, "p", "%s=%d", "key", 7);
	ck_assert_str_eq(log_written(), "bevhost: p: key=7\n");
	write_by_list(BEVHOST_LOG_INFO, "p", "%s=%d", "key", 7);
	ck_assert_str_eq(log_written(), "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *escape = tcase_create("escape"), *lines = tcase_create("lines");

	tcase_add_test(escape, each_of_the_256_bytes_is_printable_ascii);
	tcase_add_test(escape, quoted_bytes_can_be_told_apart);
	tcase_add_test(escape, a_zero_byte_does_not_end_the_text);
	tcase_add_test(escape, no_bytes_make_an_empty_text);
	tcase_add_test(escape, at_every_size_dots_stand_for_what_had_no_room);
	tcase_add_test(escape, truncation_keeps_as_much_as_fits);
	tcase_add_test(escape, notices_are_shown_at_first_and_no_more);
	suite_add_tcase(suite, escape);

	tcase_add_checked_fixture(lines, log_setup, log_teardown);
	tcase_add_test(lines, a_message_is_one_line_with_the_name_of_the_host);
	tcase_add_test(lines, a_prefix_stands_before_the_text);
	tcase_add_test(lines, a_place_in_a_file_stands_before_the_prefix);
	tcase_add_test(lines, a_prefix_is_no_format);
	tcase_add_test(lines, an_empty_message_is_a_line_too);
	tcase_add_test(lines, no_byte_reaches_the_terminal_as_it_is);
	tcase_add_test(lines, percent_m_is_the_text_of_errno);
	tcase_add_test(lines, errno_is_kept_whether_shown_or_not);
	tcase_add_test(lines, errno_is_kept_when_nothing_can_be_written);
	tcase_add_test(lines, levels_above_the_limit_are_not_shown);
	tcase_add_test(lines, dots_end_a_line_that_is_too_long);
	tcase_add_test(lines, dots_end_a_line_whose_escapes_are_too_long);
	tcase_add_test(lines, a_line_of_two_thousand_bytes_is_whole);
	tcase_add_test(lines, arguments_as_a_list_say_the_same);
	suite_add_tcase(suite, lines);
	return tap_run(suite);
}
