/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line: which listener belongs to which plugin, what each option
 * sets, and that every refusal names what it refuses.
 */
#include "options.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "tap.h"
#include "settings_edit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WORDS_MAX    10

static struct options options;

static void
clear(void)
{
	options_clear(&options);
}

/* Parses "bevhost" and words, which are ended by NULL. */
static int
parse(const char *const *words)
{
	static char *argv[WORDS_MAX + 2];
	static char name[] = "bevhost";
	int argc = 0;

	options_clear(&options);
	argv[argc++] = name;
	for (; *words != NULL; words++) {
		ck_assert_int_le(argc, WORDS_MAX);
		argv[argc++] = (char *)(uintptr_t)*words;
	}
	argv[argc] = NULL;
	return options_parse(&options, argc, argv);
}

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })

/* Parses, and gives what was written to standard error meanwhile. */
static int
parse_heard(const char *const *words, char *heard, size_t size)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int memory = memfd_create("stderr", MFD_CLOEXEC), status;
	ssize_t len;

	ck_assert_int_ge(saved, 0);
	ck_assert_int_ge(memory, 0);
	dup2(memory, STDERR_FILENO);
	status = parse(words);
	dup2(saved, STDERR_FILENO);
	close(saved);
	len = pread(memory, heard, size - 1, 0);
	close(memory);
	ck_assert_int_ge(len, 0);
	heard[len] = '\0';
	return status;
}

static void
say(char *buf, size_t size, const char *format, ...) BEVHOST_PRINTF(3, 4);

/* Appends. */
static void
say(char *buf, size_t size, const char *format, ...)
{
	size_t used = strlen(buf);
	va_list args;

	va_start(args, format);
	vsnprintf(buf + used, size - used, format, args);
	va_end(args);
}

/* plugin(listener listener){key=value bare} plugin... */
static const char *
groups(char *buf, size_t size)
{
	int i, j;

	buf[0] = '\0';
	for (i = 0; i < options.settings.handler_count; i++) {
		const struct settings_handler *group =
		    &options.settings.handlers[i];

		say(buf, size, "%s%s(", i > 0 ? " " : "", group->plugin);
		for (j = 0; j < group->address_count; j++)
			say(buf, size, "%s%s", j > 0 ? " " : "",
			    group->addresses[j].text);
		say(buf, size, ")");
		for (j = 0; j < group->word_count; j++)
			say(buf, size, "{%s|%s}",
			    group->words[j].key ? group->words[j].key : "",
			    group->words[j].value);
	}
	return buf;
}

struct grouped {
	const char *words[WORDS_MAX], *groups;
};

static void
check_groups(const struct grouped *cases, size_t count)
{
	char buf[512], heard[1024];
	size_t i;

	for (i = 0; i < count; i++) {
		ck_assert_msg(
		    parse_heard(cases[i].words, heard, sizeof(heard)) == 0,
		    "row %zu: %s", i, heard);
		ck_assert_str_eq(heard, "");
		ck_assert_str_eq(groups(buf, sizeof(buf)), cases[i].groups);
	}
}

START_TEST(with_nothing_given_greeting_is_served_on_port_6000)
{
	static const char *const nothing[] = { NULL };
	char buf[512];

	ck_assert_int_eq(parse(nothing), 0);
	ck_assert_str_eq(groups(buf, sizeof(buf)), "greeting(0.0.0.0:6000)");
	ck_assert_uint_eq(
	    options.settings.handlers[0].addresses[0].spec.port, 6000);
	ck_assert_str_eq(
	    options.settings.handlers[0].addresses[0].spec.host, "0.0.0.0");
	ck_assert_int_eq(options.action, OPTIONS_SERVE);
	ck_assert_int_eq(options.settings.level, BEVHOST_LOG_NOTICE);
	ck_assert_int_eq(options.ready_fd, -1);
	ck_assert_ptr_null(options.help_plugin);
	ck_assert_ptr_null(options.settings.plugin_dir);
	ck_assert_ptr_null(options.dump_plugin);
	ck_assert_ptr_null(options.run);
	ck_assert_ptr_null(options.settings.event_method);
}
END_TEST

START_TEST(listeners_belong_to_the_plugin_that_follows)
{
	static const struct grouped cases[] = {
		{ { "echo" }, "echo(0.0.0.0:6000)" },
		{ { "-l", ":1" }, "greeting(:1)" },
		{ { "-l", ":1", "-l", ":2" }, "greeting(:1 :2)" },
		{ { "-l", ":1", "echo" }, "echo(:1)" },
		{ { "-l", ":1", "-l", ":2", "echo" }, "echo(:1 :2)" },
		{ { "-l", ":1", "echo", "-l", ":2", "greeting" },
		    "echo(:1) greeting(:2)" },
		{ { "-l", ":1", "echo", "-l", ":2", "-l", ":3", "echo" },
		    "echo(:1) echo(:2 :3)" },
		{ { "-l", ":1", "echo", "a=1", "-l", ":2", "print", "b=2" },
		    "echo(:1){a|1} print(:2){b|2}" },
		{ { "-l", ":1", "-v", "echo" }, "echo(:1)" },
	};

	check_groups(cases, COUNT(cases));
}
END_TEST

START_TEST(listeners_at_the_end_belong_to_a_last_plugin_without_any)
{
	static const struct grouped cases[] = {
		{ { "echo", "-l", ":1" }, "echo(:1)" },
		{ { "echo", "-l", ":1", "-l", ":2" }, "echo(:1 :2)" },
		{ { "echo", "a=1", "-l", ":1" }, "echo(:1){a|1}" },
		{ { "echo", "bare", "-p", "1" }, "echo(1){|bare}" },
	};

	check_groups(cases, COUNT(cases));
}
END_TEST

START_TEST(words_after_a_plugin_are_its_parameters)
{
	static const struct grouped cases[] = {
		{ { "p", "text=Hi" }, "p(0.0.0.0:6000){text|Hi}" },
		{ { "p", "text=" }, "p(0.0.0.0:6000){text|}" },
		{ { "p", "a=b=c" }, "p(0.0.0.0:6000){a|b=c}" },
		{ { "p", "a=1", "b=2", "a=3" },
		    "p(0.0.0.0:6000){a|1}{b|2}{a|3}" },
		{ { "p", "A.b_c-1=x y" }, "p(0.0.0.0:6000){A.b_c-1|x y}" },
		{ { "p", "-v", "a=1", "-q", "b=2" },
		    "p(0.0.0.0:6000){a|1}{b|2}" },
		{ { "p", "Hi" }, "p(0.0.0.0:6000){|Hi}" },
		{ { "p", "" }, "p(0.0.0.0:6000){|}" },
		{ { "p", "Hi", "a=1" }, "p(0.0.0.0:6000){|Hi}{a|1}" },
		{ { "p", "Hi there = you" },
		    "p(0.0.0.0:6000){|Hi there = you}" },
		{ { "p", "=x" }, "p(0.0.0.0:6000){|=x}" },
		{ { "p", "1=2" }, "p(0.0.0.0:6000){|1=2}" },
		{ { "p", "/etc/x=1" }, "p(0.0.0.0:6000){|/etc/x=1}" },
		{ { "a=1" }, "a=1(0.0.0.0:6000)" },
	};

	check_groups(cases, COUNT(cases));
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
	static const struct grouped cases[] = {
		{ { "--", "echo" }, "echo(0.0.0.0:6000)" },
		{ { "--", "-l" }, "-l(0.0.0.0:6000)" },
		{ { "echo", "--", "-v" }, "echo(0.0.0.0:6000){|-v}" },
		{ { "echo", "--", "a=1", "b=2" },
		    "echo(0.0.0.0:6000){a|1}{b|2}" },
		{ { "-l", ":1", "--", "echo", "--" }, "echo(:1){|--}" },
		{ { "-l", ":1", "--" }, "greeting(:1)" },
		{ { "-" }, "-(0.0.0.0:6000)" },
	};

	check_groups(cases, COUNT(cases));
	ck_assert_int_eq(options.settings.level, BEVHOST_LOG_NOTICE);
}
END_TEST

START_TEST(a_port_is_a_listener_on_all_addresses_of_ipv4)
{
	static const char *const forms[][3] = {
		{ "-p", "7001" },
		{ "-p7001" },
		{ "--port=7001" },
		{ "--port", "7001" },
		{ "--listen=0.0.0.0:7001" },
	};
	const struct settings_address *address;
	size_t i;

	for (i = 0; i < COUNT(forms); i++) {
		ck_assert_int_eq(parse(forms[i]), 0);
		ck_assert_int_eq(options.settings.handler_count, 1);
		ck_assert_int_eq(options.settings.handlers[0].address_count, 1);
		address = &options.settings.handlers[0].addresses[0];
		ck_assert_int_eq(address->spec.kind, ADDR_INET);
		ck_assert_str_eq(address->spec.host, "0.0.0.0");
		ck_assert_uint_eq(address->spec.port, 7001);
	}
	ck_assert_int_eq(PARSE("-p", "0"), 0);
	ck_assert_uint_eq(
	    options.settings.handlers[0].addresses[0].spec.port, 0);
}
END_TEST

START_TEST(ports_and_listeners_keep_their_order)
{
	static const struct grouped cases[] = {
		{ { "-p", "1", "-l", ":2", "-p3", "-l:4", "echo" },
		    "echo(1 :2 3 :4)" },
	};

	check_groups(cases, COUNT(cases));
}
END_TEST

START_TEST(every_form_of_address_is_taken)
{
	static const char *const texts[] = { "127.0.0.1:80", ":80", "[::1]:80",
		"unix:/run/socket", "unix:@name", "fd:3", "fd:name" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		ck_assert_int_eq(PARSE("-l", texts[i]), 0);
		ck_assert_str_eq(
		    options.settings.handlers[0].addresses[0].text, texts[i]);
	}
}
END_TEST

START_TEST(descriptors_with_names_have_no_number_in_common)
{
	ck_assert_int_eq(PARSE("-l", "fd:one", "-l", "fd:two"), 0);
	ck_assert_int_eq(options.settings.handlers[0].address_count, 2);
}
END_TEST

START_TEST(an_unambiguous_beginning_stands_for_its_option)
{
	char buf[512];

	ck_assert_int_eq(PARSE("--liste=:1", "--po", "2", "--plug=dir",
			     "--ev=poll", "--ru=true", "--no", "--verb"),
	    0);
	ck_assert_str_eq(groups(buf, sizeof(buf)), "greeting(:1 2)");
	ck_assert_str_eq(options.settings.plugin_dir, "dir");
	ck_assert_str_eq(options.settings.event_method, "poll");
	ck_assert_str_eq(options.run, "true");
	ck_assert_int_eq(options.settings.level, BEVHOST_LOG_INFO);
}
END_TEST

START_TEST(the_last_of_a_repeated_option_counts)
{
	ck_assert_int_eq(
	    PARSE("--plugin-dir=a", "--plugin-dir=b", "--run=c", "--run=d",
		"--event-method=poll", "--event-method=select", "--no-master",
		"--no-master"),
	    0);
	ck_assert_str_eq(options.settings.plugin_dir, "b");
	ck_assert_str_eq(options.run, "d");
	ck_assert_str_eq(options.settings.event_method, "select");
}
END_TEST

START_TEST(each_v_says_more_and_q_only_what_goes_wrong)
{
	static const struct {
		const char *words[5];
		enum bevhost_level level;
	} cases[] = {
		{ { "-v" }, BEVHOST_LOG_INFO },
		{ { "--verbose" }, BEVHOST_LOG_INFO },
		{ { "-v", "-v" }, BEVHOST_LOG_DEBUG },
		{ { "-vv" }, BEVHOST_LOG_DEBUG },
		{ { "-vvvv", "-v" }, BEVHOST_LOG_DEBUG },
		{ { "-q" }, BEVHOST_LOG_WARNING },
		{ { "--quiet", "-q" }, BEVHOST_LOG_WARNING },
		{ { "-vvq" }, BEVHOST_LOG_WARNING },
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		ck_assert_int_eq(parse(cases[i].words), 0);
		ck_assert_int_eq(options.settings.level, cases[i].level);
	}
}
END_TEST

START_TEST(the_first_action_is_what_is_done)
{
	static const struct {
		const char *words[4];
		enum options_action action;
	} cases[] = {
		{ { "--help" }, OPTIONS_HELP },
		{ { "-h" }, OPTIONS_HELP },
		{ { "--version" }, OPTIONS_VERSION },
		{ { "-V" }, OPTIONS_VERSION },
		{ { "--list-plugins" }, OPTIONS_LIST_PLUGINS },
		{ { "--dump-plugin=echo" }, OPTIONS_DUMP_PLUGIN },
		{ { "--dump-options" }, OPTIONS_DUMP_OPTIONS },
		{ { "-h", "-V" }, OPTIONS_HELP },
		{ { "-V", "-h" }, OPTIONS_VERSION },
		{ { "--list-plugins", "--dump-plugin=echo" },
		    OPTIONS_LIST_PLUGINS },
		{ { "echo", "-V" }, OPTIONS_VERSION },
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		ck_assert_int_eq(parse(cases[i].words), 0);
		ck_assert_int_eq(options.action, cases[i].action);
	}
}
END_TEST

START_TEST(help_is_of_the_plugin_that_is_named)
{
	ck_assert_int_eq(PARSE("--help", "echo"), 0);
	ck_assert_str_eq(options.help_plugin, "echo");
	ck_assert_str_eq(options.settings.handlers[0].plugin, "echo");
	ck_assert_int_eq(PARSE("echo", "--help"), 0);
	ck_assert_str_eq(options.help_plugin, "echo");
	ck_assert_int_eq(PARSE("-l", ":1", "--help"), 0);
	ck_assert_ptr_null(options.help_plugin);
}
END_TEST

START_TEST(the_plugin_to_dump_is_kept)
{
	ck_assert_int_eq(PARSE("--dump-plugin", "./echo.so"), 0);
	ck_assert_str_eq(options.dump_plugin, "./echo.so");
}
END_TEST

START_TEST(ready_fd_is_an_open_descriptor)
{
	char text[32];
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	snprintf(text, sizeof(text), "--ready-fd=%d", fd);
	ck_assert_int_eq(PARSE(text), 0);
	ck_assert_int_eq(options.ready_fd, fd);
	close(fd);
}
END_TEST

START_TEST(a_second_parse_starts_anew)
{
	char buf[512];

	ck_assert_int_eq(PARSE("-vv", "--run=x", "-l", ":1", "echo"), 0);
	ck_assert_int_eq(PARSE("-l", ":2", "print", "a=1"), 0);
	ck_assert_str_eq(groups(buf, sizeof(buf)), "print(:2){a|1}");
	ck_assert_int_eq(options.settings.level, BEVHOST_LOG_NOTICE);
	ck_assert_ptr_null(options.run);
}
END_TEST

START_TEST(clearing_twice_does_no_harm)
{
	ck_assert_int_eq(PARSE("-l", ":1", "echo", "a=1"), 0);
	options_clear(&options);
	options_clear(&options);
	ck_assert_ptr_null(options.settings.handlers);
	ck_assert_int_eq(options.settings.handler_count, 0);
}
END_TEST

struct refused {
	const char *words[WORDS_MAX], *says[3];
};

static void
check_refused(const struct refused *cases, size_t count)
{
	char heard[2048];
	size_t i, j;

	for (i = 0; i < count; i++) {
		ck_assert_msg(parse_heard(cases[i].words, heard,
				  sizeof(heard)) == -EX_USAGE,
		    "row %zu was accepted", i);
		ck_assert_int_eq(strncmp(heard, "bevhost: ", 9), 0);
		for (j = 0; j < 3 && cases[i].says[j] != NULL; j++)
			ck_assert_msg(strstr(heard, cases[i].says[j]) != NULL,
			    "row %zu: no \"%s\" in \"%s\"", i, cases[i].says[j],
			    heard);
	}
}

START_TEST(unknown_option_is_refused_by_its_name)
{
	static const struct refused cases[] = {
		{ { "--nonsense" }, { "unknown option '--nonsense'" } },
		{ { "--nonsense=1" }, { "unknown option '--nonsense'" } },
		{ { "--listn=:1" }, { "unknown option '--listn'",
					"did you mean '--listen'?" } },
		{ { "--plugin_dir=x" }, { "unknown option '--plugin_dir'",
					    "did you mean '--plugin-dir'?" } },
		{ { "-x" }, { "unknown option '-x'" } },
		{ { "-vx" }, { "unknown option '-x'" } },
		{ { "-v", "echo", "-z" }, { "unknown option '-z'" } },
		{ { "-x" }, { "try 'bevhost --help'" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(ambiguous_option_is_refused_by_its_name)
{
	static const struct refused cases[] = {
		{ { "--ver" }, { "option '--ver' is ambiguous" } },
		{ { "--list=:1" }, { "option '--list' is ambiguous" } },
		{ { "--p", "1" }, { "option '--p' is ambiguous" } },
		{ { "--r=1" }, { "option '--r' is ambiguous" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(missing_argument_is_refused_by_its_option)
{
	static const struct refused cases[] = {
		{ { "-l" }, { "option '-l' needs an argument" } },
		{ { "-p" }, { "option '-p' needs an argument" } },
		{ { "--listen" }, { "option '--listen' needs an argument" } },
		{ { "--run" }, { "option '--run' needs an argument" } },
		{ { "--plugin-dir" }, { "option '--plugin-dir' needs" } },
		{ { "--dump-plugin" }, { "option '--dump-plugin' needs" } },
		{ { "--ready-fd" }, { "option '--ready-fd' needs" } },
		{ { "--event-method" }, { "option '--event-method' needs" } },
		{ { "echo", "-v", "-l" }, { "option '-l' needs" } },
		{ { "-vl" }, { "option '-l' needs an argument" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(needless_argument_is_refused_by_its_option)
{
	static const struct refused cases[] = {
		{ { "--verbose=1" },
		    { "option '--verbose' takes no argument" } },
		{ { "--help=echo" }, { "option '--help' takes no argument" } },
		{ { "--list-plugins=1" },
		    { "option '--list-plugins' takes no argument" } },
		{ { "--no-master=1" },
		    { "option '--no-master' takes no argument" } },
		{ { "--vers=" }, { "option '--vers' takes no argument" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(address_is_refused_as_it_was_written)
{
	static const struct refused cases[] = {
		{ { "-l", "" }, { "cannot listen on ''", "port is missing" } },
		{ { "-l", "localhost" },
		    { "cannot listen on 'localhost'", "port is missing" } },
		{ { "-l", ":65536" },
		    { "cannot listen on ':65536'", "0 to 65535" } },
		{ { "--listen=::1:80" },
		    { "cannot listen on '::1:80'", "[ADDRESS]:PORT" } },
		{ { "-l", "unix:x" }, { "cannot listen on 'unix:x'" } },
		{ { "-l", "fd:-x" }, { "cannot listen on 'fd:-x'" } },
		{ { "-l", ":1", "echo", "-l", ":x" }, { "':x'" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(port_is_refused_as_it_was_written)
{
	static const struct refused cases[] = {
		{ { "-p", "65536" }, { "65536", "0 to 65535" } },
		{ { "-p", "http" }, { "http", "0 to 65535" } },
		{ { "-p", "-1" }, { "-1", "0 to 65535" } },
		{ { "-p", "" }, { "0 to 65535" } },
		{ { "-p", "8 0" }, { "8 0", "0 to 65535" } },
		{ { "--port=:80" }, { ":80", "0 to 65535" } },
		{ { "-p", "127.0.0.1:80" }, { "127.0.0.1:80", "0 to 65535" } },
		{ { "-p", "99999999999" }, { "99999999999", "0 to 65535" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(ready_fd_that_is_not_open_is_refused)
{
	static const struct refused cases[] = {
		{ { "--ready-fd=" }, { "--ready-fd= is not the number" } },
		{ { "--ready-fd=x" }, { "--ready-fd=x" } },
		{ { "--ready-fd=0x" }, { "--ready-fd=0x" } },
		{ { "--ready-fd=-1" }, { "--ready-fd=-1" } },
		{ { "--ready-fd=1048575" }, { "--ready-fd=1048575" } },
		{ { "--ready-fd=4294967296" }, { "--ready-fd=4294967296" } },
		{ { "--ready-fd=99999999999999999999" },
		    { "--ready-fd=99999999999999999999" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(every_setting_is_an_option_and_in_the_help)
{
	const struct bevhost_param *param = settings_params;
	char text[64];

	for (; param->name != NULL; param++) {
		snprintf(text, sizeof(text), "--%s=", param->name);
		ck_assert_msg(strstr(options_help, text) != NULL,
		    "%s is not in the help", text);
	}
}
END_TEST

START_TEST(settings_are_set)
{
	struct settings *settings = &options.settings;

	ck_assert_int_eq(PARSE("-w", "4", "-u", "nobody", "--group=adm",
			     "--pin=on", "--pidfile=/run/x", "--log-file=log",
			     "--drain-timeout=5s", "--stall-kill=1m"),
	    0);
	ck_assert_int_eq(settings->workers, 4);
	ck_assert_int_eq(settings->pin, SETTINGS_PIN_ON);
	ck_assert_str_eq(settings->user, "nobody");
	ck_assert_str_eq(settings->group, "adm");
	ck_assert_str_eq(settings->pidfile, "/run/x");
	ck_assert_str_eq(settings->log_file, "log");
	ck_assert_int_eq(settings->drain_timeout, 5000);
	ck_assert_int_eq(settings->stall_kill, 60000);
	ck_assert_int_eq(PARSE("--workers=auto"), 0);
	ck_assert_int_eq(settings->workers, 0);
	ck_assert_ptr_null(settings->user);
	ck_assert_int_eq(PARSE("--reload-canary=10%,30s"), 0);
	ck_assert_int_eq(settings->canary_percent, 10);
	ck_assert_int_eq(settings->canary_time, 30000);
	ck_assert_int_eq(settings->canary_errors, 10);
	ck_assert_int_eq(PARSE("--log-level=warning", "-v"), 0);
	ck_assert_int_eq(settings->level, BEVHOST_LOG_NOTICE);
}
END_TEST

START_TEST(a_reload_may_name_its_process)
{
	ck_assert_int_eq(PARSE("--reload"), 0);
	ck_assert_int_eq(options.action, OPTIONS_RELOAD);
	ck_assert_int_eq(options.reload_pid, 0);
	ck_assert_int_eq(options.settings.handler_count, 0);
	ck_assert_int_eq(PARSE("--reload=4711"), 0);
	ck_assert_int_eq(options.reload_pid, 4711);
	ck_assert_int_eq(PARSE("--no-master"), 0);
	ck_assert_int_eq(options.no_master, 1);
	ck_assert_int_eq(PARSE("--no-master", "--workers=1"), 0);
}
END_TEST

/* What was open at the start is used up, and its number may be anything's. */
START_TEST(a_parse_for_a_reload_looks_at_no_descriptor)
{
	static char name[] = "bevhost", fd[] = "--ready-fd=1048575";
	static char *argv[] = { name, fd, NULL };

	options_clear(&options);
	ck_assert_int_eq(options_parse_again(&options, 2, argv), 0);
	ck_assert_int_eq(options.ready_fd, -1);
	ck_assert_int_eq(options.settings.handler_count, 1);
}
END_TEST

/* One mistake, whatever it is made of. */
static const char *const twice[] = { "127.0.0.1:7", "unix:/x", "unix:@x",
	"fd:0", "fd:web" };
#define TWICE_COUNT ((int)(sizeof(twice) / sizeof(twice[0])))

START_TEST(a_listener_that_is_given_twice_is_named)
{
	const char *address = twice[_i];
	const char *words[] = { "-l", address, "a", "-l", address, "b", NULL };
	char heard[2048], expected[128];

	ck_assert_int_eq(parse_heard(words, heard, sizeof(heard)), -EX_USAGE);
	snprintf(expected, sizeof(expected), "listener '%s' is given twice",
	    address);
	ck_assert_msg(strstr(heard, expected) != NULL, "%s", heard);
}
END_TEST

START_TEST(port_0_is_another_one_each_time)
{
	ck_assert_int_eq(PARSE("-l", "127.0.0.1:0", "-l", "127.0.0.1:0"), 0);
}
END_TEST

#ifdef HAVE_CONFUSE

static char config_path[] = "/tmp/bevhost-test-XXXXXX";

/* The option for a new file with this text. */
static const char *
config(const char *text)
{
	static char option[64];
	int fd;

	strcpy(strrchr(config_path, '-'), "-XXXXXX");
	fd = mkstemp(config_path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(option, sizeof(option), "--config=%s", config_path);
	return option;
}

START_TEST(the_command_line_overrides_the_file_and_adds_to_it)
{
	char buf[512];

	ck_assert_int_eq(
	    PARSE("-w", "2", "-l", ":2",
		config("workers = 3; user = u\n"
		       "listen :1 { handler = a; with { b = c } }"),
		"echo", "-v"),
	    0);
	unlink(config_path);
	ck_assert_str_eq(options.config, config_path);
	ck_assert_int_eq(options.settings.workers, 2);
	ck_assert_str_eq(options.settings.user, "u");
	ck_assert_int_eq(options.settings.level, BEVHOST_LOG_INFO);
	ck_assert_str_eq(groups(buf, sizeof(buf)), "a(:1){b|c} echo(:2)");
	ck_assert_str_eq(options.help_plugin, "echo");
}
END_TEST

START_TEST(greeting_is_the_default_when_the_file_has_no_listener_either)
{
	static const char listener[] = "listen :1 { handler = a }";
	char buf[512];

	ck_assert_int_eq(PARSE(config("")), 0);
	ck_assert_str_eq(groups(buf, sizeof(buf)), "greeting(0.0.0.0:6000)");
	unlink(config_path);
	ck_assert_int_eq(PARSE(config(listener)), 0);
	ck_assert_str_eq(groups(buf, sizeof(buf)), "a(:1)");
	unlink(config_path);
	ck_assert_int_eq(PARSE(config(listener), "-l", ":2"), 0);
	ck_assert_str_eq(groups(buf, sizeof(buf)), "a(:1) greeting(:2)");
	unlink(config_path);
	ck_assert_int_eq(PARSE(config(listener), "echo"), 0);
	ck_assert_str_eq(groups(buf, sizeof(buf)), "a(:1) echo(0.0.0.0:6000)");
	unlink(config_path);
}
END_TEST

START_TEST(what_is_wrong_with_the_file_has_its_own_status)
{
	static const char *const missing[] = { "-c", "/no/such/file", NULL };
	const char *words[] = { NULL, NULL };
	char heard[2048];

	ck_assert_int_eq(
	    parse_heard(missing, heard, sizeof(heard)), -EX_NOINPUT);
	words[0] = config("nonsense");
	ck_assert_int_eq(parse_heard(words, heard, sizeof(heard)), -EX_CONFIG);
	unlink(config_path);
	words[0] = config("listen fd:0 { handler = a; also = { 'fd:0' } }");
	ck_assert_int_eq(parse_heard(words, heard, sizeof(heard)), -EX_CONFIG);
	ck_assert_ptr_nonnull(strstr(heard, "'fd:0' is given twice"));
	unlink(config_path);
}
END_TEST

START_TEST(a_listener_that_the_file_has_twice_is_named_with_its_line)
{
	const char *address = twice[_i];
	const char *words[] = { NULL, NULL };
	char heard[2048], text[256], expected[128];

	snprintf(text, sizeof(text),
	    "listen '%s' { handler = a }\nlisten '%s' { handler = b }\n",
	    address, address);
	words[0] = config(text);
	ck_assert_int_eq(parse_heard(words, heard, sizeof(heard)), -EX_CONFIG);
	snprintf(expected, sizeof(expected), ":2: listener '%s' is given twice",
	    address);
	ck_assert_msg(strstr(heard, expected) != NULL, "%s", heard);
	unlink(config_path);
}
END_TEST

START_TEST(no_master_takes_a_file_for_many_workers)
{
	ck_assert_int_eq(PARSE(config("workers = auto"), "--no-master"), 0);
	unlink(config_path);
}
END_TEST

#endif

START_TEST(setting_is_refused_with_what_it_may_be)
{
	static const struct refused cases[] = {
		{ { "--workers=0" },
		    { "--workers=0: it is a number from 1 to 256, or auto" } },
		{ { "-w", "257" }, { "--workers=257: it is a number" } },
		{ { "-w", "Auto" }, { "--workers=Auto: it is a number" } },
		{ { "--pin=yes" },
		    { "--pin=yes is not one of auto, on, off" } },
		{ { "--log-level=debg" }, { "did you mean 'debug'?" } },
		{ { "--drain-timeout=30" },
		    { "--drain-timeout=30 is not a duration" } },
		{ { "--drain-spread=2h" },
		    { "is out of range: it may be 0s to 1h" } },
		{ { "--reload-drain-max=65" }, { "it may be 1 to 64" } },
		{ { "--reload-canary=10%" }, { "--reload-canary=10%: it is" } },
		{ { "--reload-canary=100%,1s" }, { "1% to 99%" } },
		{ { "--reload-canary=1%,1s,1%,1%" }, { "it is off, or" } },
		{ { "--reload=0" }, { "not the number of a process" } },
		{ { "--reload=x" }, { "--reload=x is not the number" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(options_that_contradict_each_other_are_refused)
{
	static const struct refused cases[] = {
		{ { "--no-master", "-w", "2" }, { "--no-master is one" } },
		{ { "-w", "auto", "--no-master" }, { "--no-master is one" } },
		{ { "--reload", "echo" }, { "give it no listener, plugin" } },
		{ { "--reload", "-l", ":1" }, { "give it no listener" } },
		{ { "--reload=1", "--run=true" }, { "or command" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(unknown_event_method_is_refused_with_the_known_ones)
{
	static const struct refused cases[] = {
		{ { "--event-method=kqueue" },
		    { "--event-method=kqueue", "epoll, poll or select" } },
		{ { "--event-method=" }, { "epoll, poll or select" } },
		{ { "--event-method=EPOLL" }, { "epoll, poll or select" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(second_bare_word_is_refused_by_its_name)
{
	static const struct refused cases[] = {
		{ { "echo", "one", "two" }, { "'two'" } },
		{ { "echo", "a=1", "greeting" }, { "'greeting'", "-l" } },
		{ { "echo", "a=1", "--", "-x" }, { "'-x'" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(empty_plugin_name_is_refused)
{
	static const struct refused cases[] = {
		{ { "" }, { "the plugin's name is empty" } },
		{ { "-l", ":1", "" }, { "the plugin's name is empty" } },
		{ { "--", "" }, { "the plugin's name is empty" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(listeners_at_the_end_are_refused_when_the_plugin_has_some)
{
	static const struct refused cases[] = {
		{ { "-l", ":1", "echo", "-l", ":2" }, { "':2'", "'echo'" } },
		{ { "-l", ":1", "echo", "-p", "2" }, { "'2'", "'echo'" } },
		{ { "-l", ":1", "echo", "-l", ":2", "print", "-l", ":3" },
		    { "':3'", "'print'" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

START_TEST(a_plugin_left_without_a_listener_is_refused)
{
	static const struct refused cases[] = {
		{ { "echo", "-l", ":1", "greeting" }, { "'echo'" } },
		{ { "echo", "-l", ":1", "greeting", "-l", ":2", "print" },
		    { "'echo'" } },
	};

	check_refused(cases, COUNT(cases));
}
END_TEST

/* Names are cut for the message, never overrun. */
START_TEST(option_of_any_length_is_refused)
{
	char text[400], heard[2048];
	size_t len;

	for (len = 20; len < sizeof(text) - 1; len++) {
		const char *words[] = { text, NULL };

		memset(text, 'x', len);
		memcpy(text, "--", 2);
		text[len] = '\0';
		ck_assert_int_eq(
		    parse_heard(words, heard, sizeof(heard)), -EX_USAGE);
		ck_assert_ptr_nonnull(
		    strstr(heard, "unknown option '--xxxxxxxx"));
		ck_assert_ptr_null(strstr(heard, "did you mean"));
	}
}
END_TEST

/* What an option may be given. */
static const char *
help_value(const char *option, size_t len)
{
	static const char *const values[][2] = {
		{ "--listen", ":1" },
		{ "--config", "/dev/null" },
		{ "--event-method", "poll" },
		{ "--log-level", "debug" },
		{ "--pin", "on" },
		{ "--reload-canary", "5%,10s" },
		{ "--stack-size", "64k" },
		{ "--max-buffer", "1M" },
		{ "--max-memory", "1G" },
		{ "--sandbox", "off" },
		{ "--proxy", "off" },
		{ "--tls-client", "off" },
		{ "--tls-min-version", "1.3" },
		{ "--allow", "all" },
		{ "--deny", "all" },
		{ "--proxy-from", "all" },
		{ "--dry-run", "access" },
		{ "--connection-rate", "1/s" },
		{ "--connection-rate-per-client", "1/s" },
	};
	const struct bevhost_param *param = settings_params;
	size_t i;

	for (i = 0; i < COUNT(values); i++)
		if (strlen(values[i][0]) == len &&
		    strncmp(values[i][0], option, len) == 0)
			return values[i][1];
	for (; param->name != NULL; param++)
		if (param->type == BEVHOST_PARAM_DURATION &&
		    strncmp(param->name, option + 2, len - 2) == 0)
			return "1s";
	return "1";
}

/* The option that a line of the help begins with, and what it takes. */
static int
help_option(const char *line, char *word, size_t size)
{
	const char *dashes = strstr(line, "--");
	size_t len;

	if (strncmp(line, "  ", 2) != 0 || dashes == NULL || dashes > line + 6)
		return 0;
	len = strcspn(dashes, "[= \n");
	if (dashes[len] == '=')
		snprintf(word, size, "%.*s=%s", (int)len, dashes,
		    help_value(dashes, len));
	else
		snprintf(word, size, "%.*s", (int)len, dashes);
	return 1;
}

START_TEST(every_option_in_the_help_is_taken)
{
	const char *line = options_help;
	char word[64];
	int count = 0;

	for (; *line != '\0'; line += strcspn(line, "\n") + 1) {
		if (!help_option(line, word, sizeof(word)))
			continue;
		if (strcmp(word, "--config=/dev/null") != 0)
			ck_assert_msg(PARSE(word) == 0, "%s was refused", word);
		count++;
	}
	ck_assert_int_ge(count, 30);
}
END_TEST

START_TEST(help_fits_into_80_columns)
{
	const char *line = options_help;

	for (; *line != '\0'; line += strcspn(line, "\n") + 1) {
		ck_assert_ptr_nonnull(strchr(line, '\n'));
		ck_assert_uint_le(strcspn(line, "\n"), 79);
	}
}
END_TEST

static void
add_groups(Suite *suite)
{
	TCase *tcase = tcase_create("groups");

	tcase_add_checked_fixture(tcase, NULL, clear);
	tcase_add_test(
	    tcase, with_nothing_given_greeting_is_served_on_port_6000);
	tcase_add_test(tcase, listeners_belong_to_the_plugin_that_follows);
	tcase_add_test(
	    tcase, listeners_at_the_end_belong_to_a_last_plugin_without_any);
	tcase_add_test(tcase, words_after_a_plugin_are_its_parameters);
	tcase_add_test(tcase, two_dashes_end_the_options);
	tcase_add_test(tcase, a_port_is_a_listener_on_all_addresses_of_ipv4);
	tcase_add_test(tcase, ports_and_listeners_keep_their_order);
	tcase_add_test(tcase, every_form_of_address_is_taken);
	suite_add_tcase(suite, tcase);
}

static void
add_settings(Suite *suite)
{
	TCase *tcase = tcase_create("settings");

	tcase_add_checked_fixture(tcase, NULL, clear);
	tcase_add_test(tcase, descriptors_with_names_have_no_number_in_common);
	tcase_add_test(tcase, an_unambiguous_beginning_stands_for_its_option);
	tcase_add_test(tcase, the_last_of_a_repeated_option_counts);
	tcase_add_test(tcase, each_v_says_more_and_q_only_what_goes_wrong);
	tcase_add_test(tcase, the_first_action_is_what_is_done);
	tcase_add_test(tcase, help_is_of_the_plugin_that_is_named);
	tcase_add_test(tcase, the_plugin_to_dump_is_kept);
	tcase_add_test(tcase, ready_fd_is_an_open_descriptor);
	tcase_add_test(tcase, every_setting_is_an_option_and_in_the_help);
	tcase_add_test(tcase, settings_are_set);
	tcase_add_test(tcase, a_reload_may_name_its_process);
	tcase_add_test(tcase, a_parse_for_a_reload_looks_at_no_descriptor);
#ifdef HAVE_CONFUSE
	tcase_add_test(
	    tcase, the_command_line_overrides_the_file_and_adds_to_it);
	tcase_add_test(tcase,
	    greeting_is_the_default_when_the_file_has_no_listener_either);
	tcase_add_test(tcase, what_is_wrong_with_the_file_has_its_own_status);
	tcase_add_test(tcase, no_master_takes_a_file_for_many_workers);
	tcase_add_loop_test(tcase,
	    a_listener_that_the_file_has_twice_is_named_with_its_line, 0,
	    TWICE_COUNT);
#endif
	tcase_add_test(tcase, a_second_parse_starts_anew);
	tcase_add_loop_test(
	    tcase, a_listener_that_is_given_twice_is_named, 0, TWICE_COUNT);
	tcase_add_test(tcase, port_0_is_another_one_each_time);
	tcase_add_test(tcase, clearing_twice_does_no_harm);
	tcase_add_test(tcase, every_option_in_the_help_is_taken);
	tcase_add_test(tcase, help_fits_into_80_columns);
	suite_add_tcase(suite, tcase);
}

static void
add_refusals(Suite *suite)
{
	TCase *tcase = tcase_create("refusals");

	tcase_add_checked_fixture(tcase, NULL, clear);
	tcase_add_test(tcase, unknown_option_is_refused_by_its_name);
	tcase_add_test(tcase, ambiguous_option_is_refused_by_its_name);
	tcase_add_test(tcase, missing_argument_is_refused_by_its_option);
	tcase_add_test(tcase, needless_argument_is_refused_by_its_option);
	tcase_add_test(tcase, address_is_refused_as_it_was_written);
	tcase_add_test(tcase, port_is_refused_as_it_was_written);
	tcase_add_test(tcase, ready_fd_that_is_not_open_is_refused);
	tcase_add_test(
	    tcase, unknown_event_method_is_refused_with_the_known_ones);
	tcase_add_test(tcase, setting_is_refused_with_what_it_may_be);
	tcase_add_test(tcase, options_that_contradict_each_other_are_refused);
	tcase_add_test(tcase, second_bare_word_is_refused_by_its_name);
	tcase_add_test(tcase, empty_plugin_name_is_refused);
	tcase_add_test(
	    tcase, listeners_at_the_end_are_refused_when_the_plugin_has_some);
	tcase_add_test(tcase, a_plugin_left_without_a_listener_is_refused);
	tcase_add_test(tcase, option_of_any_length_is_refused);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("options");

	add_groups(suite);
	add_settings(suite);
	add_refusals(suite);
	return tap_run(suite);
}
