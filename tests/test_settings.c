/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings: their table, their defaults, what each takes, and that they
 * reach a worker whole or not at all.
 */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "param.h"
#include "settings_edit.h"
#include "settings_guard.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct settings settings, other;

static void
setup(void)
{
	settings_init(&settings);
}

static void
teardown(void)
{
	settings_clear(&settings);
	settings_clear(&other);
}

static const char *
text_of(const struct settings *of, const char *name)
{
	static char buf[PARAM_TEXT_SIZE];

	return settings_text(of, name, buf, sizeof(buf));
}

static void
set(const char *name, const char *text)
{
	char why[PARAM_TEXT_SIZE] = "";

	ck_assert_msg(
	    settings_set(&settings, name, text, why, sizeof(why)) == 0,
	    "%s=%s: %s", name, text, why);
}

static void
set_own(struct settings_handler *handler, const char *name, const char *text)
{
	char why[PARAM_TEXT_SIZE] = "";

	ck_assert_msg(settings_guard_set(
			  &handler->guard, name, text, why, sizeof(why)) == 0,
	    "%s=%s: %s", name, text, why);
}

static void
add(struct settings_guard *guard, const char *name, const char *value,
    const char *where)
{
	char why[PARAM_TEXT_SIZE] = "";

	ck_assert_msg(settings_add_item(guard, settings_list_find(name), value,
			  where, why, sizeof(why)) == 0,
	    "%s=%s: %s", name, value, why);
}

static struct settings_guard *
own_guard(void)
{
	struct settings_handler *handler =
	    settings_add_handler(&settings, "echo");

	ck_assert_ptr_nonnull(handler);
	return &handler->guard;
}

START_TEST(a_handler_has_what_it_was_given_and_else_what_holds_for_all)
{
	struct settings_guard *guard = own_guard();

	set("idle-timeout", "5s");
	set("min-rate", "10");
	set("max-connections", "9");
	set_own(&settings.handlers[0], "min-rate", "0");
	set_own(&settings.handlers[0], "max-connections", "3");
	ck_assert_int_eq(settings_finish(&settings), 0);
	ck_assert_int_eq(guard->idle_timeout, 5000);
	ck_assert_int_eq(guard->min_rate, 0);
	ck_assert_int_eq(guard->max_connections, 3);
	ck_assert_int_eq(guard->handshake_timeout, 10000);
	ck_assert_int_eq(settings.max_connections, 9);
	set("idle-timeout", "6s");
	ck_assert_int_eq(settings_finish(&settings), 0);
	ck_assert_int_eq(guard->idle_timeout, 6000);
}
END_TEST

START_TEST(a_listener_has_no_option_of_the_host)
{
	static const char *const names[] = { "workers", "max-memory",
		"nonsense", "allow" };
	struct settings_guard *guard = own_guard();
	char why[PARAM_TEXT_SIZE];
	size_t i;

	for (i = 0; i < COUNT(names); i++)
		ck_assert_int_eq(
		    settings_guard_set(guard, names[i], "1", why, sizeof(why)),
		    -1);
	ck_assert_uint_eq(guard->given, 0);
}
END_TEST

START_TEST(lists_are_inherited_by_sets)
{
	struct settings_guard *guard = own_guard();

	add(&settings.guard, "allow", "10.0.0.0/8", NULL);
	add(&settings.guard, "deny", "all", NULL);
	add(&settings.guard, "tls-alpn", "h2", NULL);
	add(guard, "deny", "192.0.2.1", "a.conf:3");
	ck_assert_int_eq(settings_finish(&settings), 0);
	ck_assert_int_eq(settings_finish(&settings), 0);
	ck_assert_int_eq(guard->item_count, 2);
	ck_assert_str_eq(guard->items[0].value, "192.0.2.1");
	ck_assert_str_eq(guard->items[0].where, "a.conf:3");
	ck_assert_str_eq(settings_item_value(guard, "tls-alpn"), "h2");
	ck_assert_int_eq(settings_item_next(guard, "allow", 0), -1);
}
END_TEST

START_TEST(the_command_line_takes_the_place_of_what_a_file_gave)
{
	struct settings_guard *all = &settings.guard;

	add(all, "allow", "10.0.0.0/8", "a.conf:1");
	add(all, "tls-alpn", "h2", "a.conf:2");
	add(all, "deny", "all", "a.conf:3");
	settings_drop_items(all, settings_list_find("deny"));
	add(all, "deny", "192.0.2.1", NULL);
	settings_drop_items(all, settings_list_find("allow"));
	add(all, "allow", "all", NULL);
	ck_assert_int_eq(all->item_count, 3);
	ck_assert_str_eq(all->items[0].name, "tls-alpn");
	ck_assert_str_eq(all->items[1].name, "deny");
	ck_assert_str_eq(all->items[2].name, "allow");
}
END_TEST

START_TEST(what_has_one_value_is_given_once)
{
	const struct settings_list *list = settings_list_find("tls-groups");
	char why[PARAM_TEXT_SIZE];

	add(&settings.guard, "tls-groups", "X25519", NULL);
	ck_assert_int_eq(settings_add_item(&settings.guard, list, "P-256", NULL,
			     why, sizeof(why)),
	    -1);
	ck_assert_str_eq(why, "is given twice");
	ck_assert_ptr_null(settings_list_find("nonsense"));
}
END_TEST

START_TEST(rates_are_kept_by_the_hour)
{
	static const struct {
		const char *text, *back;
		int64_t rate;
	} rates[] = {
		{ "100/s", "100/s", 360000 },
		{ "30/m", "30/m", 1800 },
		{ "60/m", "1/s", 3600 },
		{ "5/h", "5/h", 5 },
		{ "7/s", "7/s", 25200 },
	};
	static const char *const wrong[] = { "", "0", "7", "0/s", "-1/s", "1/",
		"1/d", "1/ss", "/s", "1 /s", "1.5/s", "99999999/s",
		"99999999999999999999/h" };
	char why[PARAM_TEXT_SIZE];
	size_t i;

	for (i = 0; i < COUNT(rates); i++) {
		set("connection-rate", rates[i].text);
		ck_assert_int_eq(settings.guard.connection_rate, rates[i].rate);
		ck_assert_str_eq(
		    text_of(&settings, "connection-rate"), rates[i].back);
	}
	for (i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(settings_set(&settings, "connection-rate",
				  wrong[i], why, sizeof(why)) == -1,
		    "%s was taken", wrong[i]);
	ck_assert_int_eq(
	    settings_set(&settings, "connection-rate", "7", why, sizeof(why)),
	    -1);
	ck_assert_str_eq(why, "is without its time: write 7/s, 7/m or 7/h");
	ck_assert_int_eq(settings.guard.connection_rate, 25200);
}
END_TEST

START_TEST(every_declaration_is_sound)
{
	const struct bevhost_param *param = settings_params;
	char why[PARAM_TEXT_SIZE];

	for (; param->name != NULL; param++) {
		ck_assert_msg(param_check(param, why, sizeof(why)) == 0,
		    "%s %s", param->name, why);
		ck_assert(param_find(settings_params, param->name) == param);
		ck_assert(settings_has(param->name));
		ck_assert_ptr_nonnull(param->help);
	}
	ck_assert(!settings_has("no-such-setting"));
	for (param = settings_listener_params; param->name != NULL; param++)
		ck_assert_msg(param_check(param, why, sizeof(why)) == 0,
		    "%s %s", param->name, why);
}
END_TEST

/* So that a new one is not forgotten: their help begins so. */
static int
helps_as_path(const char *help)
{
	return strncmp(help, "file ", 5) == 0 ||
	       strncmp(help, "folder ", 7) == 0;
}

START_TEST(what_names_a_file_is_a_path)
{
	const struct bevhost_param *param = settings_params;
	const struct settings_list *list = settings_lists;
	int count = 0;

	for (; param->name != NULL; param++) {
		ck_assert_int_eq(
		    settings_is_path(param->name), helps_as_path(param->help));
		count += settings_is_path(param->name);
	}
	for (; list->name != NULL; list++) {
		ck_assert_int_eq(
		    settings_is_path(list->name), helps_as_path(list->help));
		count += settings_is_path(list->name);
	}
	ck_assert_int_ge(count, 7);
}
END_TEST

START_TEST(each_has_its_default)
{
	static const char *const defaults[][2] = {
		{ "workers", "1" },
		{ "pin", "auto" },
		{ "user", "" },
		{ "log-level", "notice" },
		{ "drain-timeout", "30s" },
		{ "drain-spread", "0s" },
		{ "reload-drain-timeout", "10m" },
		{ "reload-drain-max", "8" },
		{ "start-timeout", "30s" },
		{ "reload-canary", "off" },
		{ "stall-warn", "1s" },
		{ "stall-kill", "0s" },
		{ "event-method", "" },
		{ "stack-size", "" },
		{ "job-threads", "4" },
	};
	size_t i;

	for (i = 0; i < COUNT(defaults); i++)
		ck_assert_str_eq(
		    text_of(&settings, defaults[i][0]), defaults[i][1]);
	ck_assert_int_eq(settings.level, BEVHOST_LOG_NOTICE);
	ck_assert_int_eq(settings.handler_count, 0);
}
END_TEST

START_TEST(what_is_set_is_said_back)
{
	static const char *const values[][3] = {
		{ "workers", "auto", "auto" },
		{ "workers", "256", "256" },
		{ "pin", "off", "off" },
		{ "user", "nobody", "nobody" },
		{ "user", "", "" },
		{ "log-level", "debug", "debug" },
		{ "drain-timeout", "90s", "90s" },
		{ "drain-timeout", "120s", "2m" },
		{ "reload-canary", "10%, 30s", "10%, 30s, 10%" },
		{ "reload-canary", "1%,1m,100%", "1%, 1m, 100%" },
		{ "reload-canary", "99% ,1d ,1%", "99%, 1d, 1%" },
		{ "reload-canary", "off", "off" },
		{ "event-method", "poll", "poll" },
		{ "stack-size", "128k", "128k" },
	};
	size_t i;

	for (i = 0; i < COUNT(values); i++) {
		set(values[i][0], values[i][1]);
		ck_assert_str_eq(
		    text_of(&settings, values[i][0]), values[i][2]);
	}
}
END_TEST

START_TEST(what_it_cannot_be_is_refused_and_changes_nothing)
{
	static const char *const values[][2] = {
		{ "workers", "0" },
		{ "workers", "257" },
		{ "workers", "-1" },
		{ "workers", "" },
		{ "workers", "AUTO" },
		{ "pin", "maybe" },
		{ "log-level", "notic" },
		{ "drain-timeout", "30" },
		{ "drain-timeout", "-1s" },
		{ "drain-timeout", "2d" },
		{ "drain-spread", "61m" },
		{ "reload-drain-max", "0" },
		{ "reload-drain-max", "65" },
		{ "start-timeout", "0s" },
		{ "reload-canary", "" },
		{ "reload-canary", "10%" },
		{ "reload-canary", "0%, 1s" },
		{ "reload-canary", "100%, 1s" },
		{ "reload-canary", "10, 1s" },
		{ "reload-canary", "10%, 1" },
		{ "reload-canary", "10%, 10ms" },
		{ "reload-canary", "10%, 1s, 0%" },
		{ "reload-canary", "10%, 1s," },
		{ "reload-canary", "10%, 1s, 5%, 5%" },
		{ "reload-canary", "1000000000000000000000000%, 1s" },
		{ "event-method", "kqueue" },
		{ "event-method", "" },
		{ "stack-size", "1k" },
		{ "job-threads", "257" },
		{ "no-such-setting", "1" },
	};
	char before[PARAM_TEXT_SIZE], why[PARAM_TEXT_SIZE];
	size_t i;

	for (i = 0; i < COUNT(values); i++) {
		why[0] = '\0';
		settings_text(&settings, values[i][0], before, sizeof(before));
		ck_assert_msg(settings_set(&settings, values[i][0],
				  values[i][1], why, sizeof(why)) == -1,
		    "%s=%s was taken", values[i][0], values[i][1]);
		ck_assert_str_ne(why, "");
		ck_assert_str_eq(text_of(&settings, values[i][0]), before);
	}
}
END_TEST

START_TEST(a_text_is_cut_for_a_buffer_and_whole_by_its_pointer)
{
	char text[2000], buf[16];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	set("pidfile", text);
	ck_assert_str_eq(settings_text(&settings, "pidfile", buf, sizeof(buf)),
	    "xxxxxxxxxxxxxxx");
	ck_assert_str_eq(
	    settings_string(&settings, param_find(settings_params, "pidfile")),
	    text);
}
END_TEST

/* Something of everything. */
static void
fill(void)
{
	struct addr_spec spec;
	struct settings_handler *handler;
	const char *why;

	set("workers", "auto");
	set("user", "nobody");
	set("pidfile", "/run/a b\n");
	set("reload-canary", "5%, 10s, 7%");
	set("stack-size", "64k");
	handler = settings_add_handler(&settings, "echo");
	ck_assert_ptr_nonnull(handler);
	ck_assert_int_eq(addr_parse("unix:/run/echo", &spec, &why), 0);
	ck_assert_ptr_nonnull(
	    settings_add_address(handler, "unix:/run/echo", &spec));
	ck_assert_int_eq(addr_parse("[::1]:80", &spec, &why), 0);
	ck_assert_ptr_nonnull(settings_add_address(handler, "[::1]:80", &spec));
	ck_assert_ptr_nonnull(settings_add_word(handler, NULL, "bare", NULL));
	ck_assert_ptr_nonnull(
	    settings_add_word(handler, "key", "", "some.conf:7"));
	set("max-connections", "9");
	add(&settings.guard, "deny", "192.0.2.0/24", "some.conf:1");
	set_own(handler, "max-connections", "7");
	set_own(handler, "proxy", "required");
	set_own(handler, "connection-rate-per-client", "30/m");
	add(&handler->guard, "tls-cert", "a b.pem", "some.conf:8");
	add(&handler->guard, "tls-key", "c.pem", NULL);
	handler->mode = 0660;
	handler->paused = 1;
	ck_assert_int_eq(
	    settings_replace_text(&handler->where, "some.conf:5"), 0);
	ck_assert_int_eq(settings_replace_text(&handler->worker_group, "g"), 0);
	handler = settings_add_handler(&settings, "./greeting.so");
	ck_assert_ptr_nonnull(handler);
	spec = (struct addr_spec){ .kind = ADDR_FD, .fd = -1, .path = "name" };
	ck_assert_ptr_nonnull(settings_add_address(handler, "fd:name", &spec));
	ck_assert_ptr_nonnull(settings_add_group(&settings, "g"));
	settings.groups[0].workers = 3;
}

static int
written(void)
{
	int fd = memfd_create("settings", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	fill();
	ck_assert_int_eq(settings_write(&settings, fd), 0);
	return fd;
}

static void
check_text(const char *one, const char *two)
{
	ck_assert_int_eq(one == NULL, two == NULL);
	if (one != NULL)
		ck_assert_str_eq(one, two);
}

static void
check_same_guard(
    const struct settings_guard *one, const struct settings_guard *two)
{
	const struct bevhost_param *param = settings_guard_next(NULL);
	char a[PARAM_TEXT_SIZE], b[PARAM_TEXT_SIZE];
	int i, own = 0;

	for (; param != NULL; param = settings_guard_next(param))
		ck_assert_str_eq(settings_guard_text(one, param, a, sizeof(a)),
		    settings_guard_text(two, param, b, sizeof(b)));
	for (i = 0; i < two->item_count; i++)
		own += !two->items[i].inherited;
	ck_assert_int_eq(own, one->item_count);
	for (i = 0; i < own; i++) {
		ck_assert_str_eq(one->items[i].name, two->items[i].name);
		check_text(one->items[i].value, two->items[i].value);
		check_text(one->items[i].where, two->items[i].where);
	}
}

static void
check_same_handler(
    const struct settings_handler *one, const struct settings_handler *two)
{
	int i;

	check_text(one->plugin, two->plugin);
	check_text(one->worker_group, two->worker_group);
	check_text(one->where, two->where);
	check_same_guard(&one->guard, &two->guard);
	ck_assert_int_eq(one->mode, two->mode);
	ck_assert_int_eq(one->paused, two->paused);
	ck_assert_int_eq(one->address_count, two->address_count);
	for (i = 0; i < one->address_count; i++) {
		check_text(one->addresses[i].text, two->addresses[i].text);
		ck_assert_mem_eq(&one->addresses[i].spec,
		    &two->addresses[i].spec, sizeof(struct addr_spec));
	}
	ck_assert_int_eq(one->word_count, two->word_count);
	for (i = 0; i < one->word_count; i++) {
		check_text(one->words[i].key, two->words[i].key);
		check_text(one->words[i].value, two->words[i].value);
		check_text(one->words[i].where, two->words[i].where);
	}
}

START_TEST(what_was_written_is_read_by_each_who_shares_it)
{
	const struct bevhost_param *param = settings_params;
	char text[PARAM_TEXT_SIZE];
	int fd = written(), i, round;

	for (round = 0; round < 2; round++) {
		ck_assert_int_eq(settings_read(&other, fd), 0);
		for (param = settings_params; param->name != NULL; param++) {
			settings_text(
			    &settings, param->name, text, sizeof(text));
			ck_assert_str_eq(text_of(&other, param->name), text);
		}
		ck_assert_int_eq(settings.handler_count, other.handler_count);
		for (i = 0; i < settings.handler_count; i++)
			check_same_handler(
			    &settings.handlers[i], &other.handlers[i]);
		check_same_guard(&settings.guard, &other.guard);
		ck_assert_str_eq(
		    settings_item_value(&other.handlers[1].guard, "deny"),
		    "192.0.2.0/24");
		ck_assert_int_eq(other.group_count, 1);
		ck_assert_str_eq(other.groups[0].name, "g");
		ck_assert_int_eq(other.groups[0].workers, 3);
		settings_clear(&other);
	}
	close(fd);
}
END_TEST

START_TEST(what_is_written_again_replaces_what_was_longer)
{
	int fd = written();

	settings_clear(&settings);
	settings_init(&settings);
	ck_assert_int_eq(settings_write(&settings, fd), 0);
	ck_assert_int_eq(settings_read(&other, fd), 0);
	ck_assert_int_eq(other.handler_count, 0);
	close(fd);
}
END_TEST

static size_t
bytes_of(int fd, char **bytes)
{
	off_t size = lseek(fd, 0, SEEK_END);

	ck_assert_int_gt(size, 0);
	*bytes = malloc((size_t)size);
	ck_assert_ptr_nonnull(*bytes);
	ck_assert_int_eq(pread(fd, *bytes, (size_t)size, 0), size);
	return (size_t)size;
}

START_TEST(what_is_cut_anywhere_is_refused)
{
	int fd = written();
	off_t size = lseek(fd, 0, SEEK_END);

	while (size-- > 0) {
		ck_assert_int_eq(ftruncate(fd, size), 0);
		ck_assert_int_eq(settings_read(&other, fd), -1);
		ck_assert_int_eq(errno, EPROTO);
		settings_clear(&other);
	}
	close(fd);
}
END_TEST

START_TEST(what_is_longer_is_refused)
{
	int fd = written();

	ck_assert_int_eq(ftruncate(fd, lseek(fd, 0, SEEK_END) + 1), 0);
	ck_assert_int_eq(settings_read(&other, fd), -1);
	ck_assert_int_eq(errno, EPROTO);
	close(fd);
}
END_TEST

/* A changed byte may be another value, but never does harm. */
START_TEST(no_changed_byte_does_harm)
{
	static const char changes[] = { 1, 2, (char)0x80, (char)0xff };
	int fd = written(), refused = 0;
	char *bytes, byte;
	size_t size = bytes_of(fd, &bytes), i, j;

	for (i = 0; i < size; i++)
		for (j = 0; j < sizeof(changes); j++) {
			byte = (char)(bytes[i] ^ changes[j]);
			ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)i), 1);
			refused += settings_read(&other, fd) < 0;
			settings_clear(&other);
			ck_assert_int_eq(pwrite(fd, bytes + i, 1, (off_t)i), 1);
		}
	ck_assert_int_ge(refused, (int)size);
	ck_assert_int_eq(settings_read(&other, fd), 0);
	free(bytes);
	close(fd);
}
END_TEST

START_TEST(no_descriptor_is_an_error)
{
	ck_assert_int_eq(settings_read(&other, -1), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(settings_write(&settings, -1), -1);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(a_handler_that_is_dropped_takes_all_it_has_along)
{
	fill();
	settings_drop_handler(&settings);
	ck_assert_int_eq(settings.handler_count, 1);
	ck_assert_str_eq(settings.handlers[0].plugin, "echo");
	settings_drop_handler(&settings);
	ck_assert_int_eq(settings.handler_count, 0);
	fill();
	ck_assert_int_eq(settings.handler_count, 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("settings");
	TCase *table = tcase_create("table"), *wire = tcase_create("wire");
	TCase *guard = tcase_create("guard");

	tcase_add_checked_fixture(table, setup, teardown);
	tcase_add_test(table, every_declaration_is_sound);
	tcase_add_test(table, what_names_a_file_is_a_path);
	tcase_add_test(table, each_has_its_default);
	tcase_add_test(table, what_is_set_is_said_back);
	tcase_add_test(table, what_it_cannot_be_is_refused_and_changes_nothing);
	tcase_add_test(
	    table, a_text_is_cut_for_a_buffer_and_whole_by_its_pointer);
	tcase_add_test(table, a_handler_that_is_dropped_takes_all_it_has_along);
	suite_add_tcase(suite, table);
	tcase_add_checked_fixture(guard, setup, teardown);
	tcase_add_test(
	    guard, a_handler_has_what_it_was_given_and_else_what_holds_for_all);
	tcase_add_test(guard, a_listener_has_no_option_of_the_host);
	tcase_add_test(guard, lists_are_inherited_by_sets);
	tcase_add_test(
	    guard, the_command_line_takes_the_place_of_what_a_file_gave);
	tcase_add_test(guard, what_has_one_value_is_given_once);
	tcase_add_test(guard, rates_are_kept_by_the_hour);
	suite_add_tcase(suite, guard);
	tcase_add_checked_fixture(wire, setup, teardown);
	tcase_add_test(wire, what_was_written_is_read_by_each_who_shares_it);
	tcase_add_test(wire, what_is_written_again_replaces_what_was_longer);
	tcase_add_test(wire, what_is_cut_anywhere_is_refused);
	tcase_add_test(wire, what_is_longer_is_refused);
	tcase_add_test(wire, no_changed_byte_does_harm);
	tcase_add_test(wire, no_descriptor_is_an_error);
	suite_add_tcase(suite, wire);
	return tap_run(suite);
}
