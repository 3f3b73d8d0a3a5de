/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may send a PROXY header, as a listener's settings say it. */
#include "proxy_from.h"

#include <arpa/inet.h>
#include <string.h>
#include <sysexits.h>

#include "heard.h"
#include "log.h"
#include "netset.h"
#include "settings_guard.h"
#include "settings_origin.h"

static char net4[] = "192.0.2.0/24", net6[] = "2001:db8::/32", wrong[] = "1.2";
static char where[] = "file:7";
static struct settings_item items[] = {
	{ .name = "allow", .value = wrong },
	{ .name = "proxy-from", .value = net4 },
	{ .name = "deny", .value = wrong },
	{ .name = "proxy-from", .value = net6, .where = where },
};

static struct settings_origin origins[] = { { .name = "proxy" } };

static struct netset *
made(int64_t proxy, int count, int expected)
{
	const struct settings_guard guard = {
		.proxy = proxy,
		.items = items,
		.item_count = count,
		.kinds = UINT32_MAX,
		.origins = origins,
		.origin_count = 1,
	};
	struct netset *set = NULL;

	ck_assert_int_eq(proxy_from_new(&guard, &set), expected);
	return set;
}

static int
has(const struct netset *set, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	ck_assert_int_eq(inet_pton(AF_INET, text, &in.sin_addr), 1);
	return netset_match(set, (const struct sockaddr *)&in) >= 0;
}

START_TEST(all_of_its_networks_are_taken)
{
	struct netset *set = made(_i, 4, 0);

	ck_assert_int_eq(netset_count(set), 2);
	ck_assert_int_eq(has(set, "192.0.2.77"), 1);
	ck_assert_int_eq(has(set, "192.0.3.1"), 0);
	netset_free(set);
}
END_TEST

START_TEST(there_is_no_set_when_it_is_off)
{
	ck_assert_ptr_null(made(SETTINGS_PROXY_OFF, 4, 0));
	ck_assert_ptr_null(made(SETTINGS_PROXY_OFF, 0, 0));
}
END_TEST

START_TEST(nobody_to_believe_is_an_error)
{
	listen_to_stderr();
	log_set_where("file:3");
	ck_assert_ptr_null(made(_i, 1, -EX_USAGE));
	log_set_where(NULL);
	restore_stderr();
	ck_assert_str_eq(heard,
	    _i == SETTINGS_PROXY_REQUIRED
		? "bevhost: --proxy=required: nobody may send a PROXY header: "
		  "name the networks of the proxies with --proxy-from, such as "
		  "--proxy-from=10.0.0.0/8\n"
		: "bevhost: --proxy=optional: nobody may send a PROXY header: "
		  "name the networks of the proxies with --proxy-from, such as "
		  "--proxy-from=10.0.0.0/8\n");
}
END_TEST

START_TEST(nobody_to_believe_is_an_error_with_its_line)
{
	origins[0].where = where;
	listen_to_stderr();
	ck_assert_ptr_null(made(SETTINGS_PROXY_REQUIRED, 1, -EX_CONFIG));
	restore_stderr();
	origins[0].where = NULL;
	ck_assert_str_eq(heard,
	    "bevhost: file:7: proxy = 'required': nobody may send a PROXY "
	    "header: name the networks of the proxies with proxy-from, such as "
	    "proxy-from = 10.0.0.0/8\n");
}
END_TEST

START_TEST(what_is_no_network_is_named_with_its_line)
{
	items[3].value = wrong;
	listen_to_stderr();
	ck_assert_ptr_null(made(_i, 4, -EX_CONFIG));
	log_set_where(NULL);
	restore_stderr();
	items[3].value = net6;
	ck_assert_ptr_nonnull(
	    strstr(heard, "bevhost: file:7: proxy-from = '1.2': "));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proxy_from");
	TCase *tcase = tcase_create("new");

	tcase_add_loop_test(tcase, all_of_its_networks_are_taken,
	    SETTINGS_PROXY_OPTIONAL, SETTINGS_PROXY_REQUIRED + 1);
	tcase_add_test(tcase, there_is_no_set_when_it_is_off);
	tcase_add_loop_test(tcase, nobody_to_believe_is_an_error,
	    SETTINGS_PROXY_OPTIONAL, SETTINGS_PROXY_REQUIRED + 1);
	tcase_add_test(tcase, nobody_to_believe_is_an_error_with_its_line);
	tcase_add_loop_test(tcase, what_is_no_network_is_named_with_its_line,
	    SETTINGS_PROXY_OPTIONAL, SETTINGS_PROXY_REQUIRED + 1);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
