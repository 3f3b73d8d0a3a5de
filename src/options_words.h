/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of the command line, and what its options add up to. */
#ifndef OPTIONS_WORDS_H
#define OPTIONS_WORDS_H

#include "options.h"

/* One round over the command line. */
struct options_parser {
	struct options *options;
	int first;   /* the first handler of the command line */
	int again;   /* a reload */
	int workers; /* it says how many */
};

/* Logs where help is to be had. Returns -EX_USAGE. */
int options_try_help(void);
/* Returns -EX_OSERR. */
int options_no_memory(void);

/* Each returns 0, or minus an exit status having logged. */
int options_word(struct options_parser *parser, char *text) BEVHOST_MUST_CHECK;
int options_add_address(
    struct settings_handler *handler, const char *text) BEVHOST_MUST_CHECK;
int options_add_port(
    struct settings_handler *handler, const char *text) BEVHOST_MUST_CHECK;
/* After the last word: defaults, and what contradicts itself. */
int options_finish(struct options_parser *parser) BEVHOST_MUST_CHECK;

/* The one that the next -l belongs to, or NULL having logged. */
struct settings_handler *options_open_handler(struct options_parser *parser);

#endif
