/* SPDX-License-Identifier: BSD-2-Clause */
/* The words, strings and signs of a configuration file. */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include "config_text.h"

/* Words and the two kinds of strings; others are their own character. */
enum { TOKEN_END = 0, TOKEN_WORD = 'w', TOKEN_ERROR = -1 };

struct config_token {
	int kind; /* of those above, a quote, or the sign itself */
	const char *start;
	size_t len;
};

struct config_scan {
	struct config_text *text; /* what it becomes */
	const char *path, *at, *end;
	int line;
	int failed;
};

/* Logs what is wrong at a line. Returns TOKEN_ERROR. */
int config_scan_fail(struct config_scan *scan, int line, const char *format,
    ...) BEVHOST_PRINTF(3, 4);

/* To what libConfuse will read. */
void config_scan_put(struct config_scan *scan, const char *bytes, size_t len);

/*
 * The next token; what lies before it becomes blanks, with the same lines.
 * Returns its kind, or TOKEN_ERROR having logged.
 */
int config_scan_next(struct config_scan *scan, struct config_token *token);

/* The same of a word that begins right here, and may be empty. */
int config_scan_word(struct config_scan *scan, struct config_token *token);

#endif
