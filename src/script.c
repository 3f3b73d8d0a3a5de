/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser: a line is a step, or a setting of the whole. */
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "script_own.h"
#include "script_text.h"

#define SCRIPT_WHY 512 /* bytes of a message */

int
parser_fail(const struct parser *parser, const char *format, ...)
{
	char text[SCRIPT_WHY];
	va_list args;
	int len;

	len = snprintf(parser->why, parser->size,
	    "%s:%d: ", parser->script->path, parser->line);
	if (len < 0 || (size_t)len >= parser->size)
		return -1;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* Of the file, which may be anything. */
	log_escape(parser->why + len, parser->size - (size_t)len, text,
	    strlen(text), 0);
	return -1;
}

int
parser_no_memory(const struct parser *parser)
{
	return parser_fail(parser, "%s", strerror(ENOMEM));
}

struct script_step *
parser_add(struct parser *parser, enum script_kind kind, int who)
{
	struct script *script = parser->script;
	struct script_step *step,
	    *steps = reallocarray(
		script->steps, (size_t)script->step_count + 1, sizeof(*steps));

	if (steps == NULL)
		return NULL;
	script->steps = steps;
	step = &steps[script->step_count++];
	memset(step, 0, sizeof(*step));
	step->kind = kind;
	step->line = parser->line;
	step->who = who;
	return step;
}

/* A step that is nothing but its kind. */
int
parser_add_plain(struct parser *parser, enum script_kind kind, int who)
{
	return parser_add(parser, kind, who) != NULL ? 0
						     : parser_no_memory(parser);
}

int
parser_find(const struct script *script, const char *name, size_t len)
{
	int i;

	for (i = 0; i < script->name_count; i++)
		if (strlen(script->names[i]) == len &&
		    memcmp(script->names[i], name, len) == 0)
			return i;
	return -1;
}

int
parser_check_name(const struct parser *parser, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_' &&
		    name[i] != '-')
			break;
	if (len > 0 && i == len && isalpha((unsigned char)name[0]))
		return 0;
	return parser_fail(parser,
	    "'%.*s' is no name: a letter, then letters, digits, - and _",
	    (int)len, name);
}

int
parser_add_name(struct parser *parser, const char *name, size_t len)
{
	struct script *script = parser->script;
	char *copy;

	if (script->name_count == SCRIPT_NAMES_MAX)
		return parser_fail(
		    parser, "more than %d names", SCRIPT_NAMES_MAX);
	copy = strndup(name, len);
	if (copy == NULL)
		return parser_no_memory(parser);
	script->names[script->name_count] = copy;
	return script->name_count++;
}

/* Who that is: a client that was not named before connects here. */
int
parser_who(struct parser *parser, const char *name, size_t len)
{
	int who = parser_find(parser->script, name, len);

	if (who >= 0)
		return who;
	if (len > 0 && parser_check_name(parser, name, len) < 0)
		return -1;
	who = parser_add_name(parser, name, len);
	if (who >= 0 && parser_add_plain(parser, SCRIPT_CONNECT, who) < 0)
		return -1;
	return who;
}

/* What is with it since which line, and what to do. */
static int
parser_too_late(const struct parser *parser, int who, int line,
    const char *what, const char *advice)
{
	const char *name = parser->script->names[who];
	const char *quote = *name != '\0' ? "'" : "";

	return parser_fail(parser, "%s%s%s %s line %d: %s", quote,
	    *name != '\0' ? name : "the client", quote, what, line, advice);
}

/* Who stalls hears nothing before it reads on. */
static int
parser_may_read(const struct parser *parser, enum script_kind kind, int who)
{
	int line = parser->ends[who].stalled;

	if (line > 0 && (kind == SCRIPT_EXPECT || kind == SCRIPT_SILENT))
		return parser_too_late(parser, who, line, "does not read since",
		    "write resume before this");
	if (line > 0 && kind == SCRIPT_STALL)
		return parser_too_late(parser, who, line, "does not read since",
		    "this changes nothing");
	if (line == 0 && kind == SCRIPT_RESUME)
		return parser_fail(parser, "resume follows a stall");
	return 0;
}

int
parser_may(struct parser *parser, enum script_kind kind, int who)
{
	struct parser_end *end = &parser->ends[who];
	int closed = end->last == SCRIPT_CLOSE || end->last == SCRIPT_RESET;

	if (end->last == SCRIPT_CLOSED)
		return parser_too_late(parser, who, end->line, "is gone since",
		    "a name that is new connects again");
	if (closed && end->outbound)
		return parser_too_late(parser, who, end->line, "has closed on",
		    "of a server nothing can follow that");
	if (closed && kind != SCRIPT_CLOSED)
		return parser_too_late(parser, who, end->line, "has closed on",
		    "only closed may follow, with the reason for which the "
		    "host has closed");
	if (end->last == SCRIPT_END &&
	    (kind == SCRIPT_SEND || kind == SCRIPT_END))
		return parser_too_late(parser, who, end->line,
		    "sends no more since",
		    "write this before it, or take it away");
	if (parser_may_read(parser, kind, who) < 0)
		return -1;
	if (kind == SCRIPT_STALL || kind == SCRIPT_RESUME)
		end->stalled = kind == SCRIPT_STALL ? parser->line : 0;
	if (kind == SCRIPT_END || kind == SCRIPT_CLOSE ||
	    kind == SCRIPT_RESET || kind == SCRIPT_CLOSED) {
		end->last = kind;
		end->line = parser->line;
	}
	return 0;
}

/* The bytes of > and <, by the sign that follows: see script_text.h. */
static int
parser_bytes(struct parser *parser, const char *text, char **bytes, size_t *len)
{
	char why[128];

	if (script_text_bytes(
		text, parser->script->eol, bytes, len, why, sizeof(why)) == 0)
		return 0;
	return parser_fail(parser, "%s", why);
}

static int
parser_extend(
    struct parser *parser, struct script_step *step, char *bytes, size_t len)
{
	char *grown = realloc(step->bytes, step->len + len + 1);

	if (grown == NULL) {
		free(bytes);
		return parser_no_memory(parser);
	}
	memcpy(grown + step->len, bytes, len);
	free(bytes);
	step->bytes = grown;
	step->len += len;
	return 0;
}

/* What one far end sends without waiting is one message. */
static int
parser_send(struct parser *parser, int who, const char *text)
{
	struct script *script = parser->script;
	struct script_step *step;
	char *bytes;
	size_t len;

	if (parser_bytes(parser, text, &bytes, &len) < 0)
		return -1;
	step = script->step_count > 0 ? &script->steps[script->step_count - 1]
				      : NULL;
	if (step == NULL || step->kind != SCRIPT_SEND || step->who != who) {
		step = parser_add(parser, SCRIPT_SEND, who);
		if (step == NULL) {
			free(bytes);
			return parser_no_memory(parser);
		}
		step->at = script->sent;
	}
	script->sent += len;
	return parser_extend(parser, step, bytes, len);
}

static int
parser_regex(const struct parser *parser, regex_t *regex, const char *pattern)
{
	char why[128], *whole;
	int error;

	if (*pattern == '\0')
		return parser_fail(parser, "a regular expression is needed");
	if (asprintf(&whole, "^(%s)$", pattern) < 0)
		return parser_no_memory(parser);
	/* Alone first: "a)|(b" would be right between the others. */
	error = regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB);
	if (error == 0) {
		regfree(regex);
		error = regcomp(regex, whole, REG_EXTENDED | REG_NOSUB);
	}
	free(whole);
	if (error == 0)
		return 0;
	regerror(error, regex, why, sizeof(why));
	return parser_fail(
	    parser, "'%s' is no regular expression: %s", pattern, why);
}

static int
parser_like(
    struct parser *parser, struct script_step *step, const char *pattern)
{
	pattern += *pattern == ' ';
	if (parser_regex(parser, &step->regex, pattern) < 0)
		return -1;
	step->kind = SCRIPT_EXPECT_LIKE;
	step->eol = parser->script->eol;
	step->pattern = strdup(pattern);
	return step->pattern != NULL ? 0 : parser_no_memory(parser);
}

static int
parser_any(
    const struct parser *parser, struct script_step *step, const char *text)
{
	char *end;

	text += *text == ' ';
	errno = 0;
	step->kind = SCRIPT_EXPECT_ANY;
	step->number = strtoll(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' ||
	    step->number < 1)
		return parser_fail(parser,
		    "'%s' is no number of bytes: write <* 100, say", text);
	return 0;
}

int
parser_expectation(
    struct parser *parser, struct script_step *step, const char *text)
{
	if (*text == '~')
		return parser_like(parser, step, text + 1);
	if (*text == '*')
		return parser_any(parser, step, text + 1);
	step->kind = SCRIPT_EXPECT;
	return parser_bytes(parser, text, &step->bytes, &step->len);
}

static int
parser_expect(struct parser *parser, int who, const char *text)
{
	struct script_step *step = parser_add(parser, SCRIPT_EXPECT, who);

	return step != NULL ? parser_expectation(parser, step, text)
			    : parser_no_memory(parser);
}

/* NAME> or NAME<, without a space before the sign; else a word. */
static int
parser_line(struct parser *parser, const char *line)
{
	const char *sign = line + strcspn(line, "<> =");
	int who;

	if (line[strspn(line, " \t")] == '\0' || *line == '#')
		return 0;
	if (*line == ' ' || *line == '\t')
		return parser_fail(
		    parser, "a blank stands before the sign or the word");
	if (*sign != '<' && *sign != '>')
		return parser_word(parser, line);
	who = parser_who(parser, line, (size_t)(sign - line));
	if (who < 0 || parser_may(parser,
			   *sign == '>' ? SCRIPT_SEND : SCRIPT_EXPECT, who) < 0)
		return -1;
	return *sign == '>' ? parser_send(parser, who, sign + 1)
			    : parser_expect(parser, who, sign + 1);
}

int
script_parse(struct script *script, const char *path, const char *text,
    char *why, size_t size)
{
	struct parser parser = { .script = script, .why = why, .size = size };
	char *line;
	size_t len;
	int status = 0;

	memset(script, 0, sizeof(*script));
	script->eol = "\n";
	script->path = strdup(path);
	if (script->path == NULL) {
		snprintf(why, size, "%s: %s", path, strerror(ENOMEM));
		return -1;
	}
	/* A byte order mark, and the ends of lines of other systems. */
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (*text != '\0' && status == 0) {
		len = strcspn(text, "\n");
		line = strndup(
		    text, len > 0 && text[len - 1] == '\r' ? len - 1 : len);
		parser.line++;
		if (line == NULL)
			return parser_no_memory(&parser);
		status = parser_line(&parser, line);
		free(line);
		text += len + (text[len] == '\n');
	}
	if (status == 0 && script->step_count == 0) {
		snprintf(why, size,
		    "%s: it says nothing: a line such as > hello is needed",
		    path);
		return -1;
	}
	return status;
}

int
script_read(struct script *script, const char *path, char *why, size_t size)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t len;
	int status = -1;

	memset(script, 0, sizeof(*script));
	if (file == NULL) {
		snprintf(why, size, "%s: %s", path, strerror(errno));
		return -1;
	}
	len = getdelim(&text, &room, '\0', file);
	if (len < 0 && ferror(file))
		snprintf(why, size, "%s: %s", path, strerror(errno));
	else if (len > 0 && text[len - 1] == '\0')
		snprintf(
		    why, size, "%s: it has a zero byte: write it as \\0", path);
	else
		status =
		    script_parse(script, path, len > 0 ? text : "", why, size);
	free(text);
	fclose(file);
	return status;
}

static void
script_clear_step(struct script_step *step)
{
	free(step->bytes);
	free(step->pattern);
	if (step->kind == SCRIPT_EXPECT_LIKE)
		regfree(&step->regex);
}

void
script_clear(struct script *script)
{
	int i;

	for (i = 0; i < script->step_count; i++)
		script_clear_step(&script->steps[i]);
	for (i = 0; i < script->name_count; i++)
		free(script->names[i]);
	for (i = 0; i < script->word_count; i++)
		free(script->words[i]);
	for (i = 0; i < script->option_count; i++)
		free(script->options[i]);
	if (script->apology != NULL)
		script_clear_step(script->apology);
	free(script->apology);
	free(script->steps);
	free(script->words);
	free(script->options);
	free(script->path);
	memset(script, 0, sizeof(*script));
}
