/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PROXY protocol headers: every field, every form that is wrong, and every
 * length at which one may be cut.
 */
#include "proxyhdr.h"

#include <errno.h>
#include <string.h>

#include "proxyhdr_tlv.h"
#include "tap.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define SIGNATURE     "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text)   text, sizeof(text) - 1
#define V2(text)      BYTES(SIGNATURE text)
#define IN4	      "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb"
#define TLV_NOOP      "\x04\x00\x02zz"
#define TLV_AUTHORITY "\x02\x00\x04host"

struct wrong {
	const char *bytes;
	size_t len;
	const char *why;
};

static struct proxyhdr
parsed(const void *bytes, size_t len)
{
	struct proxyhdr header;
	const char *why = NULL;
	size_t size;

	ck_assert_msg(proxyhdr_scan(bytes, len, &size, &why) == PROXYHDR_WHOLE,
	    "not whole: %s", why);
	ck_assert_uint_eq(size, len);
	ck_assert_msg(
	    proxyhdr_parse(&header, bytes, len, &why) == 0, "%s", why);
	return header;
}

static const char *
text(const struct addr *addr)
{
	static char buf[2][ADDR_TEXT_SIZE];
	static int turn;

	turn = !turn;
	return addr_text(&addr->u.sa, addr->len, buf[turn], sizeof(buf[0]));
}

static void
assert_wrong(const struct wrong *cases, size_t count)
{
	struct proxyhdr header;
	const char *why;
	size_t i;

	for (i = 0; i < count; i++) {
		why = "nothing";
		ck_assert_int_eq(
		    proxyhdr_parse(&header, cases[i].bytes, cases[i].len, &why),
		    -EPROTO);
		ck_assert_msg(strcmp(why, cases[i].why) == 0,
		    "case %zu: '%s', not '%s'", i, why, cases[i].why);
	}
}

START_TEST(version_1_has_addresses_of_both_families)
{
	static const struct {
		const char *line, *client, *destination;
	} cases[] = {
		{ "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n",
		    "192.0.2.1:12345", "198.51.100.2:443" },
		{ "PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0:0",
		    "255.255.255.255:65535" },
		{ "PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1",
		    "[::1]:2" },
		{ "PROXY TCP6 2001:DB8:0:0:0:0:0:1 :: 1 2\r\n",
		    "[2001:db8::1]:1", "[::]:2" },
		{ "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
		    "[::ffff:192.0.2.1]:1", "[::1]:2" },
		{ "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	};
	struct proxyhdr header;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		header = parsed(cases[i].line, strlen(cases[i].line));
		ck_assert_uint_eq(header.version, 1);
		ck_assert_int_eq(header.transport, SOCK_STREAM);
		ck_assert_str_eq(text(&header.client), cases[i].client);
		ck_assert_str_eq(
		    text(&header.destination), cases[i].destination);
		ck_assert_int_eq(header.family, header.client.u.sa.sa_family);
	}
}
END_TEST

START_TEST(version_1_may_know_no_address)
{
	static const char *const lines[] = {
		"PROXY UNKNOWN\r\n",
		"PROXY UNKNOWN \r\n",
		"PROXY UNKNOWN whatever  may\tstand here\r\n",
		("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	};
	struct proxyhdr header;
	size_t i;

	for (i = 0; i < COUNT(lines); i++) {
		header = parsed(lines[i], strlen(lines[i]));
		ck_assert_uint_eq(header.version, 1);
		ck_assert_int_eq(header.family, AF_UNSPEC);
		ck_assert_uint_eq(header.client.len, 0);
		ck_assert_uint_eq(header.destination.len, 0);
		ck_assert_uint_eq(header.tlvs.len, 0);
	}
	/* The longest line that there may be. */
	ck_assert_uint_eq(strlen(lines[3]), PROXYHDR_V1_SIZE_MAX);
}
END_TEST

START_TEST(version_1_is_strict)
{
#define ENDS	 "its line does not end with CR LF"
#define PROTOCOL "its protocol is none of TCP4, TCP6 and UNKNOWN"
#define SOURCE	 "its source address is wrong"
#define DEST	 "its destination address is wrong"
#define SPORT	 "its source port is wrong"
#define DPORT	 "its destination port is wrong"
#define MORE	 "more follows after the destination port"
	static const struct wrong cases[] = {
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"), ENDS },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r"),
		    "its size is wrong" },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n"), ENDS },
		{ BYTES("PROXY TCP4\r1.2.3.4 5.6.7.8 1 2\r\n"), ENDS },
		{ BYTES("PROXY UNKNOWN a\nb\r\n"), ENDS },
		{ BYTES("PROXY UNKNOWNX\r\n"), PROTOCOL },
		{ BYTES("PROXY UNKNOW\r\n"), PROTOCOL },
		{ BYTES("PROXY \r\n"), PROTOCOL },
		{ BYTES("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), PROTOCOL },
		{ BYTES("PROXY TCP 1.2.3.4 5.6.7.8 1 2\r\n"), PROTOCOL },
		{ BYTES("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n"), PROTOCOL },
		{ BYTES("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n"), PROTOCOL },
		{ BYTES("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n"), PROTOCOL },
		{ BYTES("PROXY TCP4\r\n"), PROTOCOL },
		{ BYTES("PROXY TCP4 \r\n"), SOURCE },
		{ BYTES("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP4 1.2.3.4.5 5.6.7.8 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP4 ::1 5.6.7.8 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP4 \t1.2.3.4 5.6.7.8 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP6 1.2.3.4 ::1 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP6 fe80::1%lo ::1 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP6 ::00001 ::1 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP6 1::2::3 ::1 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP6 [::1] ::1 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n"), SOURCE },
		{ BYTES("PROXY TCP4 1.2.3.4\r\n"), DEST },
		{ BYTES("PROXY TCP4 1.2.3.4 \r\n"), DEST },
		{ BYTES("PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n"), DEST },
		{ BYTES("PROXY TCP4 1.2.3.4 ::1 1 2\r\n"), DEST },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8\r\n"), SPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8  1 2\r\n"), SPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"), SPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n"), SPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n"), SPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n"), SPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"), DPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n"), DPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 00\r\n"), DPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 100000\r\n"), DPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2x\r\n"), DPORT },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n"), MORE },
		{ BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"), MORE },
	};

	assert_wrong(cases, COUNT(cases));
}
END_TEST

START_TEST(a_line_of_108_bytes_is_too_long)
{
	char line[PROXYHDR_V1_SIZE_MAX + 1];
	const char *why;
	size_t size;

	memset(line, 'x', sizeof(line));
	memcpy(line, BYTES("PROXY UNKNOWN "));
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	ck_assert_int_eq(
	    proxyhdr_scan(line, sizeof(line), &size, &why), PROXYHDR_WRONG);
	ck_assert_str_eq(why, "its line is longer than 107 bytes");
	/* And it is known before the last byte came. */
	ck_assert_int_eq(
	    proxyhdr_scan(line, sizeof(line) - 1, &size, &why), PROXYHDR_WRONG);
	ck_assert_int_eq(proxyhdr_scan(line, sizeof(line) - 2, &size, &why),
	    PROXYHDR_PARTIAL);
}
END_TEST

START_TEST(what_begins_otherwise_is_no_header)
{
	static const char *const texts[] = { "GET / HTTP/1.0\r\n", "\r\n\r\nx",
		"PROXY\t", "PROXX", "proxy ", "\r\n\r\n\r\n", "\n",
		"\x16\x03" };
	const char *why;
	size_t i, size;

	for (i = 0; i < COUNT(texts); i++) {
		ck_assert_int_eq(
		    proxyhdr_scan(texts[i], strlen(texts[i]), &size, &why),
		    PROXYHDR_NONE);
		ck_assert_str_eq(why, "the first bytes are no header");
	}
	ck_assert_int_eq(proxyhdr_scan("", 0, &size, &why), PROXYHDR_MAYBE);
}
END_TEST

/* Cut at each length: what is known of it then, and how much it lacks. */
static void
assert_cuts(const char *bytes, size_t len, size_t signature, size_t least)
{
	struct proxyhdr header;
	const char *why;
	size_t cut, size;

	for (cut = 0; cut < len; cut++) {
		enum proxyhdr_state expected =
		    cut < signature ? PROXYHDR_MAYBE : PROXYHDR_PARTIAL;

		ck_assert_int_eq(
		    proxyhdr_scan(bytes, cut, &size, &why), expected);
		ck_assert_uint_gt(size, cut);
		ck_assert_uint_le(size, len);
		if (cut >= least)
			ck_assert_uint_ge(size, least);
		ck_assert_int_eq(
		    proxyhdr_parse(&header, bytes, cut, &why), -EPROTO);
	}
	parsed(bytes, len);
}

START_TEST(a_header_may_be_cut_at_each_byte)
{
	static const char v1[] =
	    "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n";
	static const char shortest[] = "PROXY UNKNOWN\r\n";
	static const char v2[] = SIGNATURE "\x21\x11\x00\x11" IN4 TLV_NOOP;
	const char *why;
	size_t size;

	assert_cuts(BYTES(v1), 6, 15);
	assert_cuts(BYTES(shortest), 6, 15);
	assert_cuts(BYTES(v2), 12, 16);
	/* With the fixed part, all of the size is known. */
	ck_assert_int_eq(proxyhdr_scan(v2, 16, &size, &why), PROXYHDR_PARTIAL);
	ck_assert_uint_eq(size, sizeof(v2) - 1);
}
END_TEST

START_TEST(what_follows_is_not_of_the_header)
{
	static const char v1[] = "PROXY UNKNOWN\r\nGET /\r\n";
	static const char v2[] = SIGNATURE "\x21\x11\x00\x0c" IN4 "\r\n";
	const char *why;
	size_t size;

	ck_assert_int_eq(proxyhdr_scan(BYTES(v1), &size, &why), PROXYHDR_WHOLE);
	ck_assert_uint_eq(size, 15);
	ck_assert_int_eq(proxyhdr_scan(BYTES(v2), &size, &why), PROXYHDR_WHOLE);
	ck_assert_uint_eq(size, 28);
}
END_TEST

START_TEST(version_2_has_ip_addresses)
{
	static const char in4[] = SIGNATURE "\x21\x11\x00\x0c" IN4;
	static const char udp4[] = SIGNATURE "\x21\x12\x00\x0c" IN4;
	static const char in6[] =
	    SIGNATURE "\x21\x21\x00\x24"
		      "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
		      "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
		      "\x30\x39\x01\xbb";
	struct proxyhdr header = parsed(BYTES(in4));

	ck_assert_uint_eq(header.version, 2);
	ck_assert_uint_eq(header.local, 0);
	ck_assert_int_eq(header.family, AF_INET);
	ck_assert_int_eq(header.transport, SOCK_STREAM);
	ck_assert_str_eq(text(&header.client), "192.0.2.1:12345");
	ck_assert_str_eq(text(&header.destination), "198.51.100.2:443");
	header = parsed(BYTES(udp4));
	ck_assert_int_eq(header.transport, SOCK_DGRAM);
	header = parsed(BYTES(in6));
	ck_assert_int_eq(header.family, AF_INET6);
	ck_assert_str_eq(text(&header.client), "[2001:db8::1]:12345");
	ck_assert_str_eq(text(&header.destination), "[2001:db8::2]:443");
}
END_TEST

START_TEST(version_2_has_unix_addresses)
{
	char bytes[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";
	struct proxyhdr header;

	memcpy(bytes + 16, "/run/client", 11);
	memcpy(bytes + 16 + 108, "\0name", 5);
	header = parsed(bytes, sizeof(bytes));
	ck_assert_int_eq(header.family, AF_UNIX);
	ck_assert_str_eq(text(&header.client), "unix:/run/client");
	ck_assert_str_eq(text(&header.destination), "unix:@name");
	/* A path may fill all of its room, and have no name at all. */
	memset(bytes + 16, 'x', 108);
	memset(bytes + 16 + 108, 0, 108);
	bytes[13] = '\x32';
	header = parsed(bytes, sizeof(bytes));
	ck_assert_int_eq(header.transport, SOCK_DGRAM);
	ck_assert_uint_eq(
	    header.client.len, offsetof(struct sockaddr_un, sun_path) + 108);
	ck_assert_str_eq(text(&header.destination), "unix:");
}
END_TEST

START_TEST(local_and_unspecified_give_no_addresses)
{
	static const struct {
		const char *bytes;
		size_t len, tlvs_len;
	} cases[] = {
		{ V2("\x20\x00\x00\x00"), 0 },
		{ V2("\x20\x00\x00\x05" TLV_NOOP), 5 },
		{ V2("\x20\x11\x00\x0c" IN4), 0 },
		{ V2("\x20\x11\x00\x11" IN4 TLV_NOOP), 5 },
		{ V2("\x20\x11\x00\x04zzzz"), 0 }, /* shorter than addresses */
		{ V2("\x20\x00\x00\x04zzzz"), 0 }, /* no TLV */
		{ V2("\x20\xff\x00\x00"), 0 },
		{ V2("\x21\x00\x00\x00"), 0 },
		{ V2("\x21\x01\x00\x02zz"), 0 },
		{ V2("\x21\x02\x00\x05" TLV_NOOP), 5 },
		{ V2("\x21\x10\x00\x11" IN4 TLV_NOOP), 5 },
	};
	struct proxyhdr header;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		header = parsed(cases[i].bytes, cases[i].len);
		ck_assert_int_eq(header.family, AF_UNSPEC);
		ck_assert_uint_eq(header.client.len, 0);
		ck_assert_uint_eq(header.local, cases[i].bytes[12] == '\x20');
		ck_assert_uint_eq(header.tlvs.len, cases[i].tlvs_len);
	}
}
END_TEST

START_TEST(version_2_is_strict)
{
#define TLV    "the length of a TLV is wrong"
#define SHORT  "it is too short for its addresses"
#define SSLLEN "a length in its SSL is wrong"
	static const struct wrong cases[] = {
		{ V2("\x11\x11\x00\x0c" IN4),
		    "its version is neither 1 nor 2" },
		{ V2("\x31\x11\x00\x0c" IN4),
		    "its version is neither 1 nor 2" },
		{ V2("\x22\x11\x00\x0c" IN4),
		    "its command is neither LOCAL nor PROXY" },
		{ V2("\x2f\x11\x00\x0c" IN4),
		    "its command is neither LOCAL nor PROXY" },
		{ V2("\x21\x41\x00\x0c" IN4), "its address family is unknown" },
		{ V2("\x21\xf1\x00\x0c" IN4), "its address family is unknown" },
		{ V2("\x21\x13\x00\x0c" IN4),
		    "its transport protocol is unknown" },
		{ V2("\x21\x11\x00\x0b\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39"
		     "\x01"),
		    SHORT },
		{ V2("\x21\x21\x00\x0c" IN4), SHORT },
		{ V2("\x21\x31\x00\x0c" IN4), SHORT },
		{ V2("\x21\x11\x00\x00"), SHORT },
		{ V2("\x21\x11\x0f\xf1"), "it is longer than 4096 bytes" },
		{ V2("\x21\x11\xff\xff"), "it is longer than 4096 bytes" },
		{ V2("\x21\x11\x00\x0d" IN4 "\x04"), TLV },
		{ V2("\x21\x11\x00\x0e" IN4 "\x04\x00"), TLV },
		{ V2("\x21\x11\x00\x0f" IN4 "\x04\x00\x01"), TLV },
		{ V2("\x21\x11\x00\x10" IN4 "\x04\xff\xffz"), TLV },
		{ V2("\x21\x11\x00\x12" IN4 TLV_NOOP "\x04"), TLV },
		{ V2("\x21\x11\x00\x11" IN4 "\x03\x00\x02zz"),
		    "its checksum has not 4 bytes" },
		{ V2("\x21\x11\x00\x0f" IN4 "\x20\x00\x00"),
		    "its SSL information is too short" },
		{ V2("\x21\x11\x00\x13" IN4 "\x20\x00\x04zzzz"),
		    "its SSL information is too short" },
		{ V2("\x21\x11\x00\x15" IN4 "\x20\x00\x06\1\0\0\0\0z"),
		    SSLLEN },
		{ V2("\x21\x11\x00\x17" IN4 "\x20\x00\x08\1\0\0\0\0\x21\0\1"),
		    SSLLEN },
	};

	assert_wrong(cases, COUNT(cases));
}
END_TEST

START_TEST(a_wrong_version_2_is_known_at_its_first_wrong_byte)
{
	const char *why;
	size_t size;

	ck_assert_int_eq(
	    proxyhdr_scan(V2("\x31"), &size, &why), PROXYHDR_WRONG);
	ck_assert_int_eq(
	    proxyhdr_scan(V2("\x22"), &size, &why), PROXYHDR_WRONG);
	ck_assert_int_eq(
	    proxyhdr_scan(V2("\x21\x41"), &size, &why), PROXYHDR_WRONG);
	ck_assert_int_eq(
	    proxyhdr_scan(V2("\x21\x11\xff\xff"), &size, &why), PROXYHDR_WRONG);
}
END_TEST

START_TEST(the_longest_header_has_4096_bytes)
{
	static char bytes[PROXYHDR_SIZE_MAX] =
	    SIGNATURE "\x21\x11\x0f\xf0" IN4 "\xe0\x0f\xe1";
	struct proxyhdr header = parsed(bytes, sizeof(bytes));
	struct proxyhdr_tlv tlv;

	ck_assert_int_eq(proxyhdr_find(&header.tlvs, 0xe0, &tlv), 0);
	ck_assert_uint_eq(tlv.len, 4096 - 28 - 3);
}
END_TEST

START_TEST(tlvs_are_kept_in_their_order)
{
	static const char bytes[] =
	    SIGNATURE "\x21\x11\x00\x27" IN4 TLV_AUTHORITY TLV_NOOP
		      "\xe3\x00\x00" TLV_AUTHORITY TLV_NOOP;
	static const unsigned types[] = { 2, 4, 0xe3, 2, 4 };
	struct proxyhdr header = parsed(BYTES(bytes));
	struct proxyhdr_tlv tlv;
	size_t at = 0, i;

	for (i = 0; i < COUNT(types); i++) {
		ck_assert_int_eq(proxyhdr_next(&header.tlvs, &at, &tlv), 1);
		ck_assert_uint_eq(tlv.type, types[i]);
	}
	ck_assert_int_eq(proxyhdr_next(&header.tlvs, &at, &tlv), 0);
	ck_assert_int_eq(
	    proxyhdr_find(&header.tlvs, PROXYHDR_AUTHORITY, &tlv), 0);
	ck_assert_uint_eq(tlv.len, 4);
	ck_assert_int_eq(memcmp(tlv.value, "host", 4), 0);
	ck_assert_int_eq(proxyhdr_find(&header.tlvs, 0xe3, &tlv), 0);
	ck_assert_uint_eq(tlv.len, 0);
	ck_assert_int_eq(
	    proxyhdr_find(&header.tlvs, PROXYHDR_ALPN, &tlv), -ENOENT);
}
END_TEST

START_TEST(a_unique_id_has_at_most_128_bytes)
{
	char bytes[28 + 3 + 129] =
	    SIGNATURE "\x21\x11\x00\x8f" IN4 "\x05\x00\x80";
	struct proxyhdr header = parsed(bytes, sizeof(bytes) - 1);
	struct proxyhdr_tlv tlv;
	const char *why;

	ck_assert_int_eq(
	    proxyhdr_find(&header.tlvs, PROXYHDR_UNIQUE_ID, &tlv), 0);
	ck_assert_uint_eq(tlv.len, 128);
	bytes[15]++;
	bytes[30]++;
	ck_assert_int_eq(
	    proxyhdr_parse(&header, bytes, sizeof(bytes), &why), -EPROTO);
	ck_assert_str_eq(why, "its unique id is longer than 128 bytes");
}
END_TEST

START_TEST(what_it_tells_of_tls_is_read)
{
	static const char bytes[] =
	    SIGNATURE "\x21\x11\x00\x30" IN4 "\x20\x00\x21\x07\x00\x00\x00\x13"
		      "\x21\x00\x07TLSv1.3"
		      "\x22\x00\x03joe"
		      "\x23\x00\x09"
		      "AES128-GC";
	static const char plain[] = SIGNATURE "\x21\x11\x00\x0c" IN4;
	struct proxyhdr header = parsed(BYTES(bytes));
	struct proxyhdr_tlv tlv;
	struct proxyhdr_ssl ssl;

	ck_assert_int_eq(proxyhdr_ssl(&header, &ssl), 0);
	ck_assert_uint_eq(ssl.client, 7);
	ck_assert_uint_eq(ssl.verify, 0x13);
	ck_assert_int_eq(
	    proxyhdr_find(&ssl.tlvs, PROXYHDR_SSL_VERSION, &tlv), 0);
	ck_assert_int_eq(memcmp(tlv.value, "TLSv1.3", tlv.len), 0);
	ck_assert_int_eq(proxyhdr_find(&ssl.tlvs, PROXYHDR_SSL_CN, &tlv), 0);
	ck_assert_int_eq(memcmp(tlv.value, "joe", tlv.len), 0);
	ck_assert_int_eq(
	    proxyhdr_find(&ssl.tlvs, PROXYHDR_SSL_CIPHER, &tlv), 0);
	ck_assert_int_eq(
	    proxyhdr_find(&ssl.tlvs, PROXYHDR_SSL_KEY_ALG, &tlv), -ENOENT);
	header = parsed(BYTES(plain));
	ck_assert_int_eq(proxyhdr_ssl(&header, &ssl), -ENOENT);
}
END_TEST

/* The checksum of these was computed by another program. */
static char summed[] =
    SIGNATURE "\x21\x11\x00\x18" IN4 "\x03\x00\x04\xb9\x2e\x3c\x58" TLV_NOOP;

START_TEST(a_checksum_is_verified)
{
	struct proxyhdr header;
	const char *why;
	size_t i;

	parsed(BYTES(summed));
	for (i = 16; i < sizeof(summed) - 1; i++) {
		if (i == 28)
			continue; /* its type: there would be none */
		summed[i] ^= 1;
		ck_assert_int_eq(
		    proxyhdr_parse(&header, BYTES(summed), &why), -EPROTO);
		/* Others than those of types and lengths leave it to the sum.
		 */
		if (i < 28 || (i >= 31 && i < 35) || i >= 38)
			ck_assert_str_eq(why, "its checksum is wrong");
		summed[i] ^= 1;
	}
}
END_TEST

START_TEST(a_copy_has_tlvs_of_its_own)
{
	char bytes[] = SIGNATURE "\x21\x11\x00\x13" IN4 TLV_AUTHORITY;
	const char *why;
	struct proxyhdr *header = proxyhdr_new(BYTES(bytes), &why);
	struct proxyhdr_tlv tlv;

	ck_assert_ptr_nonnull(header);
	memset(bytes, 'x', sizeof(bytes));
	ck_assert_int_eq(
	    proxyhdr_find(&header->tlvs, PROXYHDR_AUTHORITY, &tlv), 0);
	ck_assert_int_eq(memcmp(tlv.value, "host", 4), 0);
	proxyhdr_free(header);
	proxyhdr_free(NULL);
	ck_assert_ptr_null(proxyhdr_new(BYTES("PROXY x\r\n"), &why));
	ck_assert_str_eq(why, PROTOCOL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proxyhdr");
	TCase *v1 = tcase_create("version_1"), *v2 = tcase_create("version_2");
	TCase *tlvs = tcase_create("tlvs"), *scan = tcase_create("scan");

	tcase_add_test(v1, version_1_has_addresses_of_both_families);
	tcase_add_test(v1, version_1_may_know_no_address);
	tcase_add_test(v1, version_1_is_strict);
	tcase_add_test(v1, a_line_of_108_bytes_is_too_long);
	suite_add_tcase(suite, v1);
	tcase_add_test(scan, what_begins_otherwise_is_no_header);
	tcase_add_test(scan, a_header_may_be_cut_at_each_byte);
	tcase_add_test(scan, what_follows_is_not_of_the_header);
	suite_add_tcase(suite, scan);
	tcase_add_test(v2, version_2_has_ip_addresses);
	tcase_add_test(v2, version_2_has_unix_addresses);
	tcase_add_test(v2, local_and_unspecified_give_no_addresses);
	tcase_add_test(v2, version_2_is_strict);
	tcase_add_test(v2, a_wrong_version_2_is_known_at_its_first_wrong_byte);
	tcase_add_test(v2, the_longest_header_has_4096_bytes);
	suite_add_tcase(suite, v2);
	tcase_add_test(tlvs, tlvs_are_kept_in_their_order);
	tcase_add_test(tlvs, a_unique_id_has_at_most_128_bytes);
	tcase_add_test(tlvs, what_it_tells_of_tls_is_read);
	tcase_add_test(tlvs, a_checksum_is_verified);
	tcase_add_test(tlvs, a_copy_has_tlvs_of_its_own);
	suite_add_tcase(suite, tlvs);
	return tap_run(suite);
}
