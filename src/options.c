/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line. Words are taken in order, so that a group of -l belongs
 * to the PLUGIN that follows it; after the last PLUGIN, to that one.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "near.h"
#include "param.h"

const char options_help[] =
    "Usage: bevhost [OPTION]... [PLUGIN [KEY=VALUE]...]...\n"
    "Serve TCP connections with a protocol plugin (greeting, unless named).\n"
    "\n"
    "Listeners (0.0.0.0:6000, unless given; those before a PLUGIN are its "
    "own):\n"
    "  -l, --listen=ADDRESS     HOST:PORT, :PORT, [V6]:PORT, unix:/PATH,\n"
    "                           unix:@ABSTRACT, fd:N or fd:NAME; may be\n"
    "                           repeated\n"
    "  -p, --port=PORT          the same as --listen=0.0.0.0:PORT; port 0\n"
    "                           takes a free one\n"
    "\n"
    "Plugins:\n"
    "      --plugin-dir=DIR     look for plugins in DIR first\n"
    "      --list-plugins       say which plugins there are\n"
    "      --dump-plugin=NAME   say all about one, as key=value lines\n"
    "  -h, --help [PLUGIN]      this text, or a plugin's parameters\n"
    "\n"
    "Running:\n"
    "      --ready-fd=FD        write each bound address to FD when serving\n"
    "      --run=COMMAND        serve while COMMAND runs, exit with its "
    "status\n"
    "      --event-method=NAME  epoll, poll or select\n"
    "      --stack-size=SIZE    of tasks that their plugin gives none (64k)\n"
    "      --job-threads=N      threads for blocking work (4)\n"
    "      --no-master          one worker in the foreground\n"
    "  -v, --verbose            say more; twice: much more\n"
    "  -q, --quiet              say only what goes wrong\n"
    "  -V, --version            print the version\n"
    "\n"
    "Signals: TERM, INT and HUP stop it when what is owed has been sent; a\n"
    "second one stops it at once.\n"
    "Exit status: 0 stopped, 64 usage, 68 unknown host, 69 address in use or\n"
    "not to be had, 70 the loop failed, 71 no resources, 73 no file for a\n"
    "socket, 74 output failed, 77 no permission, 78 plugin, its folder or a\n"
    "parameter refused.\n"
    "\n"
    "Example: bevhost -l :7001 echo -l :7002 greeting text=Hi\n";

enum {
	OPT_PLUGIN_DIR = 256,
	OPT_LIST_PLUGINS,
	OPT_DUMP_PLUGIN,
	OPT_READY_FD,
	OPT_RUN,
	OPT_EVENT_METHOD,
	OPT_STACK_SIZE,
	OPT_JOB_THREADS,
	OPT_NO_MASTER
};

static const struct option options_long[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "port", required_argument, NULL, 'p' },
	{ "plugin-dir", required_argument, NULL, OPT_PLUGIN_DIR },
	{ "list-plugins", no_argument, NULL, OPT_LIST_PLUGINS },
	{ "dump-plugin", required_argument, NULL, OPT_DUMP_PLUGIN },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "run", required_argument, NULL, OPT_RUN },
	{ "event-method", required_argument, NULL, OPT_EVENT_METHOD },
	{ "stack-size", required_argument, NULL, OPT_STACK_SIZE },
	{ "job-threads", required_argument, NULL, OPT_JOB_THREADS },
	{ "no-master", no_argument, NULL, OPT_NO_MASTER },
	{ "verbose", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct bevhost_param options_stack_size = {
	.name = "stack-size",
	.type = BEVHOST_PARAM_SIZE,
	.min = 16 * 1024,
	.max = 64 * 1024 * 1024,
};

static const struct bevhost_param options_job_threads = {
	.name = "job-threads",
	.type = BEVHOST_PARAM_INT,
	.min = 1,
	.max = 256,
};

/* "-" gives words in order, ":" tells a missing argument apart. */
static const char options_short[] = "-:l:p:vqVh";

static int
options_try_help(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "try 'bevhost --help'");
	return -1;
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
options_add_address(struct options_group *group, const char *text)
{
	struct options_address *address =
	    &group->addresses[group->address_count];
	const char *why;

	address->text = text;
	if (addr_parse(text, &address->spec, &why) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL, "cannot listen on '%s': %s",
		    text, why);
		return -1;
	}
	group->address_count++;
	return 0;
}

static int
options_add_port(struct options_group *group, const char *text)
{
	struct options_address *address =
	    &group->addresses[group->address_count];
	char whole[32];
	const char *why;

	snprintf(whole, sizeof(whole), "0.0.0.0:%s", text);
	address->text = text;
	if (strlen(text) > 5 || addr_parse(whole, &address->spec, &why) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "'%s' is no port: it is a number from 0 to 65535", text);
		return -1;
	}
	group->address_count++;
	return 0;
}

/* KEY=VALUE when what stands before the first '=' can be a key. */
static int
options_add_word(struct options_group *group, const char *text)
{
	struct options_word *word = &group->words[group->word_count];
	size_t key_len =
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789-_.");

	if (text[key_len] == '=' && isalpha((unsigned char)text[0])) {
		word->key = strndup(text, key_len);
		word->value = text + key_len + 1;
		if (word->key == NULL)
			return -1;
	} else if (group->word_count == 0) {
		word->value = text;
	} else {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "'%s' is not KEY=VALUE (a word without a key stands right "
		    "after its plugin, and a second plugin after a -l)",
		    text);
		return options_try_help();
	}
	group->word_count++;
	return 0;
}

static int
options_group_init(struct options_group *group, int size)
{
	group->addresses = calloc((size_t)size, sizeof(*group->addresses));
	group->words = calloc((size_t)size, sizeof(*group->words));
	return group->addresses != NULL && group->words != NULL ? 0 : -1;
}

/* The group that the next -l belongs to: a fresh one after a PLUGIN. */
static struct options_group *
options_open_group(struct options *options, int size)
{
	struct options_group *last = options->groups + options->group_count;

	if (options->group_count > 0 && last[-1].plugin == NULL)
		return &last[-1];
	if (options_group_init(last, size) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%s", strerror(ENOMEM));
		return NULL;
	}
	options->group_count++;
	return last;
}

static int
options_word(struct options *options, char *text, int size)
{
	struct options_group *group;

	options->help_plugin = 1;
	if (options->group_count > 0 &&
	    options->groups[options->group_count - 1].plugin != NULL)
		return options_add_word(
		    &options->groups[options->group_count - 1], text);
	group = options_open_group(options, size);
	if (group == NULL)
		return -1;
	if (text[0] == '\0') {
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "the plugin's name is empty");
		return options_try_help();
	}
	group->plugin = text;
	return 0;
}

static int
options_ready_fd(struct options *options, const char *text)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || fd < 0 ||
	    fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "--ready-fd=%s: not the number of an open descriptor",
		    text);
		return -1;
	}
	options->ready_fd = (int)fd;
	return 0;
}

static int
options_event_method(struct options *options, const char *text)
{
	if (strcmp(text, "epoll") != 0 && strcmp(text, "poll") != 0 &&
	    strcmp(text, "select") != 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "--event-method=%s: it is epoll, poll or select", text);
		return -1;
	}
	options->event_method = text;
	return 0;
}

static int
options_number(
    const struct bevhost_param *param, const char *text, int64_t *number)
{
	char why[PARAM_TEXT_SIZE];

	if (param_parse(param, text, number, why, sizeof(why)) == 0)
		return 0;
	log_write(
	    BEVHOST_LOG_ERROR, NULL, "--%s=%s %s", param->name, text, why);
	return -1;
}

static void
options_act(struct options *options, enum options_action action)
{
	/* The first of --help, --version and so on is what is done. */
	if (options->action == OPTIONS_SERVE)
		options->action = action;
}

/* One option or word, as getopt found it. */
static int
options_take(struct options *options, int option, int size)
{
	struct options_group *group;
	int64_t number;

	switch (option) {
	case 1:
		return options_word(options, optarg, size);
	case 'l':
	case 'p':
		group = options_open_group(options, size);
		if (group == NULL)
			return -1;
		return option == 'l' ? options_add_address(group, optarg)
				     : options_add_port(group, optarg);
	case OPT_PLUGIN_DIR:
		options->plugin_dir = optarg;
		return 0;
	case OPT_LIST_PLUGINS:
		options_act(options, OPTIONS_LIST_PLUGINS);
		return 0;
	case OPT_DUMP_PLUGIN:
		options_act(options, OPTIONS_DUMP_PLUGIN);
		if (options->dump_plugin == NULL)
			options->dump_plugin = optarg;
		return 0;
	case OPT_READY_FD:
		return options_ready_fd(options, optarg);
	case OPT_RUN:
		options->run = optarg;
		return 0;
	case OPT_EVENT_METHOD:
		return options_event_method(options, optarg);
	case OPT_STACK_SIZE:
		return options_number(
		    &options_stack_size, optarg, &options->stack_size);
	case OPT_JOB_THREADS:
		if (options_number(&options_job_threads, optarg, &number) < 0)
			return -1;
		options->job_threads = (int)number;
		return 0;
	case OPT_NO_MASTER:
		return 0; /* there is no other way of running yet */
	case 'v':
		if (options->level < BEVHOST_LOG_DEBUG)
			options->level++;
		return 0;
	case 'q':
		options->level = BEVHOST_LOG_WARNING;
		return 0;
	case 'V':
		options_act(options, OPTIONS_VERSION);
		return 0;
	case 'h':
		options_act(options, OPTIONS_HELP);
		return 0;
	}
	return -1;
}

/* How many listeners take this descriptor. */
static int
options_count_fd(const struct options *options, int fd)
{
	int i, j, count = 0;

	for (i = 0; i < options->group_count; i++)
		for (j = 0; j < options->groups[i].address_count; j++) {
			const struct addr_spec *spec =
			    &options->groups[i].addresses[j].spec;

			count += spec->kind == ADDR_FD && spec->fd == fd;
		}
	return count;
}

/* A descriptor is one thing: who is done with it closes it. */
static int
options_check_fds(const struct options *options)
{
	int i, j;

	for (i = 0; i < options->group_count; i++)
		for (j = 0; j < options->groups[i].address_count; j++) {
			const struct addr_spec *spec =
			    &options->groups[i].addresses[j].spec;

			if (spec->kind != ADDR_FD || spec->fd < 0 ||
			    options_count_fd(options, spec->fd) == 1)
				continue;
			log_write(BEVHOST_LOG_ERROR, NULL,
			    "listener 'fd:%d' is given twice", spec->fd);
			return -1;
		}
	if (options->ready_fd < 0 ||
	    options_count_fd(options, options->ready_fd) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "--ready-fd=%d is the descriptor of listener 'fd:%d'",
	    options->ready_fd, options->ready_fd);
	return -1;
}

/* Listeners after the last PLUGIN are its own when it has none yet. */
static int
options_finish(struct options *options, int size)
{
	struct options_group *last, *plugin;

	if (options->group_count == 0 &&
	    options_open_group(options, size) == NULL)
		return -1;
	last = &options->groups[options->group_count - 1];
	plugin = last - 1;
	if (last->plugin == NULL && options->group_count > 1) {
		if (plugin->address_count > 0) {
			log_write(BEVHOST_LOG_ERROR, NULL,
			    "no plugin follows listener '%s', and '%s' has its "
			    "listeners before it",
			    last->addresses[0].text, plugin->plugin);
			return options_try_help();
		}
		memcpy(plugin->addresses, last->addresses,
		    (size_t)last->address_count * sizeof(*last->addresses));
		plugin->address_count = last->address_count;
		last->address_count = 0;
		free(last->addresses);
		free(last->words);
		memset(last, 0, sizeof(*last));
		options->group_count--;
		last = plugin;
	}
	if (last->plugin == NULL)
		last->plugin = "greeting";
	for (plugin = options->groups; plugin < last; plugin++)
		if (plugin->address_count == 0) {
			log_write(BEVHOST_LOG_ERROR, NULL,
			    "plugin '%s' has no listener: with several "
			    "plugins, each stands after its -l",
			    plugin->plugin);
			return options_try_help();
		}
	if (options->group_count == 1 && last->address_count == 0)
		return options_add_address(last, "0.0.0.0:6000");
	return 0;
}

int
options_parse(struct options *options, int argc, char **argv)
{
	int option, size = argc + 1;

	memset(options, 0, sizeof(*options));
	options->ready_fd = -1;
	options->job_threads = 4;
	options->level = BEVHOST_LOG_NOTICE;
	options->groups = calloc((size_t)size, sizeof(*options->groups));
	if (options->groups == NULL)
		return -1;
	opterr = 0;
	optind = 0; /* glibc: start anew, tests parse more than once */
	for (;;) {
		int index = optind > 0 ? optind : 1;

		optopt = 0;
		option =
		    getopt_long(argc, argv, options_short, options_long, NULL);
		if (option == -1)
			break;
		if (option == '?' || option == ':')
			return options_refuse(argv[index], option == ':');
		if (options_take(options, option, size) < 0)
			return -1;
	}
	/* What follows "--" are words too. */
	for (; optind < argc; optind++)
		if (options_word(options, argv[optind], size) < 0)
			return -1;
	return options_finish(options, size) < 0 ? -1
						 : options_check_fds(options);
}

void
options_clear(struct options *options)
{
	int i, j;

	for (i = 0; options->groups != NULL && i < options->group_count; i++) {
		struct options_group *group = &options->groups[i];

		for (j = 0; j < group->word_count; j++)
			free(group->words[j].key);
		free(group->words);
		free(group->addresses);
	}
	free(options->groups);
	memset(options, 0, sizeof(*options));
}
