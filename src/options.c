/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line. Words are taken in order, so that listeners belong to the
 * PLUGIN that follows them; after the last PLUGIN, to that one. The file of -c
 * comes first, wherever it stands: it is looked for in a round of its own.
 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "config_file.h"
#include "log.h"
#include "near.h"
#include "options_words.h"
#include "param.h"
#include "settings_edit.h"
#include "settings_say.h"

enum {
	OPT_LIST_PLUGINS = 256,
	OPT_DUMP_PLUGIN,
	OPT_DUMP_OPTIONS,
	OPT_READY_FD,
	OPT_RELOAD,
	OPT_RUN,
	OPT_NO_MASTER,
	OPT_LIST = 512,	   /* and the number of the list */
	OPT_SETTING = 1024 /* and the number of the setting */
};

#define OPTIONS_MAX 96

/* Those that are no setting: options_init_long() appends the settings. */
static struct option options_long[OPTIONS_MAX] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "port", required_argument, NULL, 'p' },
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "dump-config", no_argument, NULL, 'T' },
	{ "reload", optional_argument, NULL, OPT_RELOAD },
	{ "list-plugins", no_argument, NULL, OPT_LIST_PLUGINS },
	{ "dump-plugin", required_argument, NULL, OPT_DUMP_PLUGIN },
	{ "dump-options", no_argument, NULL, OPT_DUMP_OPTIONS },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "run", required_argument, NULL, OPT_RUN },
	{ "no-master", no_argument, NULL, OPT_NO_MASTER },
	{ "verbose", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
};

/* "-" gives words in order, ":" tells a missing argument apart. */
static const char options_short[] = "-:l:p:c:tTw:u:g:vqVh";

/* Those of settings. */
static const struct {
	char letter;
	const char *name;
} options_letters[] = { { 'w', "workers" }, { 'u', "user" }, { 'g', "group" } };
#define OPTIONS_LETTERS (sizeof(options_letters) / sizeof(options_letters[0]))

static void
options_init_one(struct option *option, const char *name, int value)
{
	assert(option < options_long + OPTIONS_MAX - 1);
	option->name = name;
	option->has_arg = required_argument;
	option->val = value;
}

static void
options_init_long(void)
{
	static int done;
	struct option *option = options_long;
	int i;

	if (done)
		return;
	while (option->name != NULL)
		option++;
	for (i = 0; settings_params[i].name != NULL; i++, option++)
		options_init_one(
		    option, settings_params[i].name, OPT_SETTING + i);
	for (i = 0; settings_lists[i].name != NULL; i++, option++)
		options_init_one(option, settings_lists[i].name, OPT_LIST + i);
	done = 1;
}

static int
options_unknown(const char *word)
{
	struct near near = { .word = word + strspn(word, "-") };
	const struct option *option;
	char name[64];
	int abbreviates = 0;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(near.word, "="),
	    near.word);
	near.word = name;
	for (option = options_long; option->name != NULL; option++) {
		near_offer(&near, option->name);
		abbreviates += strncmp(option->name, name, strlen(name)) == 0;
	}
	if (strncmp(word, "--", 2) == 0 && abbreviates > 1)
		log_write(BEVHOST_LOG_ERROR, NULL, "option '--%s' is ambiguous",
		    name);
	else if (strncmp(word, "--", 2) == 0 && near.best[0] != '\0')
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "unknown option '--%s', did you mean '--%s'?", name,
		    near.best);
	else if (strncmp(word, "--", 2) == 0)
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "unknown option '--%s'", name);
	else
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "unknown option '-%c'", optopt);
	return options_try_help();
}

/* getopt reports a needless argument to a long option as unknown. */
static int
options_refuse(const char *word, int missing)
{
	if (missing) {
		/* In -vl it is the l. */
		char name[] = { '-', (char)optopt, '\0' };

		log_write(BEVHOST_LOG_ERROR, NULL,
		    "option '%s' needs an argument",
		    strncmp(word, "--", 2) == 0 ? word : name);
		return options_try_help();
	}
	if (optopt != 0 && strncmp(word, "--", 2) == 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "option '%.*s' takes no argument", (int)strcspn(word, "="),
		    word);
		return options_try_help();
	}
	return options_unknown(word);
}

static int
options_ready_fd(struct options_parser *parser, const char *text)
{
	char *end;
	long fd;

	if (parser->again)
		return 0;
	errno = 0;
	fd = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || fd < 0 ||
	    fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0)
		return settings_say_error("ready-fd", text, NULL,
		    "is not the number of an open descriptor");
	parser->options->ready_fd = (int)fd;
	return 0;
}

static int
options_reload(struct options *options, const char *text)
{
	static const struct bevhost_param pid = {
		.type = BEVHOST_PARAM_INT,
		.min = 1,
		.max = INT_MAX,
	};
	char why[PARAM_TEXT_SIZE];
	int64_t number = 0;

	if (text != NULL &&
	    param_parse(&pid, text, &number, why, sizeof(why)) < 0)
		return settings_say_error(
		    "reload", text, NULL, "is not the number of a process");
	options->reload_pid = (pid_t)number;
	return 0;
}

static int
options_setting(
    struct options_parser *parser, const char *name, const char *text)
{
	struct settings *settings = &parser->options->settings;
	char why[PARAM_TEXT_SIZE];

	parser->workers |= strcmp(name, "workers") == 0;
	if (settings_set(settings, name, text, why, sizeof(why)) < 0)
		return settings_say_error(name, text, NULL, why);
	return settings_give(&settings->guard, name, NULL) < 0
		   ? options_no_memory()
		   : 0;
}

static int
options_item(struct options_parser *parser, const struct settings_list *list,
    const char *text)
{
	struct settings_guard *guard = &parser->options->settings.guard;
	char why[PARAM_TEXT_SIZE];

	settings_drop_items(guard, list);
	if (settings_add_item(guard, list, text, NULL, why, sizeof(why)) == 0)
		return 0;
	return settings_say_error(list->name, text, NULL, why);
}

static void
options_act(struct options *options, enum options_action action)
{
	/* The first of --help, --version and so on is what is done. */
	if (options->action == OPTIONS_SERVE)
		options->action = action;
}

/* One that sets something, or -2 when it is none of these. */
static int
options_take_setting(struct options_parser *parser, int option)
{
	struct settings_handler *handler;
	int64_t *level = &parser->options->settings.level;
	size_t i;

	for (i = 0; i < OPTIONS_LETTERS; i++)
		if (option == options_letters[i].letter)
			return options_setting(
			    parser, options_letters[i].name, optarg);
	if (option >= OPT_SETTING)
		return options_setting(
		    parser, settings_params[option - OPT_SETTING].name, optarg);
	if (option >= OPT_LIST)
		return options_item(
		    parser, &settings_lists[option - OPT_LIST], optarg);
	switch (option) {
	case 1:
		return options_word(parser, optarg);
	case 'l':
	case 'p':
		handler = options_open_handler(parser);
		if (handler == NULL)
			return -EX_OSERR;
		return option == 'l' ? options_add_address(handler, optarg)
				     : options_add_port(handler, optarg);
	case 'v':
		if (*level < BEVHOST_LOG_DEBUG)
			(*level)++;
		return 0;
	case 'q':
		*level = BEVHOST_LOG_WARNING;
		return 0;
	}
	return -2;
}

/* One that says what to do. */
static int
options_take_action(struct options *options, int option)
{
	switch (option) {
	case 'c':
		return 0; /* read already */
	case 't':
		options_act(options, OPTIONS_TEST);
		return 0;
	case 'T':
		options_act(options, OPTIONS_DUMP_CONFIG);
		return 0;
	case 'V':
		options_act(options, OPTIONS_VERSION);
		return 0;
	case 'h':
		options_act(options, OPTIONS_HELP);
		return 0;
	case OPT_RELOAD:
		options_act(options, OPTIONS_RELOAD);
		return options_reload(options, optarg);
	case OPT_LIST_PLUGINS:
		options_act(options, OPTIONS_LIST_PLUGINS);
		return 0;
	case OPT_DUMP_PLUGIN:
		options_act(options, OPTIONS_DUMP_PLUGIN);
		if (options->dump_plugin == NULL)
			options->dump_plugin = optarg;
		return 0;
	case OPT_DUMP_OPTIONS:
		options_act(options, OPTIONS_DUMP_OPTIONS);
		return 0;
	case OPT_RUN:
		options->run = optarg;
		return 0;
	case OPT_NO_MASTER:
		options->no_master = 1;
		return 0;
	}
	return -1;
}

/* One option or word, as getopt found it. */
static int
options_take(struct options_parser *parser, int option)
{
	int status;

	if (option == OPT_READY_FD)
		return options_ready_fd(parser, optarg);
	status = options_take_setting(parser, option);
	return status == -2 ? options_take_action(parser->options, option)
			    : status;
}

static void
options_start_getopt(void)
{
	options_init_long();
	opterr = 0;
	optind = 0; /* glibc: start anew, tests parse more than once */
}

static int
options_next(int argc, char **argv)
{
	optopt = 0;
	return getopt_long(argc, argv, options_short, options_long, NULL);
}

/* The first round: which file, and whether it is wanted. */
static int
options_read_config(struct options *options, int argc, char **argv)
{
	struct options scratch = { .action = OPTIONS_SERVE };
	int option;

	options_start_getopt();
	while ((option = options_next(argc, argv)) != -1) {
		/* What is wrong with it is said in the second round. */
		if (option == '?' || option == ':')
			return 0;
		if (option == 'c')
			options->config = optarg;
		else if (option == 'h' || option == 'V')
			options_act(&scratch,
			    option == 'h' ? OPTIONS_HELP : OPTIONS_VERSION);
		else if (option == 1)
			scratch.help_plugin = optarg;
	}
	if (options->config == NULL || scratch.action == OPTIONS_VERSION ||
	    (scratch.action == OPTIONS_HELP && scratch.help_plugin == NULL))
		return 0;
	return config_file_read(options->config, &options->settings);
}

static int
options_read_words(struct options_parser *parser, int argc, char **argv)
{
	int option, status;

	options_start_getopt();
	for (;;) {
		int index = optind > 0 ? optind : 1;

		option = options_next(argc, argv);
		if (option == -1)
			break;
		if (option == '?' || option == ':')
			return options_refuse(argv[index], option == ':');
		status = options_take(parser, option);
		if (status < 0)
			return status;
	}
	/* What follows "--" are words too. */
	for (; optind < argc; optind++) {
		status = options_word(parser, argv[optind]);
		if (status < 0)
			return status;
	}
	return options_finish(parser);
}

static int
options_read(struct options_parser *parser, int argc, char **argv)
{
	struct options *options = parser->options;
	int status;

	memset(options, 0, sizeof(*options));
	options->ready_fd = -1;
	settings_init(&options->settings);
	status = options_read_config(options, argc, argv);
	if (status < 0)
		return status;
	parser->first = options->settings.handler_count;
	return options_read_words(parser, argc, argv);
}

int
options_parse(struct options *options, int argc, char **argv)
{
	struct options_parser parser = { .options = options };

	return options_read(&parser, argc, argv);
}

int
options_parse_again(struct options *options, int argc, char **argv)
{
	struct options_parser parser = { .options = options, .again = 1 };

	return options_read(&parser, argc, argv);
}

const struct option *
options_table(void)
{
	options_init_long();
	return options_long;
}

char
options_letter(const struct option *option)
{
	size_t i;

	if (option->val > 0 && option->val <= CHAR_MAX)
		return (char)option->val;
	for (i = 0; i < OPTIONS_LETTERS; i++)
		if (strcmp(options_letters[i].name, option->name) == 0)
			return options_letters[i].letter;
	return '\0';
}

void
options_clear(struct options *options)
{
	settings_clear(&options->settings);
	memset(options, 0, sizeof(*options));
}
