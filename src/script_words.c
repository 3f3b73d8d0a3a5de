/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines that begin with a word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"
#include "param.h"
#include "reason.h"
#include "script_own.h"
#include "settings_edit.h"

#define SCRIPT_WAIT_MAX_MS (366 * 24 * 3600 * INT64_C(1000))

static int
parser_append(struct parser *parser, char ***list, int *count, const char *what,
    const char *text)
{
	char **grown;

	if (*count == SCRIPT_WORDS_MAX)
		return parser_fail(parser,
		    "more than %d lines of %s: leave out those that are the "
		    "default",
		    *count, what);
	grown = reallocarray(*list, (size_t)*count + 2, sizeof(*grown));
	if (grown == NULL)
		return parser_no_memory(parser);
	*list = grown;
	if (parser->script->step_count > 0)
		return parser_fail(
		    parser, "%s must stand before what is said and done", what);
	grown[*count] = strdup(text);
	if (grown[*count] == NULL)
		return parser_no_memory(parser);
	grown[++*count] = NULL;
	return 0;
}

static int
parser_with(struct parser *parser, const char *rest)
{
	if (*rest == '\0')
		return parser_fail(parser, "with needs a parameter: KEY=VALUE");
	return parser_append(parser, &parser->script->words,
	    &parser->script->word_count, "with", rest);
}

static int
parser_no_option(const struct parser *parser, const char *name)
{
	const struct bevhost_param *param = NULL;
	struct near near = { .word = name };
	char hint[96];

	while ((param = settings_guard_next(param)) != NULL)
		near_offer(&near, param->name);
	near_text(&near, hint, sizeof(hint));
	return parser_fail(parser, "listeners have no option '%s'%s", name,
	    *hint != '\0' ? hint : ": bevhost.conf(5) lists them");
}

/* What is done before a handler sees a connection, and is not done here. */
static int
parser_is_moot(const char *name)
{
	static const char *const moot[] = { "max-connections",
		"connection-rate", "tls-", "handshake-timeout" };
	size_t i;

	for (i = 0; i < sizeof(moot) / sizeof(moot[0]); i++)
		if (strncmp(name, moot[i], strlen(moot[i])) == 0)
			return 1;
	return 0;
}

static int
parser_check_option(const struct parser *parser, const char *text)
{
	struct settings_guard guard = { 0 };
	const struct settings_list *list;
	int status = 0;
	size_t len = strcspn(text, "=");
	char name[64], why[256];

	if (text[len] == '\0' || len == 0 || len >= sizeof(name))
		return parser_fail(parser,
		    "'%s' is not OPTION=VALUE: write set idle-timeout=30s, "
		    "say",
		    text);
	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	if (parser_is_moot(name))
		return parser_fail(parser,
		    "conversations have neither TLS nor limits of connections: "
		    "%s would do nothing",
		    name);
	list = settings_list_find(name);
	if (list == NULL && settings_guard_find(name) == NULL)
		return parser_no_option(parser, name);
	if (list == NULL)
		status = settings_guard_set(
		    &guard, name, text + len + 1, why, sizeof(why));
	else if (list->check != NULL)
		status = list->check(text + len + 1, why, sizeof(why));
	if (status == 0)
		return 0;
	return parser_fail(parser, "%s: '%s'%s %s", name, text + len + 1,
	    strncmp(why, "is ", 3) == 0 ? "" : ":", why);
}

static int
parser_set(struct parser *parser, const char *rest)
{
	if (parser_check_option(parser, rest) < 0)
		return -1;
	return parser_append(parser, &parser->script->options,
	    &parser->script->option_count, "set", rest);
}

static int
parser_eol(struct parser *parser, const char *rest)
{
	if (strcmp(rest, "lf") == 0)
		parser->script->eol = "\n";
	else if (strcmp(rest, "crlf") == 0)
		parser->script->eol = "\r\n";
	else
		return parser_fail(
		    parser, "'%s' ends no line: eol is lf or crlf", rest);
	return 0;
}

static int
parser_off(const struct parser *parser, const char *word, const char *rest,
    int *is_off)
{
	if (strcmp(rest, "off") != 0)
		return parser_fail(
		    parser, "'%s': %s can be off, or not be there", rest, word);
	*is_off = 1;
	return 0;
}

static int
parser_half_close(struct parser *parser, const char *rest)
{
	return parser_off(
	    parser, "half-close", rest, &parser->script->no_half_close);
}

static int
parser_split(struct parser *parser, const char *rest)
{
	return parser_off(parser, "split", rest, &parser->script->no_split);
}

static int
parser_pipelining(struct parser *parser, const char *rest)
{
	return parser_off(
	    parser, "pipelining", rest, &parser->script->no_pipelining);
}

static int
parser_apology(struct parser *parser, const char *rest)
{
	if (parser->script->apology != NULL)
		return parser_fail(parser, "there is a without-memory already");
	if (*rest != '<')
		return parser_fail(parser,
		    "without-memory needs what may come then: without-memory "
		    "< sorry, say");
	parser->script->apology = calloc(1, sizeof(struct script_step));
	return parser->script->apology != NULL
		   ? parser_expectation(
			 parser, parser->script->apology, rest + 1)
		   : parser_no_memory(parser);
}

static int
parser_wait(struct parser *parser, const char *rest)
{
	static const struct bevhost_param wait = { .name = "wait",
		.type = BEVHOST_PARAM_DURATION,
		.min = 1,
		.max = SCRIPT_WAIT_MAX_MS };
	struct script_step *step = parser_add(parser, SCRIPT_WAIT, -1);
	char why[128];

	if (step == NULL)
		return parser_no_memory(parser);
	if (*rest == '\0')
		return parser_fail(parser, "wait needs a time: wait 5s, say");
	if (param_parse(&wait, rest, &step->number, why, sizeof(why)) == 0)
		return 0;
	return parser_fail(parser, "wait: '%s' %s", rest, why);
}

static int
parser_reason(struct parser *parser, int who, const char *text,
    enum bevhost_reason *found)
{
	struct near near = { .word = text };
	char hint[96];
	int reason;

	*found = BEVHOST_REASON_NONE;
	if (*text == '\0')
		return 0;
	if (parser->ends[who].outbound)
		return parser_fail(parser,
		    "'%s' is a server: reasons are for clients, closed alone "
		    "is right",
		    parser->script->names[who]);
	for (reason = BEVHOST_REASON_PEER; reason <= BEVHOST_REASON_LIFETIME;
	     reason++) {
		const char *name = reason_name((enum bevhost_reason)reason);

		if (strcmp(name, text) == 0) {
			*found = (enum bevhost_reason)reason;
			return 0;
		}
		near_offer(&near, name);
	}
	return parser_fail(parser, "'%s' is no reason to close%s", text,
	    *near_text(&near, hint, sizeof(hint)) != '\0'
		? hint
		: ", and nobody here: bevhost(8) lists "
		  "the reasons");
}

/* closed [WHO] [REASON]: a name that is known is who. */
static int
parser_closed(struct parser *parser, const char *rest)
{
	size_t len = strcspn(rest, " ");
	int who = parser_find(parser->script, rest, len);
	enum bevhost_reason reason;
	struct script_step *step;

	if (who >= 0 && len > 0) {
		rest += len;
		rest += *rest == ' ';
	} else {
		who = parser_who(parser, "", 0);
	}
	if (who < 0 || parser_reason(parser, who, rest, &reason) < 0 ||
	    parser_may(parser, SCRIPT_CLOSED, who) < 0)
		return -1;
	step = parser_add(parser, SCRIPT_CLOSED, who);
	if (step == NULL)
		return parser_no_memory(parser);
	step->reason = reason;
	return 0;
}

/* The next outbound connection gets a name that nobody has. */
static int
parser_accept(struct parser *parser, const char *rest)
{
	int who;

	if (*rest == '\0')
		return parser_fail(parser,
		    "accept wants a name for the far end, as in 'accept far'");
	if (parser_find(parser->script, rest, strlen(rest)) >= 0)
		return parser_fail(parser,
		    "somebody is '%s' already: accept gives a new name", rest);
	if (parser_check_name(parser, rest, strlen(rest)) < 0)
		return -1;
	who = parser_add_name(parser, rest, strlen(rest));
	if (who >= 0)
		parser->ends[who].outbound = 1;
	return who < 0 ? -1 : parser_add_plain(parser, SCRIPT_ACCEPT, who);
}

static int
parser_none(struct parser *parser, enum script_kind kind, const char *word,
    const char *rest)
{
	if (*rest != '\0')
		return parser_fail(
		    parser, "%s stands alone, not before '%s'", word, rest);
	return parser_add_plain(parser, kind, -1);
}

static int
parser_by(struct parser *parser, enum script_kind kind, const char *rest)
{
	int who = parser_who(parser, rest, strlen(rest));

	if (who < 0 || parser_may(parser, kind, who) < 0)
		return -1;
	return parser_add_plain(parser, kind, who);
}

static const struct parser_word {
	const char *word;
	int (*parse)(struct parser *parser, const char *rest);
	enum script_kind kind; /* without parse */
	int alone;	       /* concerns nobody */
} parser_words[] = {
	{ "with", parser_with, SCRIPT_SEND, 0 },
	{ "set", parser_set, SCRIPT_SEND, 0 },
	{ "eol", parser_eol, SCRIPT_SEND, 0 },
	{ "half-close", parser_half_close, SCRIPT_SEND, 0 },
	{ "split", parser_split, SCRIPT_SEND, 0 },
	{ "pipelining", parser_pipelining, SCRIPT_SEND, 0 },
	{ "without-memory", parser_apology, SCRIPT_SEND, 0 },
	{ "wait", parser_wait, SCRIPT_WAIT, 0 },
	{ "closed", parser_closed, SCRIPT_CLOSED, 0 },
	{ "accept", parser_accept, SCRIPT_ACCEPT, 0 },
	{ "silent", NULL, SCRIPT_SILENT, 0 },
	{ "end", NULL, SCRIPT_END, 0 },
	{ "close", NULL, SCRIPT_CLOSE, 0 },
	{ "reset", NULL, SCRIPT_RESET, 0 },
	{ "stall", NULL, SCRIPT_STALL, 0 },
	{ "resume", NULL, SCRIPT_RESUME, 0 },
	{ "drain", NULL, SCRIPT_DRAIN, 1 },
	{ "refuse", NULL, SCRIPT_REFUSE, 1 },
	{ NULL, NULL, SCRIPT_SEND, 0 },
};

/* What may have been meant. */
static int
parser_unknown(
    struct parser *parser, const char *line, size_t len, const char *rest)
{
	const struct parser_word *word = parser_words;
	char text[64], hint[96];
	struct near near = { .word = text };

	if (*rest == '>' || *rest == '<')
		return parser_fail(parser,
		    "no blank may stand between '%.*s' and %c", (int)len, line,
		    *rest);
	snprintf(text, sizeof(text), "%.*s", (int)len, line);
	for (; word->word != NULL; word++)
		near_offer(&near, word->word);
	near_text(&near, hint, sizeof(hint));
	return parser_fail(parser, "'%s' is no word%s", text,
	    *hint != '\0'
		? hint
		: ": a line begins with > or <, with a name and one of them, "
		  "or with a word such as wait, end or closed");
}

int
parser_word(struct parser *parser, const char *line)
{
	const struct parser_word *word = parser_words;
	size_t len = strcspn(line, " ");
	const char *rest = line + len;

	rest += strspn(rest, " ");
	for (; word->word != NULL; word++)
		if (strlen(word->word) == len &&
		    memcmp(word->word, line, len) == 0)
			break;
	if (word->word == NULL)
		return parser_unknown(parser, line, len, rest);
	if (word->parse != NULL)
		return word->parse(parser, rest);
	return word->alone ? parser_none(parser, word->kind, word->word, rest)
			   : parser_by(parser, word->kind, rest);
}
