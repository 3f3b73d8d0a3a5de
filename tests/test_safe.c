/* SPDX-License-Identifier: BSD-2-Clause */
/* Text made by hand is what the C library would have made. */
#include "safe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "addr.h"
#include "tap.h"

static const char *
text_of(struct safe_text *text)
{
	ck_assert_uint_lt(text->len, sizeof(text->bytes));
	text->bytes[text->len] = '\0';
	return text->bytes;
}

START_TEST(numbers_are_decimal)
{
	static const int64_t numbers[] = { 0, 1, -1, 9, 10, 4711, INT64_MAX,
		INT64_MIN };
	char want[32];
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct safe_text text = { .len = 0 };

		safe_put_number(&text, numbers[i]);
		snprintf(want, sizeof(want), "%lld", (long long)numbers[i]);
		ck_assert_str_eq(text_of(&text), want);
	}
}
END_TEST

START_TEST(addresses_are_hexadecimal)
{
	struct safe_text text = { .len = 0 };

	safe_put_hex(&text, 0);
	safe_put(&text, " ");
	safe_put_hex(&text, 0x10);
	safe_put(&text, " ");
	safe_put_hex(&text, UINT64_MAX);
	ck_assert_str_eq(text_of(&text), "0x0 0x10 0xffffffffffffffff");
}
END_TEST

START_TEST(what_does_not_fit_is_left_out)
{
	struct safe_text text = { .len = 0 };
	int i;

	for (i = 0; i < 500; i++)
		safe_put(&text, "abc");
	ck_assert_uint_eq(text.len, sizeof(text.bytes));
	ck_assert_mem_eq(text.bytes, "abcabc", 6);
}
END_TEST

static void
check_addr(const struct sockaddr *sa, socklen_t len)
{
	struct safe_text text = { .len = 0 };
	char want[ADDR_TEXT_SIZE];

	safe_put_addr(&text, sa);
	ck_assert_str_eq(
	    text_of(&text), addr_text(sa, len, want, sizeof(want)));
}

START_TEST(ipv4_is_as_addr_text_has_it)
{
	static const char *const hosts[] = { "0.0.0.0", "127.0.0.1",
		"192.0.2.255", "255.255.255.255" };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(65535) };
	size_t i;

	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		ck_assert_int_eq(inet_pton(AF_INET, hosts[i], &in.sin_addr), 1);
		check_addr((const void *)&in, sizeof(in));
	}
}
END_TEST

START_TEST(ipv6_is_as_addr_text_has_it)
{
	static const char *const hosts[] = { "::", "::1", "1::", "1::2",
		"2001:db8::1", "2001:db8:0:1:0:0:0:1", "1:0:0:2:0:0:3:4",
		"1:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:0",
		"::ffff:192.0.2.1", "::192.0.2.1", "::ffff:0:192.0.2.1",
		"::1:0:0", "64:ff9b::c000:201", "fe80::ffff:1",
		"0:0:0:0:1:2:3:4", "::2:0", "::ffff",
		"ff00:0:0:1::", "::1:2:3" };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(1) };
	size_t i;

	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		ck_assert_int_eq(
		    inet_pton(AF_INET6, hosts[i], &in6.sin6_addr), 1);
		check_addr((const void *)&in6, sizeof(in6));
	}
}
END_TEST

START_TEST(a_unix_peer_has_no_name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	check_addr((const void *)&un, sizeof(un.sun_family));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("safe");
	TCase *tcase = tcase_create("safe");

	tcase_add_test(tcase, numbers_are_decimal);
	tcase_add_test(tcase, addresses_are_hexadecimal);
	tcase_add_test(tcase, what_does_not_fit_is_left_out);
	tcase_add_test(tcase, ipv4_is_as_addr_text_has_it);
	tcase_add_test(tcase, ipv6_is_as_addr_text_has_it);
	tcase_add_test(tcase, a_unix_peer_has_no_name);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
