/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration file in tokens: comments and blanks, words, and strings that
 * libConfuse will see as the same strings.
 */
#include "config_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

int
config_scan_fail(struct config_scan *scan, int line, const char *format, ...)
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

void
config_scan_put(struct config_scan *scan, const char *bytes, size_t len)
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
			config_scan_fail(
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
config_scan_peek(const struct config_scan *scan, size_t ahead)
{
	return (size_t)(scan->end - scan->at) > ahead ? scan->at[ahead] : '\0';
}

static void
config_scan_newline(struct config_scan *scan)
{
	config_scan_put(scan, "\n", 1);
	scan->line++;
}

static void
config_scan_skip_line(struct config_scan *scan)
{
	while (scan->at < scan->end && *scan->at != '\n')
		scan->at++;
}

static int
config_scan_skip_comment(struct config_scan *scan)
{
	int line = scan->line;

	for (scan->at += 2; scan->at < scan->end; scan->at++) {
		if (scan->at[0] == '*' && config_scan_peek(scan, 1) == '/') {
			scan->at += 2;
			return 0;
		}
		if (scan->at[0] == '\n')
			config_scan_newline(scan);
	}
	return config_scan_fail(scan, line, "this comment is never closed");
}

/* To the next token. */
static int
config_scan_skip(struct config_scan *scan)
{
	for (; scan->at < scan->end; scan->at++) {
		char next = config_scan_peek(scan, 1);

		if (*scan->at == '#' || (*scan->at == '/' && next == '/'))
			config_scan_skip_line(scan);
		if (*scan->at == '/' && next == '*') {
			if (config_scan_skip_comment(scan) < 0)
				return TOKEN_ERROR;
			scan->at--; /* the loop's step */
			continue;
		}
		if (scan->at == scan->end)
			break;
		if (*scan->at == '\n')
			config_scan_newline(scan);
		else if (strchr(" \t\r", *scan->at) == NULL)
			break;
	}
	config_scan_put(scan, " ", 1);
	return 0;
}

/* ${NAME} and ${NAME:-DEFAULT}, which libConfuse replaces. */
static int
config_scan_variable(struct config_scan *scan)
{
	const char *at = scan->at + 2;

	while (at < scan->end && strchr("}\"\n", *at) == NULL)
		at++;
	if (at == scan->end || *at != '}')
		return config_scan_fail(scan, scan->line,
		    "'${' is never closed (in a string, '\\${' is no "
		    "variable)");
	scan->at = at + 1;
	return 0;
}

/* \0, \000 or \x0 would end the text. */
static int
config_scan_is_nul(const struct config_scan *scan)
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
config_scan_string(struct config_scan *scan, struct config_token *token)
{
	int line = scan->line;
	char quote = *scan->at;

	token->start = scan->at++;
	while (scan->at < scan->end && *scan->at != quote) {
		if (quote == '"' && scan->at[0] == '$' &&
		    config_scan_peek(scan, 1) == '{') {
			if (config_scan_variable(scan) < 0)
				return TOKEN_ERROR;
			continue;
		}
		if (*scan->at == '\\' && quote == '"' &&
		    config_scan_is_nul(scan))
			return config_scan_fail(
			    scan, scan->line, "a text cannot have a NUL byte");
		if (*scan->at == '\\' && scan->at + 1 < scan->end)
			scan->at++;
		scan->line += *scan->at == '\n';
		scan->at++;
	}
	if (scan->at == scan->end)
		return config_scan_fail(
		    scan, line, "this string is never closed");
	scan->at++;
	token->len = (size_t)(scan->at - token->start);
	return token->kind = quote;
}

int
config_scan_word(struct config_scan *scan, struct config_token *token)
{
	token->start = scan->at;
	while (scan->at < scan->end &&
	       strchr("\"'{}()=,;# \t\r\n", *scan->at) == NULL) {
		if ((unsigned char)*scan->at < ' ' || *scan->at == 0x7f)
			return config_scan_fail(scan, scan->line,
			    "there is a byte 0x%02x outside of a string",
			    (unsigned char)*scan->at);
		if (scan->at[0] != '$' || config_scan_peek(scan, 1) != '{')
			scan->at++;
		else if (config_scan_variable(scan) < 0)
			return TOKEN_ERROR;
	}
	token->len = (size_t)(scan->at - token->start);
	return token->kind = TOKEN_WORD;
}

int
config_scan_next(struct config_scan *scan, struct config_token *token)
{
	token->kind = TOKEN_ERROR;
	if (config_scan_skip(scan) < 0)
		return TOKEN_ERROR;
	token->start = scan->at;
	token->len = 0;
	if (scan->at == scan->end)
		return token->kind = TOKEN_END;
	if (*scan->at == '"' || *scan->at == '\'')
		return config_scan_string(scan, token);
	if (strchr("{}()=,;", *scan->at) == NULL)
		return config_scan_word(scan, token);
	token->len = 1;
	return token->kind = *scan->at++;
}
