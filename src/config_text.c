/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration file is checked here as far as its syntax goes, so that each
 * error has its line, and rewritten: libConfuse has no semicolons, counts a
 * line too many for some comments, takes a string that nobody closes, keeps
 * one of two sections with the same title, and knows no lines of free names.
 * What it gets has the same lines, each word in double quotes, and no comment;
 * a section `tls` is gone, and its `cert` is tls-cert.
 */
#include "config_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"
#include "settings_edit.h"

#define CONFIG_TEXT_DEPTH    4	/* of sections, more than there are */
#define CONFIG_TEXT_NAME_MAX 64 /* of what may be an option in `tls` */

/* In `tls`, but not with "tls-" before it outside. */
#define CONFIG_TEXT_TLS_OWN "handshake-timeout"

/* What may come next. */
enum config_text_state {
	STATE_NAME,
	STATE_AFTER_NAME, /* = { ( or a title */
	STATE_AFTER_TITLE,
	STATE_VALUE, /* one, or a list */
	STATE_ITEM,  /* of a list */
	STATE_AFTER_ITEM,
	STATE_ARGUMENT,
	STATE_AFTER_ARGUMENT
};

/* Where in the grammar it is. */
struct config_syntax {
	struct config_scan scan;
	enum config_text_state state;
	struct config_token name;    /* the last one */
	int open[CONFIG_TEXT_DEPTH]; /* lines of open braces */
	int depth;
	int with; /* the depth within a `with`, or 0 */
	int tls;  /* likewise */
};

static int
config_text_is_text(const struct config_token *token)
{
	return token->kind == TOKEN_WORD || token->kind == '"' ||
	       token->kind == '\'';
}

/* As it was in the file, but short. */
static const char *
config_text_show(const struct config_token *token, char *buf, size_t size)
{
	if (token->kind == TOKEN_END)
		snprintf(buf, size, "the end of the file");
	else
		snprintf(buf, size, "'%.*s'",
		    (int)(token->len < size - 8 ? token->len : size - 8),
		    token->start);
	return buf;
}

static int
config_text_unexpected(
    struct config_syntax *syntax, const struct config_token *token)
{
	static const char *const wanted[] = {
		[STATE_NAME] = "an option's name",
		[STATE_AFTER_NAME] = "'='",
		[STATE_AFTER_TITLE] = "'{'",
		[STATE_VALUE] = "a value",
		[STATE_ITEM] = "a value or '}'",
		[STATE_AFTER_ITEM] = "',' or '}'",
		[STATE_ARGUMENT] = "a pattern",
		[STATE_AFTER_ARGUMENT] = "')'",
	};
	char found[48], name[48];

	config_text_show(token, found, sizeof(found));
	if (syntax->state == STATE_NAME)
		return config_scan_fail(&syntax->scan, syntax->scan.line,
		    "there is %s where %s should be", found,
		    wanted[syntax->state]);
	return config_scan_fail(&syntax->scan, syntax->scan.line,
	    "there is %s where %s should be, after %s", found,
	    wanted[syntax->state],
	    config_text_show(&syntax->name, name, sizeof(name)));
}

/* In double quotes; a string keeps its own. mark begins it. */
static void
config_text_put_text(struct config_syntax *syntax,
    const struct config_token *token, const char *mark)
{
	const char *at = token->start, *end = token->start + token->len;

	if (token->kind != TOKEN_WORD) {
		config_scan_put(&syntax->scan, at, 1);
		config_scan_put(&syntax->scan, mark, strlen(mark));
		config_scan_put(&syntax->scan, at + 1, token->len - 1);
		return;
	}
	config_scan_put(&syntax->scan, "\"", 1);
	config_scan_put(&syntax->scan, mark, strlen(mark));
	for (; at < end; at++) {
		if (*at == '\\')
			config_scan_put(&syntax->scan, "\\", 1);
		config_scan_put(&syntax->scan, at, 1);
	}
	config_scan_put(&syntax->scan, "\"", 1);
}

static void
config_text_put_marked(
    struct config_syntax *syntax, const struct config_token *token, int line)
{
	char mark[32];

	snprintf(
	    mark, sizeof(mark), "%d.%u/", line, syntax->scan.text->serial++);
	config_text_put_text(syntax, token, mark);
}

const char *
config_text_unmark(const char *marked, int *line)
{
	*line = atoi(marked);
	marked = strchr(marked, '/');
	return marked != NULL ? marked + 1 : "";
}

/* What an option may be called: a key of the command line, too. */
static int
config_text_is_name(const struct config_token *token)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789-_.";
	size_t i;

	if (token->kind != TOKEN_WORD ||
	    memchr(letters, token->start[0], 52) == NULL)
		return 0;
	for (i = 0; i < token->len; i++)
		if (strchr(letters, token->start[i]) == NULL)
			return 0;
	return 1;
}

void
config_text_clear(struct config_text *text)
{
	free(text->bytes);
	text->bytes = NULL;
	text->len = text->size = 0;
}

/* A brace follows the name. */
static int
config_text_begins_section(const struct config_syntax *syntax)
{
	struct config_syntax ahead = *syntax;
	struct config_text none = { .bytes = NULL };
	struct config_token token;
	int kind;

	ahead.scan.text = &none;
	kind = config_scan_next(&ahead.scan, &token);
	config_text_clear(&none);
	return kind == '{';
}

static int
config_text_begins_tls(const struct config_syntax *syntax)
{
	return !syntax->tls && syntax->name.len == 3 &&
	       memcmp(syntax->name.start, "tls", 3) == 0 &&
	       config_text_begins_section(syntax);
}

static int
config_text_too_deep(struct config_syntax *syntax)
{
	return config_scan_fail(&syntax->scan, syntax->scan.line,
	    "there is no section within this one");
}

/* Its brace is taken, and comes to an option that nobody can write. */
static int
config_text_open_tls(struct config_syntax *syntax)
{
	struct config_token brace;

	if (config_scan_next(&syntax->scan, &brace) < 0)
		return TOKEN_ERROR;
	if (syntax->depth == CONFIG_TEXT_DEPTH)
		return config_text_too_deep(syntax);
	syntax->open[syntax->depth++] = syntax->scan.line;
	syntax->tls = syntax->depth;
	syntax->state = STATE_NAME;
	config_scan_put(&syntax->scan, CONFIG_TEXT_TLS " = 1 ",
	    sizeof(CONFIG_TEXT_TLS " = 1 ") - 1);
	return 0;
}

static int
config_text_is_option(const char *name)
{
	return settings_has(name) || settings_guard_find(name) != NULL ||
	       settings_list_find(name) != NULL;
}

/* What may stand in a `tls` section, without its "tls-". */
static void
config_text_offer_tls(struct near *near)
{
	const struct bevhost_param *param = settings_guard_next(NULL);
	const struct settings_list *list = settings_lists;

	for (; param != NULL; param = settings_guard_next(param))
		if (strncmp(param->name, "tls-", 4) == 0)
			near_offer(near, param->name + 4);
	for (; list->name != NULL; list++)
		if (strncmp(list->name, "tls-", 4) == 0)
			near_offer(near, list->name + 4);
	near_offer(near, CONFIG_TEXT_TLS_OWN);
}

static int
config_text_unknown_in_tls(struct config_syntax *syntax, const char *name)
{
	struct near near = { .word = name };
	char hint[96];

	if (config_text_begins_section(syntax))
		return config_text_too_deep(syntax);
	if (strncmp(name, "tls-", 4) == 0 && config_text_is_option(name))
		return config_scan_fail(&syntax->scan, syntax->scan.line,
		    "within tls { }, %s is written %s", name, name + 4);
	if (config_text_is_option(name))
		return config_scan_fail(&syntax->scan, syntax->scan.line,
		    "%s is no option of tls: write it outside of tls { }",
		    name);
	config_text_offer_tls(&near);
	return config_scan_fail(&syntax->scan, syntax->scan.line,
	    "unknown option '%s' in tls%s", name,
	    near_text(&near, hint, sizeof(hint)));
}

/* Some of the `tls` section's names are those of options as they are. */
static int
config_text_put_name(
    struct config_syntax *syntax, const struct config_token *token)
{
	char name[CONFIG_TEXT_NAME_MAX] = "tls-";

	if (syntax->tls) {
		snprintf(name + 4, sizeof(name) - 4, "%.*s",
		    (int)(token->len < sizeof(name) ? token->len
						    : sizeof(name)),
		    token->start);
		if (strcmp(name + 4, CONFIG_TEXT_TLS_OWN) == 0)
			memmove(name, name + 4, strlen(name + 4) + 1);
		else if (!config_text_is_option(name))
			return config_text_unknown_in_tls(syntax, name + 4);
		config_scan_put(&syntax->scan, name, strlen(name));
	} else {
		config_scan_put(&syntax->scan, token->start, token->len);
	}
	return 0;
}

static int
config_text_name(struct config_syntax *syntax, const struct config_token *token)
{
	char shown[48];

	if (!config_text_is_name(token))
		return config_scan_fail(&syntax->scan, syntax->scan.line,
		    "%s is no name of an option (a text of several words "
		    "stands in quotes)",
		    config_text_show(token, shown, sizeof(shown)));
	syntax->name = *token;
	if (syntax->with)
		config_text_put_marked(syntax, token, syntax->scan.line);
	else if (config_text_begins_tls(syntax))
		return config_text_open_tls(syntax);
	else if (config_text_put_name(syntax, token) < 0)
		return TOKEN_ERROR;
	syntax->state = STATE_AFTER_NAME;
	return 0;
}

static int
config_text_open(struct config_syntax *syntax)
{
	if (syntax->depth == CONFIG_TEXT_DEPTH || syntax->with || syntax->tls)
		return config_text_too_deep(syntax);
	syntax->open[syntax->depth++] = syntax->scan.line;
	if (syntax->state == STATE_AFTER_NAME && syntax->name.len == 4 &&
	    memcmp(syntax->name.start, "with", 4) == 0)
		syntax->with = syntax->depth;
	config_scan_put(&syntax->scan, "{", 1);
	syntax->state = STATE_NAME;
	return 0;
}

static int
config_text_close(struct config_syntax *syntax)
{
	if (syntax->depth == 0)
		return config_scan_fail(&syntax->scan, syntax->scan.line,
		    "this '}' closes nothing");
	syntax->depth--;
	syntax->with = 0;
	if (!syntax->tls)
		config_scan_put(&syntax->scan, "}", 1);
	syntax->tls = 0;
	return 0;
}

/* "10%, 30s" needs no quotes: what commas join on a line is one value. */
static int
config_text_value(
    struct config_syntax *syntax, const struct config_token *first)
{
	struct config_token token = *first, part = *first;
	const char *at;

	for (;;) {
		at = syntax->scan.at;
		if (token.kind != TOKEN_WORD)
			break;
		at += strspn(at, " \t");
		if (at >= syntax->scan.end || *at != ',')
			break;
		at++;
		at += strspn(at, " \t");
		syntax->scan.at = at;
		if (config_scan_word(&syntax->scan, &part) < 0)
			return TOKEN_ERROR;
		if (part.len == 0)
			return config_scan_fail(&syntax->scan,
			    syntax->scan.line,
			    "there is nothing after the ',' of this value");
		token.len = (size_t)(syntax->scan.at - token.start);
	}
	config_text_put_text(syntax, &token, "");
	syntax->state = STATE_NAME;
	return 0;
}

static int
config_text_punctuation(
    struct config_syntax *syntax, int kind, enum config_text_state next)
{
	char byte = (char)kind;

	config_scan_put(&syntax->scan, &byte, 1);
	syntax->state = next;
	return 0;
}

static int
config_text_item(struct config_syntax *syntax, const struct config_token *token,
    enum config_text_state next)
{
	config_text_put_text(syntax, token, "");
	syntax->state = next;
	return 0;
}

static int
config_text_after_name(
    struct config_syntax *syntax, const struct config_token *token)
{
	if (token->kind == '=')
		return config_text_punctuation(syntax, '=', STATE_VALUE);
	if (token->kind == '(' && !syntax->with)
		return config_text_punctuation(syntax, '(', STATE_ARGUMENT);
	if (token->kind == '{' && !syntax->with)
		return config_text_open(syntax);
	if (!config_text_is_text(token) || syntax->with)
		return config_text_unexpected(syntax, token);
	config_text_put_marked(syntax, token, syntax->scan.line);
	syntax->state = STATE_AFTER_TITLE;
	return 0;
}

static int
config_text_take(struct config_syntax *syntax, const struct config_token *token)
{
	int text = config_text_is_text(token);

	switch (syntax->state) {
	case STATE_NAME:
		if (token->kind == ';')
			return 0;
		if (token->kind == '}')
			return config_text_close(syntax);
		if (text)
			return config_text_name(syntax, token);
		break;
	case STATE_AFTER_NAME:
		return config_text_after_name(syntax, token);
	case STATE_AFTER_TITLE:
		if (token->kind == '{')
			return config_text_open(syntax);
		break;
	case STATE_VALUE:
		if (text)
			return config_text_value(syntax, token);
		if (token->kind == '{' && !syntax->with)
			return config_text_punctuation(syntax, '{', STATE_ITEM);
		break;
	case STATE_ITEM:
		if (text)
			return config_text_item(
			    syntax, token, STATE_AFTER_ITEM);
		if (token->kind == '}')
			return config_text_punctuation(syntax, '}', STATE_NAME);
		break;
	case STATE_AFTER_ITEM:
		if (token->kind == ',')
			return config_text_punctuation(syntax, ',', STATE_ITEM);
		if (token->kind == '}')
			return config_text_punctuation(syntax, '}', STATE_NAME);
		break;
	case STATE_ARGUMENT:
		if (text)
			return config_text_item(
			    syntax, token, STATE_AFTER_ARGUMENT);
		break;
	case STATE_AFTER_ARGUMENT:
		if (token->kind == ')')
			return config_text_punctuation(syntax, ')', STATE_NAME);
		break;
	}
	return config_text_unexpected(syntax, token);
}

int
config_text_add(
    struct config_text *text, const char *path, const char *in, size_t len)
{
	struct config_syntax syntax = {
		.scan = { .text = text, .path = path, .at = in, .line = 1 },
	};
	struct config_token token;

	syntax.scan.end = in + len;
	while (!syntax.scan.failed &&
	       config_scan_next(&syntax.scan, &token) > TOKEN_END)
		config_text_take(&syntax, &token);
	if (syntax.scan.failed)
		return -1;
	if (syntax.state != STATE_NAME)
		return config_text_unexpected(&syntax, &token);
	if (syntax.depth > 0)
		return config_scan_fail(&syntax.scan,
		    syntax.open[syntax.depth - 1], "this '{' is never closed");
	return 0;
}
