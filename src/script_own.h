/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of script. */
#ifndef SCRIPT_OWN_H
#define SCRIPT_OWN_H

#include "script.h"

/* How far a far end has come. */
struct parser_end {
	enum script_kind last; /* END, CLOSE, RESET, CLOSED; else none */
	int line;	       /* of that */
	int stalled;	       /* the line since which it reads nothing */
	int outbound;	       /* the handler has connected to it */
};

struct parser {
	struct script *script;
	struct parser_end ends[SCRIPT_NAMES_MAX]; /* one for each name */
	int line;
	char *why;
	size_t size;
};

/* Why, with the place. Returns -1. */
int parser_fail(const struct parser *parser, const char *format, ...)
    BEVHOST_PRINTF(2, 3);
int parser_no_memory(const struct parser *parser);

/* A new step, or NULL. */
struct script_step *
parser_add(struct parser *parser, enum script_kind kind, int who);
/* One that is nothing but its kind. 0 or -1. */
int parser_add_plain(struct parser *parser, enum script_kind kind, int who);

/* The index of a name, or -1. */
int parser_find(const struct script *script, const char *name, size_t len);
/* The same; a client that was not named before connects here. */
int parser_who(struct parser *parser, const char *name, size_t len);
int
parser_check_name(const struct parser *parser, const char *name, size_t len);
/* The index of a new name, or -1. */
int parser_add_name(struct parser *parser, const char *name, size_t len);

/* May `who` do that here, after what it has done? 0, or -1 with why. */
int parser_may(struct parser *parser, enum script_kind kind, int who);

/* Fills step in with what follows <. 0 or -1. */
int parser_expectation(
    struct parser *parser, struct script_step *step, const char *text);

/* A line that begins with a word. 0 or -1. */
int parser_word(struct parser *parser, const char *line);

#endif
