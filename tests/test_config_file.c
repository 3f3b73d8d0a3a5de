/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file: what it can say, that each refusal names file and
 * line, that no bytes do harm, and that a dump is such a file.
 */
#include "config_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "config_text.h"
#include "dump.h"
#include "settings_edit.h"
#include "settings_guard.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct settings settings, other;
static char folder[] = "/tmp/bevhost-test-XXXXXX";
static char heard[4096];

static void
make_folder(void)
{
	strcpy(strrchr(folder, '-'), "-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
}

static void
remove_folder(void)
{
	static const char *const names[] = { "a.conf", "b.conf", "c.conf",
		"d/1.conf", "d/2.conf", "d/3.other", "d", "dump" };
	size_t i;

	settings_clear(&settings);
	settings_clear(&other);
	for (i = 0; i < COUNT(names); i++)
		remove(names[i]);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}

static void
put(const char *name, const void *bytes, size_t len)
{
	FILE *file = fopen(name, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

static void
file(const char *name, const char *text)
{
	put(name, text, strlen(text));
}

/* Reads a file into the settings, and what is said of it into heard. */
static int
reads(const char *name)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int memory = memfd_create("stderr", MFD_CLOEXEC), status;
	ssize_t len;

	settings_clear(&settings);
	settings_init(&settings);
	dup2(memory, STDERR_FILENO);
	status = config_file_read(name, &settings);
	dup2(saved, STDERR_FILENO);
	close(saved);
	len = pread(memory, heard, sizeof(heard) - 1, 0);
	ck_assert_int_ge(len, 0);
	heard[len] = '\0';
	close(memory);
	return status;
}

#ifdef HAVE_CONFUSE

static void
must_read(const char *text)
{
	file("a.conf", text);
	ck_assert_msg(reads("a.conf") == 0, "%s", heard);
	ck_assert_str_eq(heard, "");
}

static void
must_refuse(const char *text, const char *says)
{
	char whole[600];

	file("a.conf", text);
	ck_assert_msg(
	    reads("a.conf") == -EX_CONFIG, "taken: %s (%s)", text, heard);
	snprintf(whole, sizeof(whole), "bevhost: %s\n", says);
	ck_assert_str_eq(heard, whole);
}

START_TEST(a_file_sets_scalars_and_listeners)
{
	const struct settings_handler *handler;

	must_read("workers = auto\n"
		  "drain-timeout = 30s\n"
		  "listen \"0.0.0.0:6000\" { handler = \"greeting\"; with { "
		  "text = \"Hello World!\" } }\n"
		  "listen \"unix:/run/bevhost/echo\" { handler = \"echo\"; "
		  "mode = 0660 }\n");
	ck_assert_int_eq(settings.workers, 0);
	ck_assert_int_eq(settings.drain_timeout, 30000);
	ck_assert_int_eq(settings.handler_count, 2);
	handler = &settings.handlers[0];
	ck_assert_str_eq(handler->plugin, "greeting");
	ck_assert_str_eq(handler->where, "a.conf:3");
	ck_assert_str_eq(handler->worker_group, "");
	ck_assert_int_eq(handler->mode, -1);
	ck_assert_int_eq(handler->address_count, 1);
	ck_assert_str_eq(handler->addresses[0].text, "0.0.0.0:6000");
	ck_assert_uint_eq(handler->addresses[0].spec.port, 6000);
	ck_assert_int_eq(handler->word_count, 1);
	ck_assert_str_eq(handler->words[0].key, "text");
	ck_assert_str_eq(handler->words[0].value, "Hello World!");
	ck_assert_str_eq(handler->words[0].where, "a.conf:3");
	ck_assert_int_eq(handler[1].mode, 0660);
}
END_TEST

START_TEST(a_section_has_groups_words_and_further_addresses)
{
	const struct settings_handler *handler;
	const struct settings_word *word;

	must_read("listen :1 {\n"
		  "  with { b = 2 ; c = 3\n"
		  "         b = 4 }\n"
		  "  also = { ':2', \"[::1]:3\" }\n"
		  "  group = slow\n"
		  "  word = 'a b'\n"
		  "  handler\n"
		  "    = print\n"
		  "  with {\n"
		  "    b = 5\n"
		  "  }\n"
		  "}\n"
		  "worker-group slow { workers = 2 }\n"
		  "worker-group other { }\n"
		  "worker-group all { workers = auto }\n");
	handler = settings.handlers;
	ck_assert_str_eq(handler->where, "a.conf:8");
	ck_assert_int_eq(handler->address_count, 3);
	ck_assert_str_eq(handler->addresses[2].text, "[::1]:3");
	ck_assert_str_eq(handler->worker_group, "slow");
	word = handler->words;
	ck_assert_int_eq(handler->word_count, 5);
	ck_assert_ptr_null(word[0].key);
	ck_assert_str_eq(word[0].value, "a b");
	ck_assert_str_eq(word[0].where, "a.conf:6");
	ck_assert_str_eq(word[1].key, "b");
	ck_assert_str_eq(word[2].key, "c");
	ck_assert_str_eq(word[3].key, "b");
	ck_assert_str_eq(word[3].value, "4");
	ck_assert_str_eq(word[3].where, "a.conf:3");
	ck_assert_str_eq(word[4].value, "5");
	ck_assert_str_eq(word[4].where, "a.conf:10");
	ck_assert_int_eq(settings.group_count, 3);
	ck_assert_str_eq(settings.groups[0].name, "slow");
	ck_assert_int_eq(settings.groups[0].workers, 2);
	ck_assert_int_eq(settings.groups[1].workers, -1);
	ck_assert_int_eq(settings.groups[2].workers, 0);
}
END_TEST

START_TEST(two_sections_may_have_the_same_address)
{
	must_read("listen 127.0.0.1:0 { handler = a } "
		  "listen 127.0.0.1:0 { handler = b }");
	ck_assert_int_eq(settings.handler_count, 2);
	ck_assert_str_eq(settings.handlers[0].plugin, "a");
	ck_assert_str_eq(settings.handlers[1].plugin, "b");
}
END_TEST

START_TEST(what_a_section_says_may_be_said_outside_and_in_others)
{
	must_read("worker-group a { workers = 2 }\n"
		  "workers = 3\n"
		  "listen :1 { handler = a; group = a }\n"
		  "group = adm\n"
		  "listen :2 { handler = a; group = a }\n"
		  "worker-group b { workers = 4 }\n");
	ck_assert_int_eq(settings.workers, 3);
	ck_assert_str_eq(settings.group, "adm");
	ck_assert_int_eq(settings.groups[1].workers, 4);
	must_refuse("workers = 1\nworker-group a { workers = 2 }\n"
		    "workers = 3",
	    "a.conf:3: workers is given twice, the first time in a.conf:1");
}
END_TEST

START_TEST(an_empty_file_says_nothing)
{
	static const char *const texts[] = { "", "\n", "# nothing", "//\n",
		"/**/", ";;;", " \t\r\n", "/* a\n * b */ # c\n// d" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++)
		must_read(texts[i]);
	ck_assert_int_eq(settings.handler_count, 0);
}
END_TEST

/* A value, and what it becomes. */
START_TEST(values_are_words_or_strings)
{
	static const char *const values[][2] = {
		{ "plain", "plain" },
		{ "/a//b/*c", "/a//b/*c" },
		{ "a\\b", "a\\b" },
		{ "a+b|c:[d]", "a+b|c:[d]" },
		{ "\"a b\"", "a b" },
		{ "\"a;b#c//d/*e*/f\"", "a;b#c//d/*e*/f" },
		{ "\"a\\\"b\\\\c\"", "a\"b\\c" },
		{ "\"a\\n\\t\\x41\\101\"", "a\n\tAA" },
		{ "\"a\nb\"", "a\nb" },
		{ "\"a\\\nb\"", "ab" },
		{ "'a \"b\" \\n'", "a \"b\" \\n" },
		{ "'a\\'b\\\\'", "a'b\\" },
		{ "\"${BEVHOST_TEST}\"", "from the environment" },
		{ "${BEVHOST_TEST}", "from the environment" },
		{ "a/${BEVHOST_TEST}/b", "a/from the environment/b" },
		{ "\"${BEVHOST_NO_TEST:-x y}\"", "x y" },
		{ "\"\\${BEVHOST_TEST}\"", "${BEVHOST_TEST}" },
		{ "'${BEVHOST_TEST}'", "${BEVHOST_TEST}" },
		{ "\"$x{\"", "$x{" },
		{ "\"\xc3\xa4\xe2\x82\xac\"", "\xc3\xa4\xe2\x82\xac" },
		{ "\xc3\xa4", "\xc3\xa4" },
		{ "a,b , c", "a,b , c" },
		{ "x # comment", "x" },
		{ "x /* comment */", "x" },
		{ "x//", "x//" },
	};
	char text[256];
	size_t i;

	setenv("BEVHOST_TEST", "from the environment", 1);
	unsetenv("BEVHOST_NO_TEST");
	for (i = 0; i < COUNT(values); i++) {
		snprintf(text, sizeof(text), "user = %s", values[i][0]);
		must_read(text);
		ck_assert_str_eq(settings.user, values[i][1]);
	}
}
END_TEST

START_TEST(statements_need_no_line_of_their_own)
{
	must_read("workers=3;pin=on drain-timeout = 1m user=a;;group=b");
	ck_assert_int_eq(settings.workers, 3);
	ck_assert_int_eq(settings.pin, SETTINGS_PIN_ON);
	ck_assert_int_eq(settings.drain_timeout, 60000);
	ck_assert_str_eq(settings.group, "b");
}
END_TEST

START_TEST(a_list_of_a_value_needs_no_quotes)
{
	static const char *const texts[] = { "reload-canary = 10%, 30s",
		"reload-canary = 10%,30s;", "reload-canary=10% ,\t30s # x",
		"reload-canary = \"10%, 30s\"",
		"reload-canary = 10%, 30s, 10%" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		must_read(texts[i]);
		ck_assert_int_eq(settings.canary_percent, 10);
		ck_assert_int_eq(settings.canary_time, 30000);
		ck_assert_int_eq(settings.canary_errors, 10);
	}
}
END_TEST

START_TEST(every_setting_is_an_option_of_the_file)
{
	const struct bevhost_param *param = settings_params;
	char text[256], value[64];

	for (; param->name != NULL; param++) {
		settings_clear(&settings);
		settings_init(&settings);
		settings_text(&settings, param->name, value, sizeof(value));
		if (value[0] == '\0')
			strcpy(value,
			    strncmp(param->name, "connection-rate", 15) == 0
				? "7/s"
			    : param->type == BEVHOST_PARAM_SIZE ? "64k"
			    : param->type == BEVHOST_PARAM_INT	? "7"
								: "poll");
		snprintf(text, sizeof(text), "%s = %s", param->name, value);
		must_read(text);
	}
}
END_TEST

START_TEST(a_listener_has_options_and_lists_of_its_own)
{
	const struct settings_guard *guard;

	must_read("idle-timeout = 5s\nallow = { 10.0.0.0/8, '::1' }\n"
		  "deny = all\nmax-connections = 9\n"
		  "listen :1 {\n handler = a\n max-connections = 3\n"
		  " min-rate = 1k; deny = 192.0.2.1\n allow = all\n"
		  "tls {\n cert = { a.pem, 'b.pem' }\n key = a.key;"
		  " min-version = 1.3 handshake-timeout = 3s }\n"
		  " proxy = optional }\nlisten :2 { handler = b }");
	ck_assert_int_eq(settings.max_connections, 9);
	ck_assert_int_eq(settings.guard.idle_timeout, 5000);
	ck_assert_int_eq(settings.guard.item_count, 3);
	ck_assert_str_eq(settings.guard.items[1].value, "::1");
	ck_assert_str_eq(settings.guard.items[2].name, "deny");
	guard = &settings.handlers[0].guard;
	ck_assert_int_eq(guard->max_connections, 3);
	ck_assert_int_eq(guard->min_rate, 1024);
	ck_assert_int_eq(guard->tls_min_version, 1);
	ck_assert_int_eq(guard->handshake_timeout, 3000);
	ck_assert_int_eq(guard->proxy, 1);
	ck_assert_int_eq(guard->item_count, 5);
	ck_assert_str_eq(guard->items[0].name, "deny");
	ck_assert_str_eq(guard->items[1].name, "allow");
	ck_assert_str_eq(guard->items[3].value, "b.pem");
	ck_assert_str_eq(guard->items[4].name, "tls-key");
	ck_assert_ptr_nonnull(strstr(guard->items[4].where, "a.conf:12"));
	ck_assert_uint_eq(settings.handlers[1].guard.given, 0);
}
END_TEST

START_TEST(tls_may_stand_outside_of_listeners)
{
	must_read("tls { cert = a.pem\n alpn = { h2, x } tickets = off }");
	ck_assert_int_eq(settings.guard.tls_tickets, 0);
	ck_assert_int_eq(settings.guard.item_count, 3);
	ck_assert_str_eq(settings.guard.items[2].name, "tls-alpn");
	ck_assert_ptr_nonnull(strstr(settings.guard.items[2].where, ":2"));
}
END_TEST

START_TEST(what_is_wrong_in_a_listener_is_named_with_its_line)
{
	must_refuse("listen :1 { handler = a\nmin-rate = x }",
	    "a.conf:2: min-rate = 'x': it is not a size, such as 4096, "
	    "64k or 1M");
	must_refuse("listen :1 { handler = a\ntls {\n certs = x } }",
	    "a.conf:3: unknown option 'certs' in tls, did you mean 'cert'?");
	must_refuse("tls { cert = a\n tls { } }",
	    "a.conf:2: there is no section within this one");
	must_refuse("tls { groups = a\n groups = b }",
	    "a.conf:2: tls-groups = 'b': it is given twice");
	must_refuse("\ntls { cert = a\n", "a.conf:2: this '{' is never closed");
	must_refuse("max-connections = 0",
	    "a.conf:1: max-connections = '0': it is out of range: it may be "
	    "1 to 2147483647");
}
END_TEST

START_TEST(files_are_included_in_their_order_beside_the_file)
{
	char path[128];

	ck_assert_int_eq(mkdir("d", 0700), 0);
	file("d/2.conf", "listen :2 { handler = two }\ninclude('../b.conf')");
	file("d/1.conf", "workers = 3\nlisten :1\n{ handler = one }");
	file("d/3.other", "nonsense");
	file("b.conf", "listen :3 { handler = three }");
	snprintf(path, sizeof(path), "%s/a.conf", folder);
	file("a.conf", "include(\"d/*.conf\")\ninclude('none*')\n"
		       "include(\"none.d/*.conf\");\n"
		       "listen :4 { handler = four }");
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_msg(reads(path) == 0, "%s", heard);
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_int_eq(settings.workers, 3);
	ck_assert_int_eq(settings.handler_count, 4);
	ck_assert_str_eq(settings.handlers[0].plugin, "one");
	ck_assert_ptr_nonnull(
	    strstr(settings.handlers[0].where, "/d/1.conf:3"));
	ck_assert_str_eq(settings.handlers[1].plugin, "two");
	ck_assert_str_eq(settings.handlers[2].plugin, "three");
	ck_assert_ptr_nonnull(
	    strstr(settings.handlers[2].where, "/d/../b.conf:1"));
	ck_assert_str_eq(settings.handlers[3].plugin, "four");
	ck_assert_ptr_nonnull(strstr(settings.handlers[3].where, "/a.conf:4"));
}
END_TEST

START_TEST(a_relative_path_begins_at_the_folder_of_its_file)
{
	const struct settings_guard *guard;

	ck_assert_int_eq(mkdir("d", 0700), 0);
	file("a.conf", "pidfile = run/pid include('d/1.conf')");
	file("d/1.conf",
	    "log-file = log\nplugin-dir = ../plugins\ntls-client-ca = /ca\n"
	    "listen :1 { handler = ./mine.so; tls { cert = c; key = ../k } "
	    "with { file = f } }\n"
	    "listen :2 { handler = named }");
	ck_assert_int_eq(chdir("d"), 0);
	ck_assert_msg(reads("../a.conf") == 0, "%s", heard);
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_str_eq(settings.pidfile, "../run/pid");
	ck_assert_str_eq(settings.log_file, "../d/log");
	ck_assert_str_eq(settings.plugin_dir, "../d/../plugins");
	ck_assert_str_eq(
	    settings_item_value(&settings.guard, "tls-client-ca"), "/ca");
	ck_assert_str_eq(settings.handlers[0].plugin, "../d/./mine.so");
	/* A name is looked for, and parameters are the plugin's. */
	ck_assert_str_eq(settings.handlers[1].plugin, "named");
	ck_assert_str_eq(settings.handlers[0].words[0].value, "f");
	guard = &settings.handlers[0].guard;
	ck_assert_str_eq(settings_item_value(guard, "tls-cert"), "../d/c");
	ck_assert_str_eq(settings_item_value(guard, "tls-key"), "../d/../k");
	settings_clear(&settings);
	/* Beside a file in this folder it stays as it is. */
	must_read("pidfile = pid\nlog-file = ''");
	ck_assert_str_eq(settings.pidfile, "pid");
	ck_assert_ptr_null(settings.log_file);
}
END_TEST

static const struct {
	const char *text, *says;
} refusals[] = {
	{ "\ndrian-timeout = 5s",
	    "a.conf:2: unknown option 'drian-timeout', did you mean "
	    "'drain-timeout'?" },
	{ "qqqqqq = 5s", "a.conf:1: unknown option 'qqqqqq'" },
	{ "# x\n\ndrain-timeout = '5x'",
	    "a.conf:3: drain-timeout = '5x': it is not a duration with its "
	    "unit, such as 250ms, 30s or 5m" },
	{ "workers = 0",
	    "a.conf:1: workers = '0': it is a number from 1 to 256, or auto" },
	{ "pin = maybe",
	    "a.conf:1: pin = 'maybe': it is not one of auto, on, off" },
	{ "workers = 1\n\nworkers = 2",
	    "a.conf:3: workers is given twice, the first time in a.conf:1" },
	{ "listen nowhere { handler = a }",
	    "a.conf:1: cannot listen on 'nowhere': the port is missing "
	    "(HOST:PORT)" },
	{ "listen :1 {\nhandler = a\nalso = { ':2',\n':x' }}",
	    "a.conf:4: cannot listen on ':x': the port is not a number from 0 "
	    "to 65535" },
	{ "\nlisten\n:1 {\n}",
	    "a.conf:3: listen ':1' has no handler: give it handler = "
	    "\"NAME\"" },
	{ "listen :1 { handler = '' }",
	    "a.conf:1: the plugin's name is empty" },
	{ "listen :1 { handler = a\nhandler = b }",
	    "a.conf:2: handler is given twice, the first time in a.conf:1" },
	{ "listen :1 { word = a\nhandler = b\nword = c }",
	    "a.conf:3: word is given twice, the first time in a.conf:1" },
	{ "listen :1 { handler = a; hanlder = b }",
	    "a.conf:1: unknown option 'hanlder', did you mean 'handler'?" },
	{ "listen unix:/a { handler = a; mode = 888 }",
	    "a.conf:1: mode = '888': it is an octal number from 0 to 0777, "
	    "such as 0660" },
	{ "listen unix:/a { handler = a; mode = 01777 }",
	    "a.conf:1: mode = '01777': it is an octal number from 0 to 0777, "
	    "such as 0660" },
	{ "listen :1 { handler = a; mode = 0660 }",
	    "a.conf:1: listen ':1' has a mode, which is for the file of a "
	    "unix socket" },
	{ "listen :1 { handler = a; group = 'a b' }",
	    "a.conf:1: group 'a b': a name is 1 to 32 letters, digits and "
	    "'-_.'" },
	{ "worker-group '' { }",
	    "a.conf:1: worker-group '': a name is 1 to 32 letters, digits and "
	    "'-_.'" },
	{ "worker-group a { }\nworker-group a { workers = 2 }",
	    "a.conf:2: worker-group 'a' is given twice, the first time in "
	    "a.conf:1" },
	{ "worker-group a { workers = 2\nworkers = 3 }",
	    "a.conf:2: workers is given twice, the first time in a.conf:1" },
	{ "worker-group a { workers = x }",
	    "a.conf:1: workers = 'x': it is a number from 1 to 256, or auto" },
	{ "worker-group a { worker = 1 }",
	    "a.conf:1: unknown option 'worker', did you mean 'workers'?" },
	{ "with { a = b }",
	    "a.conf:1: with is an option of a listener: write it inside of "
	    "listen \"ADDRESS\" { }" },
	{ "\nhandler = a",
	    "a.conf:2: handler is an option of a listener: write it inside of "
	    "listen \"ADDRESS\" { }" },
	{ "worker-group a {\nmode = 1 }",
	    "a.conf:2: mode is an option of a listener: write it inside of "
	    "listen \"ADDRESS\" { }" },
	{ "worker-group a {\npin = on }",
	    "a.conf:2: pin is an option of the host, not of a worker group: "
	    "write it outside of worker-group { }" },
	{ "listen :1 { handler = a\nworker-group b { } }",
	    "a.conf:2: worker-group stands by itself: write it outside of "
	    "listen { }" },
	{ "listen :1 { handler = a\ninclude(b) }",
	    "a.conf:2: include stands by itself: write it outside of "
	    "listen { }" },
	{ "listen :1 { handler = a; tls {\nproxy = on } }",
	    "a.conf:2: proxy is no option of tls: write it outside of "
	    "tls { }" },
	{ "tls { sandbox = on }",
	    "a.conf:1: sandbox is no option of tls: write it outside of "
	    "tls { }" },
	{ "tls {\ntls-cert = a }",
	    "a.conf:2: within tls { }, tls-cert is written cert" },
	{ "tls { chipers = a }",
	    "a.conf:1: unknown option 'chipers' in tls, did you mean "
	    "'ciphers'?" },
	{ "tls { hand-shake-timeout = 1s }",
	    "a.conf:1: unknown option 'hand-shake-timeout' in tls, did you "
	    "mean 'handshake-timeout'?" },
	{ "tls { qqqqqq = 1 }", "a.conf:1: unknown option 'qqqqqq' in tls" },
	{ "tls = on", "a.conf:1: tls is a section: write tls { }" },
	{ "tsl { }", "a.conf:1: unknown option 'tsl', did you mean 'tls'?" },
	{ "worker-group a {\ntls { } }",
	    "a.conf:2: tls is an option of the host, not of a worker group: "
	    "write it outside of worker-group { }" },
	{ "listen :1 {\n\n", "a.conf:1: this '{' is never closed" },
	{ "listen :1 { handler = a\nwith {\n}",
	    "a.conf:1: this '{' is never closed" },
	{ "\n}", "a.conf:2: this '}' closes nothing" },
	{ "user = \"a\nb\nc", "a.conf:1: this string is never closed" },
	{ "user = 'a", "a.conf:1: this string is never closed" },
	{ "\"", "a.conf:1: this string is never closed" },
	{ "\n/* a\n", "a.conf:2: this comment is never closed" },
	{ "user = \"${X\"",
	    "a.conf:1: '${' is never closed (in a string, '\\${' is no "
	    "variable)" },
	{ "user = \"a\\0b\"", "a.conf:1: a text cannot have a NUL byte" },
	{ "user = \"a\\x00b\"", "a.conf:1: a text cannot have a NUL byte" },
	{ "user = \"a\\000\"", "a.conf:1: a text cannot have a NUL byte" },
	{ "user = \"\\400\"", "a.conf:1: invalid octal number '\\400'" },
	{ "user = a\001b",
	    "a.conf:1: there is a byte 0x01 outside of a string" },
	{ "workers", "a.conf:1: there is the end of the file where '=' should "
		     "be, after 'workers'" },
	{ "workers =\n",
	    "a.conf:2: there is the end of the file where a value should be, "
	    "after 'workers'" },
	{ "workers = ; user = x",
	    "a.conf:1: there is ';' where a value should be, after "
	    "'workers'" },
	{ "= 5", "a.conf:1: there is '=' where an option's name should be" },
	{ "workers += 5",
	    "a.conf:1: there is '=' where '{' should be, after 'workers'" },
	{ "workers = 5 5", "a.conf:1: '5' is no name of an option (a text of "
			   "several words stands in quotes)" },
	{ "workers|x = 5",
	    "a.conf:1: 'workers|x' is no name of an option (a text of several "
	    "words stands in quotes)" },
	{ "reload-canary = 10%,",
	    "a.conf:1: there is nothing after the ',' of this value" },
	{ "listen :1 { handler = a; with { a b } }",
	    "a.conf:1: there is 'b' where '=' should be, after 'a'" },
	{ "listen :1 { handler = a; with { a = { b } } }",
	    "a.conf:1: there is '{' where a value should be, after 'a'" },
	{ "listen :1 { handler = a; also = { ':2' ':3' } }",
	    "a.conf:1: there is '':3'' where ',' or '}' should be, after "
	    "'also'" },
	{ "include(a b)",
	    "a.conf:1: there is 'b' where ')' should be, after 'include'" },
	{ "include()",
	    "a.conf:1: there is ')' where a pattern should be, after "
	    "'include'" },
	{ "include(a.conf)", "a.conf:1: include 'a.conf': it includes itself" },
	{ "include('./*.conf')",
	    "a.conf:1: include './a.conf': it includes itself" },
};

START_TEST(what_is_wrong_is_named_with_file_and_line)
{
	must_refuse(refusals[_i].text, refusals[_i].says);
}
END_TEST

START_TEST(each_option_of_the_host_is_told_its_place_in_a_listener)
{
	const struct bevhost_param *param = settings_params;
	char text[128], says[256];
	int count = 0;

	for (; param->name != NULL; param++) {
		if (settings_guard_find(param->name) != NULL ||
		    strcmp(param->name, "group") == 0)
			continue;
		snprintf(text, sizeof(text),
		    "listen :1 { handler = a\n%s = 1 }", param->name);
		snprintf(says, sizeof(says),
		    "a.conf:2: %s is an option of the host, not of a listener: "
		    "write it outside of listen { }",
		    param->name);
		must_refuse(text, says);
		count++;
	}
	ck_assert_int_ge(count, 20);
}
END_TEST

START_TEST(what_is_given_twice_is_named_in_both_files)
{
	file("b.conf", "\npin = on");
	must_refuse("pin = off\ninclude('b.conf')",
	    "b.conf:2: pin is given twice, the first time in a.conf:1");
	must_refuse("include('b.conf')\npin = off",
	    "a.conf:2: pin is given twice, the first time in b.conf:2");
	file("b.conf", "worker-group a {}");
	must_refuse("worker-group a {}\ninclude('b.conf')",
	    "b.conf:1: worker-group 'a' is given twice, the first time in "
	    "a.conf:1");
}
END_TEST

START_TEST(included_files_go_only_so_deep)
{
	file("b.conf", "include('c.conf')");
	file("c.conf", "\ninclude('b.conf')");
	must_refuse("include('b.conf')",
	    "c.conf:2: include 'b.conf': it includes itself");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_no_input)
{
	ck_assert_int_eq(reads("none.conf"), -EX_NOINPUT);
	ck_assert_str_eq(
	    heard, "bevhost: none.conf: No such file or directory\n");
	ck_assert_int_eq(reads("/tmp"), -EX_NOINPUT);
	ck_assert_str_eq(heard, "bevhost: /tmp: Is a directory\n");
	file("a.conf", "\n\ninclude('none.conf')");
	ck_assert_int_eq(reads("a.conf"), -EX_NOINPUT);
	ck_assert_str_eq(heard,
	    "bevhost: a.conf:3: include 'none.conf': No such file or "
	    "directory\n");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
	static const char nul[] = "user = x\n\n\0";
	char *bytes = malloc(5 << 20);

	ck_assert_ptr_nonnull(bytes);
	put("a.conf", nul, sizeof(nul) - 1);
	ck_assert_int_eq(reads("a.conf"), -EX_CONFIG);
	ck_assert_str_eq(heard,
	    "bevhost: a.conf:3: there is a NUL byte: this is no configuration "
	    "file\n");
	memset(bytes, '{', 5 << 20);
	put("a.conf", bytes, 1 << 20);
	ck_assert_int_eq(reads("a.conf"), -EX_CONFIG);
	put("a.conf", bytes, 5 << 20);
	ck_assert_int_eq(reads("a.conf"), -EX_NOINPUT);
	ck_assert_str_eq(heard, "bevhost: a.conf: it is larger than 4 MB\n");
	memset(bytes, 'x', 1 << 20);
	put("a.conf", bytes, 1 << 20);
	ck_assert_int_eq(reads("a.conf"), -EX_CONFIG);
	memcpy(bytes, "user=", 5);
	put("a.conf", bytes, 1 << 20);
	ck_assert_int_eq(reads("a.conf"), 0);
	ck_assert_uint_eq(strlen(settings.user), (1 << 20) - 5);
	memcpy(bytes, "user=\"", 6);
	bytes[(1 << 20) - 1] = '"';
	put("a.conf", bytes, 1 << 20);
	ck_assert_int_eq(reads("a.conf"), 0);
	ck_assert_uint_eq(strlen(settings.user), (1 << 20) - 7);
	free(bytes);
}
END_TEST

static const char sample[] =
    "workers = auto; # one\n"
    "/* two */ reload-canary = 10%, 30s\n"
    "user = \"${HOME:-x} \\x41 \\101 \\\" \"\n"
    "worker-group slow { workers = 2 }\n"
    "include('b.conf')\n"
    "listen \"127.0.0.1:1\" { handler = 'gre\\'eting'; with {\n"
    "  text = \"Hello\nWorld!\"; a = b } word = x also = { ':1', \":2\" }\n"
    "  group = slow }\n"
    "listen unix:/run/x { handler = echo mode = 0660 }\n";

/* BEVHOST_TEST_ROUNDS says how many, for a longer look. */
START_TEST(no_mutation_does_harm)
{
	static const char bytes[] = "\"'{}()=,;#/*\\$\n \0x0%+|\xff";
	const char *rounds = getenv("BEVHOST_TEST_ROUNDS");
	char text[sizeof(sample) + 64];
	size_t len, at, count;
	int i, status, taken = 0;

	file("b.conf", "listen :3 { handler = b }\n");
	srandom(1);
	for (i = rounds != NULL ? atoi(rounds) : 300; i > 0; i--) {
		len = sizeof(sample) - 1;
		memcpy(text, sample, len);
		for (count = (size_t)random() % 4 + 1; count > 0; count--) {
			at = (size_t)random() % len;
			if (random() % 3 == 0) {
				memmove(text + at, text + at + 1, len - at - 1);
				len--;
			} else if (random() % 2 == 0) {
				memmove(text + at + 1, text + at, len - at);
				len++;
			}
			text[at] =
			    random() % 8 == 0
				? (char)random()
				: bytes[(size_t)random() % (sizeof(bytes) - 1)];
		}
		if (random() % 8 == 0)
			len = (size_t)random() % len;
		put("a.conf", text, len);
		status = reads("a.conf");
		taken += status == 0;
		/* Something is said if, and only if, it was refused. */
		ck_assert_int_eq(status < 0, heard[0] != '\0');
	}
	ck_assert_int_gt(taken, 0);
}
END_TEST

/* The settings, once through a file of their own. */
static void
through_a_dump(void)
{
	FILE *dump = fopen("dump", "we");

	ck_assert_ptr_nonnull(dump);
	ck_assert_int_eq(dump_settings(&settings, dump), 0);
	ck_assert_int_eq(fclose(dump), 0);
	settings_init(&other);
	ck_assert_int_eq(config_file_read("dump", &other), 0);
}

static void
check_same_guard(const struct settings_guard *a, const struct settings_guard *b)
{
	int i;

	ck_assert_uint_eq(a->given, b->given);
	ck_assert_int_eq(a->connection_rate, b->connection_rate);
	ck_assert_int_eq(a->lifetime, b->lifetime);
	ck_assert_int_eq(a->item_count, b->item_count);
	for (i = 0; i < a->item_count; i++) {
		ck_assert_str_eq(a->items[i].name, b->items[i].name);
		ck_assert_str_eq(a->items[i].value, b->items[i].value);
	}
}

static void
check_same(void)
{
	const struct bevhost_param *param = settings_params;
	char one[256], two[256];
	int i, j;

	for (; param->name != NULL; param++)
		ck_assert_str_eq(
		    settings_text(&settings, param->name, one, sizeof(one)),
		    settings_text(&other, param->name, two, sizeof(two)));
	check_same_guard(&settings.guard, &other.guard);
	ck_assert_int_eq(settings.group_count, other.group_count);
	for (i = 0; i < settings.group_count; i++) {
		ck_assert_str_eq(settings.groups[i].name, other.groups[i].name);
		ck_assert_int_eq(
		    settings.groups[i].workers, other.groups[i].workers);
	}
	ck_assert_int_eq(settings.handler_count, other.handler_count);
	for (i = 0; i < settings.handler_count; i++) {
		struct settings_handler *a = &settings.handlers[i];
		struct settings_handler *b = &other.handlers[i];

		ck_assert_str_eq(a->plugin, b->plugin);
		ck_assert_str_eq(a->worker_group, b->worker_group);
		ck_assert_int_eq(a->mode, b->mode);
		check_same_guard(&a->guard, &b->guard);
		ck_assert_int_eq(a->address_count, b->address_count);
		for (j = 0; j < a->address_count; j++)
			ck_assert_mem_eq(&a->addresses[j].spec,
			    &b->addresses[j].spec, sizeof(struct addr_spec));
		ck_assert_int_eq(a->word_count, b->word_count);
		for (j = 0; j < a->word_count; j++) {
			ck_assert_int_eq(
			    a->words[j].key == NULL, b->words[j].key == NULL);
			if (a->words[j].key != NULL)
				ck_assert_str_eq(
				    a->words[j].key, b->words[j].key);
			ck_assert_str_eq(a->words[j].value, b->words[j].value);
		}
	}
}

START_TEST(a_dump_is_a_file_that_says_the_same)
{
	file("b.conf",
	    "listen [::1]:3 { handler = b; with { a = 1; a = 2 } }"
	    "worker-group all { workers = auto }"
	    "worker-group none { }"
	    "allow = ::1 deny = { all, '::/0' }"
	    "listen :5 { handler = c tls { cert = /a key = /b cert = "
	    "/c } lifetime = 5s connection-rate = 3/m }");
	must_read(sample);
	through_a_dump();
	check_same();
}
END_TEST

START_TEST(paths_in_a_dump_begin_at_the_root)
{
	char path[256];

	must_read("pidfile = d/pid; tls-cert = /c; tls-key = k; "
		  "listen :1 { handler = d/mine.so with { pidfile = p } }");
	through_a_dump();
	snprintf(path, sizeof(path), "%s/d/pid", folder);
	ck_assert_str_eq(other.pidfile, path);
	snprintf(path, sizeof(path), "%s/k", folder);
	ck_assert_str_eq(settings_item_value(&other.guard, "tls-key"), path);
	ck_assert_str_eq(settings_item_value(&other.guard, "tls-cert"), "/c");
	snprintf(path, sizeof(path), "%s/d/mine.so", folder);
	ck_assert_str_eq(other.handlers[0].plugin, path);
	ck_assert_str_eq(other.handlers[0].words[0].value, "p");
}
END_TEST

START_TEST(a_dump_of_defaults_says_the_same)
{
	settings_init(&settings);
	through_a_dump();
	check_same();
}
END_TEST

START_TEST(a_dump_keeps_every_text)
{
	static const char *const texts[] = { "", " ", "a\"b", "a\\", "\\\"",
		"${HOME}", "$${", "\\${x", "$", "a\nb\r\t\x7f\x01\x1b", "'",
		"#", "/* */", "{};=,", "\xc3\xa4\xff", "\\x41", "\0011",
		"a\\\nb" };
	struct settings_handler *handler;
	struct addr_spec spec = {
		.kind = ADDR_INET, .host = "0.0.0.0", .port = 80
	};
	size_t i;

	settings_init(&settings);
	for (i = 0; i < COUNT(texts); i++) {
		/* With a '/' it would be a path. */
		handler = settings_add_handler(&settings,
		    texts[i][0] && strchr(texts[i], '/') == NULL ? texts[i]
								 : "x");
		ck_assert_ptr_nonnull(handler);
		/* As after -p 80. */
		ck_assert_ptr_nonnull(
		    settings_add_address(handler, "80", &spec));
		ck_assert_ptr_nonnull(
		    settings_add_word(handler, NULL, texts[i], NULL));
		ck_assert_ptr_nonnull(
		    settings_add_word(handler, "A.b_c-1", texts[i], NULL));
		ck_assert_int_eq(settings_replace_text(&settings.user,
				     texts[i][0] ? texts[i] : NULL),
		    0);
		through_a_dump();
		check_same();
		settings_clear(&other);
	}
}
END_TEST

START_TEST(one_process_reads_again_and_again)
{
	int i;

	file("b.conf", "");
	for (i = 0; i < 20; i++) {
		must_read(sample);
		ck_assert_int_eq(settings.handler_count, 2);
		must_refuse("user = \"a", "a.conf:1: this string is never "
					  "closed");
		must_refuse("user = \"\\400", "a.conf:1: this string is never "
					      "closed");
		must_refuse("user = \"\\400\"",
		    "a.conf:1: invalid octal number '\\400'");
	}
}
END_TEST

#else

START_TEST(without_libconfuse_a_file_is_refused)
{
	file("a.conf", "");
	ck_assert_int_eq(reads("a.conf"), -EX_USAGE);
	ck_assert_ptr_nonnull(strstr(heard, "built without libConfuse"));
}
END_TEST

#endif

int
main(void)
{
	Suite *suite = suite_create("config_file");
	TCase *tcase = tcase_create("config_file");

	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_set_timeout(tcase, 600);
#ifdef HAVE_CONFUSE
	tcase_add_test(tcase, a_file_sets_scalars_and_listeners);
	tcase_add_test(tcase, a_section_has_groups_words_and_further_addresses);
	tcase_add_test(tcase, two_sections_may_have_the_same_address);
	tcase_add_test(
	    tcase, what_a_section_says_may_be_said_outside_and_in_others);
	tcase_add_test(tcase, an_empty_file_says_nothing);
	tcase_add_test(tcase, values_are_words_or_strings);
	tcase_add_test(tcase, statements_need_no_line_of_their_own);
	tcase_add_test(tcase, a_list_of_a_value_needs_no_quotes);
	tcase_add_test(tcase, every_setting_is_an_option_of_the_file);
	tcase_add_test(tcase, a_listener_has_options_and_lists_of_its_own);
	tcase_add_test(tcase, tls_may_stand_outside_of_listeners);
	tcase_add_test(
	    tcase, what_is_wrong_in_a_listener_is_named_with_its_line);
	tcase_add_test(
	    tcase, files_are_included_in_their_order_beside_the_file);
	tcase_add_test(tcase, a_relative_path_begins_at_the_folder_of_its_file);
	tcase_add_loop_test(tcase, what_is_wrong_is_named_with_file_and_line, 0,
	    (int)COUNT(refusals));
	tcase_add_test(
	    tcase, each_option_of_the_host_is_told_its_place_in_a_listener);
	tcase_add_test(tcase, what_is_given_twice_is_named_in_both_files);
	tcase_add_test(tcase, included_files_go_only_so_deep);
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_no_input);
	tcase_add_test(tcase, bytes_that_are_no_text_are_refused);
	tcase_add_test(tcase, no_mutation_does_harm);
	tcase_add_test(tcase, a_dump_is_a_file_that_says_the_same);
	tcase_add_test(tcase, paths_in_a_dump_begin_at_the_root);
	tcase_add_test(tcase, a_dump_of_defaults_says_the_same);
	tcase_add_test(tcase, a_dump_keeps_every_text);
	tcase_add_test(tcase, one_process_reads_again_and_again);
#else
	tcase_add_test(tcase, without_libconfuse_a_file_is_refused);
#endif
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
