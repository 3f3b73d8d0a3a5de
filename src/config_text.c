/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration file is checked here as far as its syntax goes, so that each
 * error has its line, and rewritten: libConfuse has no semicolons, counts a
 * line too many for some comments, takes a string that nobody closes, keeps
 * one of two sections with the same title, and knows no lines of free names.
 * What it gets has the same lines, each word in double quotes, and no comment.
 */
#include "config_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define CONFIG_TEXT_DEPTH 4 /* of sections, more than there are */

/* Words and the two kinds of strings; others are their own character. */
enum { TOKEN_END = 0, TOKEN_WORD = 'w', TOKEN_ERROR = -1 };

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

struct config_token {
	int kind;
	const char *start;
	size_t len;
};

struct config_scan {
	struct config_text *text;
	const char *path, *at, *end;
	int line;
	enum config_text_state state;
	struct config_token name;    /* the last one */
	int open[CONFIG_TEXT_DEPTH]; /* lines of open braces */
	int depth;
	int with; /* the depth within a `with`, or 0 */
	int list; /* the line of an open list */
	int failed;
};

static int config_text_fail(struct config_scan *scan, int line,
    const char *format, ...) BEVHOST_PRINTF(3, 4);

static int
config_text_fail(struct config_scan *scan, int line, const char *format, ...)
{
	char why[512];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	log_write(BEVHOST_LOG_ERROR, NULL, "%s:%d: %s", scan->path, line, why);
	scan->failed = 1;
	return TOKEN_ERROR;
}

static void
config_text_put(struct config_scan *scan, const char *bytes, size_t len)
{
	struct config_text *text = scan->text;
	size_t size = text->size ? text->size : 4096;
	char *grown;

	if (scan->failed)
		return;
	while (size - text->len < len)
		size *= 2;
	if (size != text->size) {
		grown = realloc(text->bytes, size);
		if (grown == NULL) {
			config_text_fail(
			    scan, scan->line, "%s", strerror(ENOMEM));
			return;
		}
		text->bytes = grown;
		text->size = size;
	}
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

/* What can be compared with a character, '\0' at the end. */
static char
config_text_peek(const struct config_scan *scan, size_t ahead)
{
	return (size_t)(scan->end - scan->at) > ahead ? scan->at[ahead] : '\0';
}

static void
config_text_newline(struct config_scan *scan)
{
	config_text_put(scan, "\n", 1);
	scan->line++;
}

static void
config_text_skip_line(struct config_scan *scan)
{
	while (scan->at < scan->end && *scan->at != '\n')
		scan->at++;
}

static int
config_text_skip_comment(struct config_scan *scan)
{
	int line = scan->line;

	for (scan->at += 2; scan->at < scan->end; scan->at++) {
		if (scan->at[0] == '*' && config_text_peek(scan, 1) == '/') {
			scan->at += 2;
			return 0;
		}
		if (scan->at[0] == '\n')
			config_text_newline(scan);
	}
	return config_text_fail(scan, line, "this comment is never closed");
}

/* To the next token. */
static int
config_text_skip(struct config_scan *scan)
{
	for (; scan->at < scan->end; scan->at++) {
		char next = config_text_peek(scan, 1);

		if (*scan->at == '#' || (*scan->at == '/' && next == '/'))
			config_text_skip_line(scan);
		if (*scan->at == '/' && next == '*') {
			if (config_text_skip_comment(scan) < 0)
				return TOKEN_ERROR;
			scan->at--; /* the loop's step */
			continue;
		}
		if (scan->at == scan->end)
			break;
		if (*scan->at == '\n')
			config_text_newline(scan);
		else if (strchr(" \t\r", *scan->at) == NULL)
			break;
	}
	config_text_put(scan, " ", 1);
	return 0;
}

/* ${NAME} and ${NAME:-DEFAULT}, which libConfuse replaces. */
static int
config_text_variable(struct config_scan *scan)
{
	const char *at = scan->at + 2;

	while (at < scan->end && strchr("}\"\n", *at) == NULL)
		at++;
	if (at == scan->end || *at != '}')
		return config_text_fail(scan, scan->line,
		    "'${' is never closed (in a string, '\\${' is no "
		    "variable)");
	scan->at = at + 1;
	return 0;
}

/* \0, \000 or \x0 would end the text. */
static int
config_text_is_nul(const struct config_scan *scan)
{
	const char *at = scan->at + 1, *digits = "01234567";
	size_t max = 3, len;

	if (*at == 'x') {
		at++;
		digits = "0123456789abcdefABCDEF";
		max = 2;
	}
	len = strspn(at, digits);
	if (len > max)
		len = max;
	return len > 0 && strspn(at, "0") >= len;
}

/* A string with its quotes, of either kind. */
static int
config_text_string(struct config_scan *scan, struct config_token *token)
{
	int line = scan->line;
	char quote = *scan->at;

	token->start = scan->at++;
	while (scan->at < scan->end && *scan->at != quote) {
		if (quote == '"' && scan->at[0] == '$' &&
		    config_text_peek(scan, 1) == '{') {
			if (config_text_variable(scan) < 0)
				return TOKEN_ERROR;
			continue;
		}
		if (*scan->at == '\\' && quote == '"' &&
		    config_text_is_nul(scan))
			return config_text_fail(
			    scan, scan->line, "a text cannot have a NUL byte");
		if (*scan->at == '\\' && scan->at + 1 < scan->end)
			scan->at++;
		scan->line += *scan->at == '\n';
		scan->at++;
	}
	if (scan->at == scan->end)
		return config_text_fail(
		    scan, line, "this string is never closed");
	scan->at++;
	token->len = (size_t)(scan->at - token->start);
	return token->kind = quote;
}

static int
config_text_word(struct config_scan *scan, struct config_token *token)
{
	token->start = scan->at;
	while (scan->at < scan->end &&
	       strchr("\"'{}()=,;# \t\r\n", *scan->at) == NULL) {
		if ((unsigned char)*scan->at < ' ' || *scan->at == 0x7f)
			return config_text_fail(scan, scan->line,
			    "there is a byte 0x%02x outside of a string",
			    (unsigned char)*scan->at);
		if (scan->at[0] != '$' || config_text_peek(scan, 1) != '{')
			scan->at++;
		else if (config_text_variable(scan) < 0)
			return TOKEN_ERROR;
	}
	token->len = (size_t)(scan->at - token->start);
	return token->kind = TOKEN_WORD;
}

static int
config_text_next(struct config_scan *scan, struct config_token *token)
{
	token->kind = TOKEN_ERROR;
	if (config_text_skip(scan) < 0)
		return TOKEN_ERROR;
	token->start = scan->at;
	token->len = 0;
	if (scan->at == scan->end)
		return token->kind = TOKEN_END;
	if (*scan->at == '"' || *scan->at == '\'')
		return config_text_string(scan, token);
	if (strchr("{}()=,;", *scan->at) == NULL)
		return config_text_word(scan, token);
	token->len = 1;
	return token->kind = *scan->at++;
}

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
    struct config_scan *scan, const struct config_token *token)
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
	if (scan->state == STATE_NAME)
		return config_text_fail(scan, scan->line,
		    "there is %s where %s should be", found,
		    wanted[scan->state]);
	return config_text_fail(scan, scan->line,
	    "there is %s where %s should be, after %s", found,
	    wanted[scan->state],
	    config_text_show(&scan->name, name, sizeof(name)));
}

/* In double quotes; a string keeps its own. mark begins it. */
static void
config_text_put_text(struct config_scan *scan, const struct config_token *token,
    const char *mark)
{
	const char *at = token->start, *end = token->start + token->len;

	if (token->kind != TOKEN_WORD) {
		config_text_put(scan, at, 1);
		config_text_put(scan, mark, strlen(mark));
		config_text_put(scan, at + 1, token->len - 1);
		return;
	}
	config_text_put(scan, "\"", 1);
	config_text_put(scan, mark, strlen(mark));
	for (; at < end; at++) {
		if (*at == '\\')
			config_text_put(scan, "\\", 1);
		config_text_put(scan, at, 1);
	}
	config_text_put(scan, "\"", 1);
}

static void
config_text_put_marked(
    struct config_scan *scan, const struct config_token *token, int line)
{
	char mark[32];

	snprintf(mark, sizeof(mark), "%d.%u/", line, scan->text->serial++);
	config_text_put_text(scan, token, mark);
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

static int
config_text_name(struct config_scan *scan, const struct config_token *token)
{
	char shown[48];

	if (!config_text_is_name(token))
		return config_text_fail(scan, scan->line,
		    "%s is no name of an option (a text of several words "
		    "stands in quotes)",
		    config_text_show(token, shown, sizeof(shown)));
	scan->name = *token;
	if (scan->with)
		config_text_put_marked(scan, token, scan->line);
	else
		config_text_put(scan, token->start, token->len);
	scan->state = STATE_AFTER_NAME;
	return 0;
}

static int
config_text_open(struct config_scan *scan)
{
	if (scan->depth == CONFIG_TEXT_DEPTH || scan->with)
		return config_text_fail(
		    scan, scan->line, "there is no section within this one");
	scan->open[scan->depth++] = scan->line;
	if (scan->state == STATE_AFTER_NAME && scan->name.len == 4 &&
	    memcmp(scan->name.start, "with", 4) == 0)
		scan->with = scan->depth;
	config_text_put(scan, "{", 1);
	scan->state = STATE_NAME;
	return 0;
}

static int
config_text_close(struct config_scan *scan)
{
	if (scan->depth == 0)
		return config_text_fail(
		    scan, scan->line, "this '}' closes nothing");
	scan->depth--;
	scan->with = 0;
	config_text_put(scan, "}", 1);
	return 0;
}

/* "10%, 30s" needs no quotes: what commas join on a line is one value. */
static int
config_text_value(struct config_scan *scan, const struct config_token *first)
{
	struct config_token token = *first, part = *first;
	const char *at;

	for (;;) {
		at = scan->at;
		if (token.kind != TOKEN_WORD)
			break;
		at += strspn(at, " \t");
		if (at >= scan->end || *at != ',')
			break;
		at++;
		at += strspn(at, " \t");
		scan->at = at;
		if (config_text_word(scan, &part) < 0)
			return TOKEN_ERROR;
		if (part.len == 0)
			return config_text_fail(scan, scan->line,
			    "there is nothing after the ',' of this value");
		token.len = (size_t)(scan->at - token.start);
	}
	config_text_put_text(scan, &token, "");
	scan->state = STATE_NAME;
	return 0;
}

static int
config_text_punctuation(
    struct config_scan *scan, int kind, enum config_text_state next)
{
	char byte = (char)kind;

	config_text_put(scan, &byte, 1);
	scan->state = next;
	return 0;
}

static int
config_text_item(struct config_scan *scan, const struct config_token *token,
    enum config_text_state next)
{
	config_text_put_text(scan, token, "");
	scan->state = next;
	return 0;
}

static int
config_text_after_name(
    struct config_scan *scan, const struct config_token *token)
{
	if (token->kind == '=')
		return config_text_punctuation(scan, '=', STATE_VALUE);
	if (token->kind == '(' && !scan->with)
		return config_text_punctuation(scan, '(', STATE_ARGUMENT);
	if (token->kind == '{' && !scan->with)
		return config_text_open(scan);
	if (!config_text_is_text(token) || scan->with)
		return config_text_unexpected(scan, token);
	config_text_put_marked(scan, token, scan->line);
	scan->state = STATE_AFTER_TITLE;
	return 0;
}

static int
config_text_take(struct config_scan *scan, const struct config_token *token)
{
	int text = config_text_is_text(token);

	switch (scan->state) {
	case STATE_NAME:
		if (token->kind == ';')
			return 0;
		if (token->kind == '}')
			return config_text_close(scan);
		if (text)
			return config_text_name(scan, token);
		break;
	case STATE_AFTER_NAME:
		return config_text_after_name(scan, token);
	case STATE_AFTER_TITLE:
		if (token->kind == '{')
			return config_text_open(scan);
		break;
	case STATE_VALUE:
		if (text)
			return config_text_value(scan, token);
		if (token->kind == '{' && !scan->with)
			return config_text_punctuation(scan, '{', STATE_ITEM);
		break;
	case STATE_ITEM:
		if (text)
			return config_text_item(scan, token, STATE_AFTER_ITEM);
		if (token->kind == '}')
			return config_text_punctuation(scan, '}', STATE_NAME);
		break;
	case STATE_AFTER_ITEM:
		if (token->kind == ',')
			return config_text_punctuation(scan, ',', STATE_ITEM);
		if (token->kind == '}')
			return config_text_punctuation(scan, '}', STATE_NAME);
		break;
	case STATE_ARGUMENT:
		if (text)
			return config_text_item(
			    scan, token, STATE_AFTER_ARGUMENT);
		break;
	case STATE_AFTER_ARGUMENT:
		if (token->kind == ')')
			return config_text_punctuation(scan, ')', STATE_NAME);
		break;
	}
	return config_text_unexpected(scan, token);
}

int
config_text_add(
    struct config_text *text, const char *path, const char *in, size_t len)
{
	struct config_scan scan = {
		.text = text, .path = path, .at = in, .end = in + len, .line = 1
	};
	struct config_token token;

	while (!scan.failed && config_text_next(&scan, &token) > TOKEN_END)
		config_text_take(&scan, &token);
	if (scan.failed)
		return -1;
	if (scan.state != STATE_NAME)
		return config_text_unexpected(&scan, &token);
	if (scan.depth > 0)
		return config_text_fail(&scan, scan.open[scan.depth - 1],
		    "this '{' is never closed");
	return 0;
}

void
config_text_clear(struct config_text *text)
{
	free(text->bytes);
	text->bytes = NULL;
	text->len = text->size = 0;
}
