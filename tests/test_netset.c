/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks from text, and which of them has an address. */
#include "netset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tap.h"

static struct netset *
of(const char *const *texts)
{
	struct netset *set = netset_new();
	char why[256];

	ck_assert_ptr_nonnull(set);
	for (; *texts != NULL; texts++)
		ck_assert_int_eq(netset_add(set, *texts, why, sizeof(why)), 0);
	return set;
}

static int
match(const struct netset *set, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr local = { .sa_family = AF_UNIX };

	if (strcmp(text, "unix") == 0)
		return netset_match(set, &local);
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return netset_match(set, (struct sockaddr *)&in);
	ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return netset_match(set, (struct sockaddr *)&in6);
}

struct match_case {
	const char *address;
	int rule;
};

static void
check_matches(const char *const *texts, const struct match_case *cases)
{
	struct netset *set = of(texts);

	for (; cases->address != NULL; cases++)
		ck_assert_msg(match(set, cases->address) == cases->rule,
		    "%s: %d instead of %d", cases->address,
		    match(set, cases->address), cases->rule);
	netset_free(set);
}

static void
check_refused(const char *text, const char *word)
{
	char why[256] = "";

	ck_assert_msg(netset_check(text, why, sizeof(why)) == -EINVAL,
	    "'%s' was taken", text);
	ck_assert_msg(strstr(why, word) != NULL, "'%s': \"%s\"", text, why);
}

START_TEST(addresses_and_networks_are_taken)
{
	static const char *const texts[] = { "10.0.0.0/8", "192.0.2.1",
		"192.0.2.1/32", "0.0.0.0/0", "::/0", "2001:db8::/32", "::1",
		"fe80::/10", "::ffff:10.0.0.0/104", "unix", "all", NULL };

	netset_free(of(texts));
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
	check_refused("", "ADDRESS/BITS");
	check_refused("example.org", "ADDRESS/BITS");
	check_refused("10.0.0", "ADDRESS/BITS");
	check_refused("10.0.0.0.0", "ADDRESS/BITS");
	check_refused("10.0.0.1:80", "ADDRESS/BITS");
	check_refused("[::1]", "ADDRESS/BITS");
	check_refused("fe80::1%lo", "ADDRESS/BITS");
	check_refused("all/8", "ADDRESS/BITS");
	check_refused("/8", "ADDRESS/BITS");
	check_refused("10.0.0.0/", "from 0 to 32");
	check_refused("10.0.0.0/33", "from 0 to 32");
	check_refused("10.0.0.0/-1", "from 0 to 32");
	check_refused("10.0.0.0/+8", "from 0 to 32");
	check_refused("10.0.0.0/8 ", "from 0 to 32");
	check_refused("10.0.0.0/255.0.0.0", "from 0 to 32");
	check_refused("2001:db8::/129", "from 0 to 128");
	check_refused("2001:db8::/0032", "from 0 to 128");
}
END_TEST

START_TEST(bits_beyond_the_network_name_what_was_meant)
{
	check_refused("10.1.2.3/8", "10.0.0.0/8");
	check_refused("192.0.2.129/25", "192.0.2.128/25");
	check_refused("1.1.1.1/0", "0.0.0.0/0");
	check_refused("2001:db8::1/32", "2001:db8::/32");
	check_refused("2001:db8:0:0:8000::/64", "2001:db8::/64");
	check_refused("::1/127", "::/127");
}
END_TEST

START_TEST(the_first_network_that_has_an_address_decides)
{
	static const char *const narrow_first[] = { "10.1.0.0/16", "10.0.0.0/8",
		"10.1.2.0/24", "0.0.0.0/0", NULL };
	static const struct match_case in_narrow_first[] = {
		{ "10.1.2.3", 0 },
		{ "10.1.0.0", 0 },
		{ "10.1.255.255", 0 },
		{ "10.2.0.0", 1 },
		{ "10.255.255.255", 1 },
		{ "11.0.0.0", 3 },
		{ "9.255.255.255", 3 },
		{ NULL, 0 },
	};
	static const char *const wide_first[] = { "10.0.0.0/8", "10.1.0.0/16",
		"0.0.0.0/0", "192.0.2.1", NULL };
	static const struct match_case in_wide_first[] = {
		{ "10.1.2.3", 0 },
		{ "192.0.2.1", 2 },
		{ NULL, 0 },
	};

	check_matches(narrow_first, in_narrow_first);
	check_matches(wide_first, in_wide_first);
}
END_TEST

START_TEST(families_are_apart)
{
	static const char *const six[] = { "::/0", NULL };
	static const struct match_case in_six[] = {
		{ "10.1.2.3", -1 },
		{ "::ffff:10.1.2.3", -1 },
		{ "2001:db8::1", 0 },
		{ "::", 0 },
		{ "unix", -1 },
		{ NULL, 0 },
	};
	static const char *const four[] = { "0.0.0.0/0", NULL };
	static const struct match_case in_four[] = {
		{ "10.1.2.3", 0 },
		{ "::ffff:10.1.2.3", 0 },
		{ "::10.1.2.3", -1 },
		{ "::", -1 },
		{ "unix", -1 },
		{ NULL, 0 },
	};

	check_matches(six, in_six);
	check_matches(four, in_four);
}
END_TEST

START_TEST(an_ipv4_address_in_ipv6_is_the_ipv4_address)
{
	static const char *const texts[] = { "10.0.0.0/8",
		"::ffff:11.0.0.0/104", "::ffff:12.0.0.1", NULL };
	static const struct match_case cases[] = {
		{ "::ffff:10.1.2.3", 0 },
		{ "11.1.2.3", 1 },
		{ "::ffff:11.1.2.3", 1 },
		{ "12.0.0.1", 2 },
		{ "12.0.0.2", -1 },
		{ NULL, 0 },
	};

	check_matches(texts, cases);
}
END_TEST

START_TEST(unix_peers_have_their_word)
{
	static const char *const texts[] = { "127.0.0.1", "unix", "all", NULL };
	static const struct match_case cases[] = {
		{ "127.0.0.1", 0 },
		{ "unix", 1 },
		{ "127.0.0.2", 2 },
		{ "2001:db8::1", 2 },
		{ NULL, 0 },
	};
	static const char *const all[] = { "all", "unix", NULL };
	static const struct match_case in_all[] = { { "unix", 0 },
		{ NULL, 0 } };

	check_matches(texts, cases);
	check_matches(all, in_all);
}
END_TEST

START_TEST(a_network_twice_is_the_first_one)
{
	static const char *const texts[] = { "10.0.0.0/8", "10.0.0.0/8",
		"2001:db8::1", "2001:db8::1/128", NULL };
	static const struct match_case cases[] = { { "10.0.0.1", 0 },
		{ "2001:db8::1", 2 }, { NULL, 0 } };

	check_matches(texts, cases);
}
END_TEST

START_TEST(ipv6_prefixes_of_each_length_are_found)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct netset *set;
	char text[64], address[INET6_ADDRSTRLEN], why[256];
	unsigned bits, i;

	for (bits = 1; bits <= 128; bits++) {
		set = netset_new();
		ck_assert_ptr_nonnull(set);
		memset(&in6.sin6_addr, 0, sizeof(in6.sin6_addr));
		for (i = 0; i < bits; i++)
			in6.sin6_addr.s6_addr[i / 8] |=
			    (unsigned char)(0x80 >> i % 8);
		inet_ntop(AF_INET6, &in6.sin6_addr, address, sizeof(address));
		snprintf(text, sizeof(text), "%s/%u", address, bits);
		ck_assert_int_eq(netset_add(set, text, why, sizeof(why)), 0);
		ck_assert_int_eq(netset_match(set, (struct sockaddr *)&in6), 0);
		in6.sin6_addr.s6_addr[(bits - 1) / 8] ^=
		    (unsigned char)(0x80 >> (bits - 1) % 8);
		ck_assert_int_eq(
		    netset_match(set, (struct sockaddr *)&in6), -1);
		netset_free(set);
	}
}
END_TEST

START_TEST(an_empty_set_has_nobody)
{
	static const char *const texts[] = { NULL };
	static const struct match_case cases[] = { { "10.0.0.1", -1 },
		{ "::1", -1 }, { "unix", -1 }, { NULL, 0 } };

	check_matches(texts, cases);
}
END_TEST

#define MANY 2000

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8 | *state << 24;
}

/* Against the plain way: one after the other. */
START_TEST(a_tree_says_what_a_list_says)
{
	static uint32_t addresses[MANY], masks[MANY];
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct netset *set = netset_new();
	uint32_t state = 1, probe;
	char text[64], why[256];
	int i, j;

	ck_assert_ptr_nonnull(set);
	for (i = 0; i < MANY; i++) {
		unsigned bits = 2 + next_random(&state) % 31;

		masks[i] = UINT32_MAX << (32 - bits);
		/* Near to each other, so that they overlap. */
		addresses[i] = (next_random(&state) & 0xf0f00f0f) & masks[i];
		in.sin_addr.s_addr = htonl(addresses[i]);
		inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
		snprintf(text + strlen(text), 8, "/%u", bits);
		ck_assert_int_eq(netset_add(set, text, why, sizeof(why)), 0);
	}
	ck_assert_int_eq(netset_count(set), MANY);
	for (i = 0; i < 5000; i++) {
		probe = next_random(&state) & (i % 2 ? 0xf0f00f0f : UINT32_MAX);
		for (j = 0; j < MANY && (probe & masks[j]) != addresses[j]; j++)
			;
		in.sin_addr.s_addr = htonl(probe);
		ck_assert_int_eq(netset_match(set, (struct sockaddr *)&in),
		    j < MANY ? j : -1);
	}
	netset_free(set);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("netset");
	TCase *text = tcase_create("text");
	TCase *found = tcase_create("match");

	tcase_add_test(text, addresses_and_networks_are_taken);
	tcase_add_test(text, what_is_no_network_is_refused);
	tcase_add_test(text, bits_beyond_the_network_name_what_was_meant);
	suite_add_tcase(suite, text);
	tcase_add_test(found, the_first_network_that_has_an_address_decides);
	tcase_add_test(found, families_are_apart);
	tcase_add_test(found, an_ipv4_address_in_ipv6_is_the_ipv4_address);
	tcase_add_test(found, unix_peers_have_their_word);
	tcase_add_test(found, a_network_twice_is_the_first_one);
	tcase_add_test(found, ipv6_prefixes_of_each_length_are_found);
	tcase_add_test(found, an_empty_set_has_nobody);
	tcase_add_test(found, a_tree_says_what_a_list_says);
	suite_add_tcase(suite, found);
	return tap_run(suite);
}
