/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses: what the command line may say, what it may not, what comes of a
 * name, and how an address is printed.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct addr_spec
parsed(const char *text)
{
	struct addr_spec spec;
	const char *why = "";

	ck_assert_msg(
	    addr_parse(text, &spec, &why) == 0, "'%s': %s", text, why);
	return spec;
}

static const char *
refused(const char *text)
{
	struct addr_spec spec;
	const char *why = NULL;

	ck_assert_msg(
	    addr_parse(text, &spec, &why) == -1, "'%s' was accepted", text);
	ck_assert_ptr_nonnull(why);
	return why;
}

START_TEST(a_host_and_its_port_are_taken_apart)
{
	static const struct {
		const char *text, *host;
		unsigned port;
	} cases[] = {
		{ "127.0.0.1:6000", "127.0.0.1", 6000 },
		{ "localhost:80", "localhost", 80 },
		{ ":6000", "", 6000 },
		{ "[::1]:6000", "::1", 6000 },
		{ "[::]:6000", "::", 6000 },
		{ "[fe80::1%lo]:6000", "fe80::1%lo", 6000 },
		{ "[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1", 1 },
		{ "h:0", "h", 0 },
		{ "h:1", "h", 1 },
		{ "h:00080", "h", 80 },
		{ "h:65535", "h", 65535 },
		{ "unix.example.org:1", "unix.example.org", 1 },
		{ "fd.example.org:1", "fd.example.org", 1 },
	};
	struct addr_spec spec;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		spec = parsed(cases[i].text);
		ck_assert_int_eq(spec.kind, ADDR_INET);
		ck_assert_str_eq(spec.host, cases[i].host);
		ck_assert_uint_eq(spec.port, cases[i].port);
	}
}
END_TEST

START_TEST(port_above_65535_is_refused)
{
	static const char *const texts[] = { "h:65536", "h:100000",
		"h:4294967297", "h:4295032832", "h:18446744073709551617",
		"[::1]:65536", ":65536" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++)
		ck_assert_str_eq(refused(texts[i]),
		    "the port is not a number from 0 to 65535");
}
END_TEST

START_TEST(port_that_is_no_number_is_refused)
{
	static const char *const texts[] = { ":", "h:", "h:http", "h:-1",
		"h:+1", "h: 1", "h:1 ", "h:1x", "h:0x10", "h:1.0",
		"[::1]:", "[::1]:x" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++)
		ck_assert_str_eq(refused(texts[i]),
		    "the port is not a number from 0 to 65535");
}
END_TEST

START_TEST(address_without_a_port_is_refused)
{
	static const char *const texts[] = { "", "6000", "localhost",
		"127.0.0.1", "/run/socket", "@name", "unix", "fd" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++)
		ck_assert_str_eq(
		    refused(texts[i]), "the port is missing (HOST:PORT)");
}
END_TEST

START_TEST(ipv6_address_needs_its_brackets)
{
	static const char *const texts[] = { "::1:6000", "::", ":::1",
		"2001:db8::1:80", "[::1]", "[::1", "[::1:80", "[:80",
		"[::1]x:80", "::1]:80", "a:b:80" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++)
		ck_assert_str_eq(refused(texts[i]),
		    "an IPv6 address is written [ADDRESS]:PORT");
}
END_TEST

START_TEST(empty_brackets_are_refused)
{
	ck_assert_str_eq(
	    refused("[]:80"), "there is no address between [ and ]");
}
END_TEST

START_TEST(host_name_of_255_bytes_is_the_longest)
{
	char text[300];
	struct addr_spec spec;

	memset(text, 'h', sizeof(text));
	memcpy(text + 255, ":80", 4);
	spec = parsed(text);
	ck_assert_uint_eq(strlen(spec.host), 255);
	ck_assert_uint_eq(spec.port, 80);
	text[255] = 'h';
	memcpy(text + 256, ":80", 4);
	ck_assert_str_eq(refused(text), "the host name is too long");
}
END_TEST

START_TEST(unix_address_is_a_path_or_an_abstract_name)
{
	static const char *const paths[] = { "/run/socket", "/s", "@name",
		"@a b", "@:/x", "/run/a:b", "//" };
	struct addr_spec spec;
	char text[64];
	size_t i;

	for (i = 0; i < COUNT(paths); i++) {
		snprintf(text, sizeof(text), "unix:%s", paths[i]);
		spec = parsed(text);
		ck_assert_int_eq(spec.kind, ADDR_UNIX);
		ck_assert_str_eq(spec.path, paths[i]);
	}
}
END_TEST

START_TEST(relative_or_empty_unix_path_is_refused)
{
	static const char kinds[] = "a unix address is unix:/PATH or "
				    "unix:@NAME";

	ck_assert_str_eq(refused("unix:"), kinds);
	ck_assert_str_eq(refused("unix:socket"), kinds);
	ck_assert_str_eq(refused("unix:./socket"), kinds);
	ck_assert_str_eq(refused("unix:80"), kinds);
	ck_assert_str_eq(refused("unix:/"), "the unix path is empty");
	ck_assert_str_eq(refused("unix:@"), "the unix path is empty");
}
END_TEST

START_TEST(unix_path_of_107_bytes_is_the_longest)
{
	static const char first[] = { '/', '@' };
	char text[256];
	struct addr_spec spec;
	size_t i;

	for (i = 0; i < COUNT(first); i++) {
		memset(text, 'p', sizeof(text));
		memcpy(text, "unix:", 5);
		text[5] = first[i];
		text[5 + 107] = '\0';
		spec = parsed(text);
		ck_assert_uint_eq(strlen(spec.path), 107);
		ck_assert_str_eq(spec.path, text + 5);
		text[5 + 107] = 'p';
		text[5 + 108] = '\0';
		ck_assert_str_eq(
		    refused(text), "the unix path is longer than 107 bytes");
	}
}
END_TEST

START_TEST(descriptor_is_a_number)
{
	static const char *const texts[] = { "fd:", "fd:_x", "fd:-1", "fd:3x",
		"fd: 3", "fd:+3", "fd:3:4", "fd:4294967299",
		"fd:18446744073709551619" };
	struct addr_spec spec;
	size_t i;

	spec = parsed("fd:3");
	ck_assert_int_eq(spec.kind, ADDR_FD);
	ck_assert_int_eq(spec.fd, 3);
	spec = parsed("fd:0");
	ck_assert_int_eq(spec.fd, 0);
	for (i = 0; i < COUNT(texts); i++)
		ck_assert_str_eq(refused(texts[i]),
		    "fd: needs the number of an open descriptor");
}
END_TEST

START_TEST(descriptor_has_a_name_when_it_starts_with_a_letter)
{
	static const char *const names[] = { "x", "http", "bevhost.socket",
		"bevhost@1.socket", "A-b_c.9" };
	static const char *const bad[] = { "fd:a b", "fd:a/b", "fd:a:b",
		"fd:a\n", "fd:a\xe4" };
	struct addr_spec spec;
	char text[64];
	size_t i;

	for (i = 0; i < COUNT(names); i++) {
		snprintf(text, sizeof(text), "fd:%s", names[i]);
		spec = parsed(text);
		ck_assert_int_eq(spec.kind, ADDR_FD);
		ck_assert_int_eq(spec.fd, -1);
		ck_assert_str_eq(spec.path, names[i]);
	}
	for (i = 0; i < COUNT(bad); i++)
		ck_assert_str_eq(refused(bad[i]),
		    "fd: a name has only letters, digits and _ . @ -");
}
END_TEST

START_TEST(descriptor_name_of_255_bytes_is_the_longest)
{
	char text[300];
	struct addr_spec spec;

	memset(text, 'n', sizeof(text));
	memcpy(text, "fd:", 3);
	text[3 + 255] = '\0';
	spec = parsed(text);
	ck_assert_str_eq(spec.path, text + 3);
	text[3 + 255] = 'n';
	text[3 + 256] = '\0';
	ck_assert_str_eq(
	    refused(text), "fd: the name is longer than 255 bytes");
}
END_TEST

/* The first address of a text. */
static struct addr
resolved(const char *text)
{
	struct addr_spec spec = parsed(text);
	struct addr addr;
	const char *why = "";

	ck_assert_msg(
	    addr_resolve(&spec, &addr, 1, &why) == 1, "'%s': %s", text, why);
	return addr;
}

START_TEST(what_is_parsed_and_resolved_is_printed_as_it_was_written)
{
	static const char *const texts[] = { "127.0.0.1:80", "0.0.0.0:0",
		"192.0.2.1:65535", "[::]:0", "[::1]:80", "[2001:db8::1]:65535",
		"[::ffff:192.0.2.1]:1", "unix:/run/socket", "unix:@name" };
	char buf[ADDR_TEXT_SIZE];
	struct addr addr;
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		addr = resolved(texts[i]);
		ck_assert_str_eq(
		    addr_text(&addr.u.sa, addr.len, buf, sizeof(buf)),
		    texts[i]);
	}
}
END_TEST

/* Without its zone, nobody could connect to it. */
START_TEST(link_local_address_is_printed_with_its_zone)
{
	struct addr_spec spec = parsed("[fe80::1%lo]:80");
	char buf[ADDR_TEXT_SIZE];
	struct addr addr;
	const char *why;

	if (addr_resolve(&spec, &addr, 1, &why) != 1)
		return; /* lo has another name here, or there is no IPv6 */
	ck_assert_str_eq(addr_text(&addr.u.sa, addr.len, buf, sizeof(buf)),
	    "[fe80::1%lo]:80");
}
END_TEST

START_TEST(no_host_means_all_addresses_of_ipv4)
{
	struct addr addr = resolved(":6000");

	ck_assert_int_eq(addr.u.sa.sa_family, AF_INET);
	ck_assert_uint_eq(addr.u.in.sin_addr.s_addr, htonl(INADDR_ANY));
	ck_assert_uint_eq(ntohs(addr.u.in.sin_port), 6000);
	ck_assert_uint_eq(addr.len, sizeof(struct sockaddr_in));
}
END_TEST

START_TEST(abstract_name_begins_with_a_zero_byte_and_has_no_end)
{
	struct addr addr = resolved("unix:@name");

	ck_assert_int_eq(addr.u.sa.sa_family, AF_UNIX);
	ck_assert_uint_eq(addr.len, offsetof(struct sockaddr_un, sun_path) + 5);
	ck_assert_mem_eq(addr.u.un.sun_path, "\0name", 5);
}
END_TEST

START_TEST(longest_unix_paths_resolve_whole)
{
	static const char first[] = { '/', '@' };
	char text[5 + 107 + 1], buf[ADDR_TEXT_SIZE];
	struct addr addr;
	size_t i;

	for (i = 0; i < COUNT(first); i++) {
		memset(text, 'p', sizeof(text) - 1);
		memcpy(text, "unix:", 5);
		text[5] = first[i];
		text[5 + 107] = '\0';
		addr = resolved(text);
		ck_assert_uint_le(addr.len, sizeof(addr.u.un));
		ck_assert_str_eq(
		    addr_text(&addr.u.sa, addr.len, buf, sizeof(buf)), text);
	}
}
END_TEST

/* Such a name fits into no question, so that none leaves the machine. */
START_TEST(host_that_is_no_name_is_refused_with_a_reason)
{
	struct addr_spec spec = parsed("no..host:80");
	struct addr addr;
	const char *why = NULL;

	ck_assert_int_eq(addr_resolve(&spec, &addr, 1, &why), -1);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_gt(strlen(why), 0);
}
END_TEST

START_TEST(localhost_is_loopback_addresses_each_but_once)
{
	struct addr_spec spec = parsed("localhost:80");
	struct addr addrs[16];
	char text[16][ADDR_TEXT_SIZE];
	const char *why = "";
	int count = addr_resolve(&spec, addrs, 16, &why), i, j;

	ck_assert_msg(count > 0, "localhost: %s", why);
	for (i = 0; i < count; i++) {
		addr_text(
		    &addrs[i].u.sa, addrs[i].len, text[i], sizeof(text[i]));
		ck_assert_msg(strncmp(text[i], "127.", 4) == 0 ||
				  strcmp(text[i], "[::1]:80") == 0,
		    "%s", text[i]);
		for (j = 0; j < i; j++)
			ck_assert_str_ne(text[i], text[j]);
	}
	ck_assert_int_eq(addr_resolve(&spec, addrs, 1, &why), 1);
}
END_TEST

START_TEST(nameless_unix_peer_is_printed_without_a_name)
{
	struct addr addr = { .u.un.sun_family = AF_UNIX };
	char buf[ADDR_TEXT_SIZE];
	socklen_t lens[] = { sizeof(sa_family_t),
		offsetof(struct sockaddr_un, sun_path) };
	size_t i;

	for (i = 0; i < COUNT(lens); i++)
		ck_assert_str_eq(
		    addr_text(&addr.u.sa, lens[i], buf, sizeof(buf)), "unix:");
}
END_TEST

START_TEST(unix_path_ends_at_its_length_or_its_zero_byte)
{
	struct addr addr = { .u.un.sun_family = AF_UNIX };
	char buf[ADDR_TEXT_SIZE];
	socklen_t start = offsetof(struct sockaddr_un, sun_path);

	memset(addr.u.un.sun_path, 'p', sizeof(addr.u.un.sun_path));
	memcpy(addr.u.un.sun_path, "/run", 4);
	ck_assert_str_eq(
	    addr_text(&addr.u.sa, start + 4, buf, sizeof(buf)), "unix:/run");
	addr.u.un.sun_path[4] = '\0';
	ck_assert_str_eq(
	    addr_text(&addr.u.sa, sizeof(addr.u.un), buf, sizeof(buf)),
	    "unix:/run");
}
END_TEST

/* The kernel allows a path without a zero byte at its end. */
START_TEST(unix_path_of_108_bytes_is_printed_whole)
{
	struct addr addr = { .u.un.sun_family = AF_UNIX };
	char buf[ADDR_TEXT_SIZE];

	memset(addr.u.un.sun_path, 'p', sizeof(addr.u.un.sun_path));
	addr_text(&addr.u.sa, sizeof(addr.u.un), buf, sizeof(buf));
	ck_assert_uint_eq(strlen(buf), 5 + 108);
}
END_TEST

START_TEST(unknown_family_is_printed_as_its_number)
{
	struct addr addr = { .u.sa.sa_family = AF_UNSPEC };
	char buf[ADDR_TEXT_SIZE];

	ck_assert_str_eq(
	    addr_text(&addr.u.sa, sizeof(addr.u.sa), buf, sizeof(buf)),
	    "unknown:0");
}
END_TEST

START_TEST(texts_of_addresses_never_exceed_their_buffer)
{
	static const char *const texts[] = { "127.0.0.1:80",
		"[2001:db8::1]:65535", "unix:/run/socket", "unix:@name" };
	char buf[64];
	struct addr addr;
	size_t i, size;

	for (i = 0; i < COUNT(texts); i++) {
		addr = resolved(texts[i]);
		for (size = 1; size < 32; size++) {
			memset(buf, '#', sizeof(buf));
			addr_text(&addr.u.sa, addr.len, buf, size);
			ck_assert_uint_lt(strlen(buf), size);
			ck_assert_int_eq(
			    strncmp(buf, texts[i], strlen(buf)), 0);
			ck_assert_int_eq(buf[size], '#');
		}
	}
}
END_TEST

static void
add_parse(Suite *suite)
{
	TCase *tcase = tcase_create("parse");

	tcase_add_test(tcase, a_host_and_its_port_are_taken_apart);
	tcase_add_test(tcase, port_above_65535_is_refused);
	tcase_add_test(tcase, port_that_is_no_number_is_refused);
	tcase_add_test(tcase, address_without_a_port_is_refused);
	tcase_add_test(tcase, ipv6_address_needs_its_brackets);
	tcase_add_test(tcase, empty_brackets_are_refused);
	tcase_add_test(tcase, host_name_of_255_bytes_is_the_longest);
	tcase_add_test(tcase, unix_address_is_a_path_or_an_abstract_name);
	tcase_add_test(tcase, relative_or_empty_unix_path_is_refused);
	tcase_add_test(tcase, unix_path_of_107_bytes_is_the_longest);
	tcase_add_test(tcase, descriptor_is_a_number);
	tcase_add_test(
	    tcase, descriptor_has_a_name_when_it_starts_with_a_letter);
	tcase_add_test(tcase, descriptor_name_of_255_bytes_is_the_longest);
	suite_add_tcase(suite, tcase);
}

static void
add_resolve(Suite *suite)
{
	TCase *tcase = tcase_create("resolve");

	tcase_add_test(
	    tcase, what_is_parsed_and_resolved_is_printed_as_it_was_written);
	tcase_add_test(tcase, link_local_address_is_printed_with_its_zone);
	tcase_add_test(tcase, no_host_means_all_addresses_of_ipv4);
	tcase_add_test(
	    tcase, abstract_name_begins_with_a_zero_byte_and_has_no_end);
	tcase_add_test(tcase, longest_unix_paths_resolve_whole);
	tcase_add_test(tcase, host_that_is_no_name_is_refused_with_a_reason);
	tcase_add_test(tcase, localhost_is_loopback_addresses_each_but_once);
	suite_add_tcase(suite, tcase);
}

static void
add_text(Suite *suite)
{
	TCase *tcase = tcase_create("text");

	tcase_add_test(tcase, nameless_unix_peer_is_printed_without_a_name);
	tcase_add_test(tcase, unix_path_ends_at_its_length_or_its_zero_byte);
	tcase_add_test(tcase, unix_path_of_108_bytes_is_printed_whole);
	tcase_add_test(tcase, unknown_family_is_printed_as_its_number);
	tcase_add_test(tcase, texts_of_addresses_never_exceed_their_buffer);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("addr");

	add_parse(suite);
	add_resolve(suite);
	add_text(suite);
	return tap_run(suite);
}
