/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A conversation as it is written: what far ends do, and what must come back.
 * bevhost-conversation(5) is its grammar.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <regex.h>
#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

#define SCRIPT_NAMES_MAX 64
#define SCRIPT_WORDS_MAX 50 /* lines of with, and of set */

enum script_kind {
	SCRIPT_SEND,	    /* bytes */
	SCRIPT_EXPECT,	    /* bytes, exactly */
	SCRIPT_EXPECT_LIKE, /* a line that the pattern matches */
	SCRIPT_EXPECT_ANY,  /* as many bytes as `number`, whatever they are */
	SCRIPT_SILENT,	    /* nothing has come */
	SCRIPT_CLOSED,	    /* the handler has closed; reason, or NONE: any */
	SCRIPT_CONNECT,
	SCRIPT_ACCEPT, /* the handler has connected out: that is `who` */
	SCRIPT_REFUSE,
	SCRIPT_END, /* the far end sends no more */
	SCRIPT_CLOSE,
	SCRIPT_RESET,
	SCRIPT_STALL,  /* the far end reads nothing */
	SCRIPT_RESUME, /* and reads on */
	SCRIPT_WAIT,   /* `number` milliseconds */
	SCRIPT_DRAIN
};

struct script_step {
	enum script_kind kind;
	int line; /* of the file, the first of it */
	int who;  /* index in names, or -1: it concerns nobody */
	char *bytes;
	size_t len;
	size_t at; /* of SEND: so much was sent by all before it */
	int64_t number;
	char *pattern;
	const char *eol; /* of EXPECT_LIKE: what ends the line */
	regex_t regex;
	enum bevhost_reason reason;
};

struct script {
	char *path;
	char *names[SCRIPT_NAMES_MAX]; /* the first one is "" */
	int name_count;
	struct script_step *steps;
	int step_count;
	char **words, **options; /* ended by NULL; NULL: there is none */
	int word_count, option_count;
	size_t sent;	   /* in all steps */
	int no_half_close; /* its handlers take an end for a close */
	int no_split;	   /* they take what comes at once for one message */
	int no_pipelining; /* a client sends on when it has its answer */
	/* What may come when memory is out, an expectation; or NULL. */
	struct script_step *apology;
	const char *eol;
};

/*
 * Reads the file. 0, or -1 with why, which names file and line. script_clear()
 * is due either way.
 */
int script_read(struct script *script, const char *path, char *why,
    size_t size) BEVHOST_MUST_CHECK;
/* The same of a text; path is for messages. */
int script_parse(struct script *script, const char *path, const char *text,
    char *why, size_t size) BEVHOST_MUST_CHECK;
void script_clear(struct script *script);

#endif
