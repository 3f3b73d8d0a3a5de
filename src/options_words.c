/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PLUGIN, KEY=VALUE and the listeners between them, which become handlers; and
 * whether all of the command line makes sense together.
 */
#include "options_words.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inherit.h"
#include "log.h"
#include "settings_check.h"
#include "settings_edit.h"
#include "settings_say.h"

int
options_try_help(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "try 'bevhost --help'");
	return -EX_USAGE;
}

int
options_no_memory(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "%s", strerror(ENOMEM));
	return -EX_OSERR;
}

int
options_add_address(struct settings_handler *handler, const char *text)
{
	struct addr_spec spec;
	const char *why;

	if (addr_parse(text, &spec, &why) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL, "cannot listen on '%s': %s",
		    text, why);
		return -EX_USAGE;
	}
	return settings_add_address(handler, text, &spec) != NULL
		   ? 0
		   : options_no_memory();
}

int
options_add_port(struct settings_handler *handler, const char *text)
{
	struct addr_spec spec;
	char whole[32];
	const char *why;

	snprintf(whole, sizeof(whole), "0.0.0.0:%s", text);
	if (strlen(text) > 5 || addr_parse(whole, &spec, &why) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "'%s' is no port: it is a number from 0 to 65535", text);
		return -EX_USAGE;
	}
	return settings_add_address(handler, text, &spec) != NULL
		   ? 0
		   : options_no_memory();
}

/* KEY=VALUE when what stands before the first '=' can be a key. */
static int
options_add_word(struct settings_handler *handler, const char *text)
{
	struct settings_word *word;
	char *key;
	size_t key_len =
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789-_.");

	if (text[key_len] == '=' && isalpha((unsigned char)text[0])) {
		key = strndup(text, key_len);
		word = key != NULL ? settings_add_word(
					 handler, key, text + key_len + 1, NULL)
				   : NULL;
		free(key);
	} else if (handler->word_count == 0) {
		word = settings_add_word(handler, NULL, text, NULL);
	} else {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "'%s' is not KEY=VALUE (a word without a key stands right "
		    "after its plugin, and a second plugin after a -l)",
		    text);
		return options_try_help();
	}
	return word != NULL ? 0 : options_no_memory();
}

/* The last handler of the command line, or NULL. */
static struct settings_handler *
options_last(struct options_parser *parser)
{
	struct settings *settings = &parser->options->settings;

	return settings->handler_count > parser->first
		   ? &settings->handlers[settings->handler_count - 1]
		   : NULL;
}

/* The handler that the next -l belongs to: a fresh one after a PLUGIN. */
struct settings_handler *
options_open_handler(struct options_parser *parser)
{
	struct settings_handler *last = options_last(parser);

	if (last != NULL && last->plugin == NULL)
		return last;
	last = settings_add_handler(&parser->options->settings, NULL);
	if (last == NULL)
		options_no_memory();
	return last;
}

int
options_word(struct options_parser *parser, char *text)
{
	struct settings_handler *last = options_last(parser);

	if (last != NULL && last->plugin != NULL)
		return options_add_word(last, text);
	last = options_open_handler(parser);
	if (last == NULL)
		return -EX_OSERR;
	if (text[0] == '\0') {
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "the plugin's name is empty");
		return options_try_help();
	}
	if (parser->options->help_plugin == NULL)
		parser->options->help_plugin = text;
	return settings_replace_text(&last->plugin, text) < 0
		   ? options_no_memory()
		   : 0;
}

/* How many listeners take this descriptor. */
static int
options_count_fd(const struct settings *settings, int fd)
{
	int i, j, count = 0;

	for (i = 0; i < settings->handler_count; i++)
		for (j = 0; j < settings->handlers[i].address_count; j++) {
			const struct addr_spec *spec =
			    &settings->handlers[i].addresses[j].spec;

			count += spec->kind == ADDR_FD && spec->fd == fd;
		}
	return count;
}

/* What has another text may be the same too: who binds it finds that out. */
static int
options_is_same(
    const struct settings_address *one, const struct settings_address *other)
{
	if (one->spec.kind != other->spec.kind)
		return 0;
	if (one->spec.kind == ADDR_FD && one->spec.fd >= 0)
		return one->spec.fd == other->spec.fd;
	/* At port 0 each gets its own. */
	return (one->spec.kind != ADDR_INET || one->spec.port != 0) &&
	       strcmp(one->text, other->text) == 0;
}

/* Is it given before the one at that place? */
static int
options_is_given(const struct settings *settings, int handler, int at)
{
	const struct settings_address *address =
	    &settings->handlers[handler].addresses[at];
	int i, j;

	for (i = 0; i <= handler; i++)
		for (j = 0;
		     i < handler ? j < settings->handlers[i].address_count
				 : j < at;
		     j++)
			if (options_is_same(
				&settings->handlers[i].addresses[j], address))
				return 1;
	return 0;
}

/* Two would take each other's clients, and who is done with a descriptor
   closes it. */
static int
options_check_listeners(const struct options *options)
{
	const struct settings *settings = &options->settings;
	const struct settings_handler *handler = settings->handlers;
	int i, j;

	for (i = 0; i < settings->handler_count; i++, handler++)
		for (j = 0; j < handler->address_count; j++) {
			if (!options_is_given(settings, i, j))
				continue;
			log_set_where(handler->where);
			log_write(BEVHOST_LOG_ERROR, NULL,
			    "listener '%s' is given twice: do without one",
			    handler->addresses[j].text);
			log_set_where(NULL);
			return settings_status(handler->where);
		}
	if (options->ready_fd < 0 ||
	    options_count_fd(settings, options->ready_fd) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "--ready-fd=%d is the descriptor of listener 'fd:%d'",
	    options->ready_fd, options->ready_fd);
	return -EX_USAGE;
}

/* What contradicts itself. */
static int
options_check(const struct options_parser *parser)
{
	const struct options *options = parser->options;

	if (options->no_master && parser->workers &&
	    options->settings.workers != 1) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "--no-master is one worker alone: --workers does not go "
		    "with it");
		return options_try_help();
	}
	if (options->action == OPTIONS_RELOAD &&
	    (options->settings.handler_count > parser->first ||
		options->run != NULL)) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "--reload asks the one that runs, which goes by its own "
		    "command line: give it no listener, plugin or command");
		return options_try_help();
	}
	return options_check_listeners(options);
}

/* Listeners after the last PLUGIN are its own when it has none yet. */
static int
options_close_handler(struct options_parser *parser)
{
	struct settings *settings = &parser->options->settings;
	struct settings_handler *last = options_last(parser), *plugin;

	if (last == NULL || last->plugin != NULL)
		return 0;
	if (settings->handler_count - parser->first == 1)
		return settings_replace_text(&last->plugin, "greeting") < 0
			   ? options_no_memory()
			   : 0;
	plugin = last - 1;
	if (plugin->address_count > 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "no plugin follows listener '%s', and '%s' has its "
		    "listeners before it",
		    last->addresses[0].text, plugin->plugin);
		return options_try_help();
	}
	plugin->addresses = last->addresses;
	plugin->address_count = last->address_count;
	last->addresses = NULL;
	last->address_count = 0;
	settings_drop_handler(settings);
	return 0;
}

/* The sockets that a service manager passes are what we are to serve. */
static int
options_add_default(struct settings_handler *handler)
{
	char text[32];
	int i, status = 0;

	if (inherit_count() == 0)
		return options_add_address(handler, "0.0.0.0:6000");
	for (i = 0; i < inherit_count() && status == 0; i++) {
		snprintf(text, sizeof(text), "fd:%d", inherit_fd(i));
		status = options_add_address(handler, text);
	}
	return status;
}

/* Each plugin of the command line has its listeners, a single one a default. */
static int
options_finish_handlers(struct options_parser *parser)
{
	struct settings *settings = &parser->options->settings;
	struct settings_handler *last, *plugin;
	int status = options_close_handler(parser);

	if (status < 0)
		return status;
	if (settings->handler_count == 0 &&
	    parser->options->action != OPTIONS_RELOAD &&
	    settings_add_handler(settings, "greeting") == NULL)
		return options_no_memory();
	last = options_last(parser);
	if (last == NULL)
		return 0;
	for (plugin = settings->handlers + parser->first; plugin < last;
	     plugin++)
		if (plugin->address_count == 0) {
			log_write(BEVHOST_LOG_ERROR, NULL,
			    "plugin '%s' has no listener: with several "
			    "plugins, each stands after its -l",
			    plugin->plugin);
			return options_try_help();
		}
	return settings->handler_count - parser->first == 1 &&
		       last->address_count == 0
		   ? options_add_default(last)
		   : 0;
}

int
options_finish(struct options_parser *parser)
{
	int status = options_finish_handlers(parser);

	if (status < 0)
		return status;
	if (settings_finish(&parser->options->settings) < 0)
		return options_no_memory();
	status = options_check(parser);
	return status == 0 ? settings_check(&parser->options->settings)
			   : status;
}
