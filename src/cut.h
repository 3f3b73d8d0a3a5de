/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways in which a network, and a machine without memory, may cut a
 * conversation.
 */
#ifndef CUT_H
#define CUT_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>

struct script;
struct script_step;

enum cut_kind {
	CUT_WHOLE,  /* each message as it is written */
	CUT_BYTES,  /* byte by byte */
	CUT_SLOW,   /* whoever receives takes one byte at a time */
	CUT_JOINED, /* what follows an answer, before it: in one piece */
	CUT_SPLIT,  /* in two, after `at` bytes of all that is sent */
	CUT_HALF,   /* with the last byte of a message comes the end */
	CUT_STALL,  /* likewise, and the sender reads nothing before */
	CUT_FIN,   /* after `at` bytes the sender ends its side, and reads on */
	CUT_LEAVE, /* after `at` bytes it closes */
	CUT_RESET, /* after `at` bytes it resets */
	CUT_DRAIN, /* before step number `at` the host asks to finish */
	CUT_ALLOC, /* allocation number `at` fails */
	CUT_ALLOCS /* that one and all that follow */
};
#define CUT_KINDS 13

struct cut {
	enum cut_kind kind;
	int64_t at;
};

/* "whole", "split:5": as cut_parse() takes it. Returns buf. */
char *cut_text(const struct cut *cut, char *buf, size_t size);
/* 0, or -1. */
int cut_parse(struct cut *cut, const char *text) BEVHOST_MUST_CHECK;

/* What a kind is, as a noun: "split at each byte". */
const char *cut_title(enum cut_kind kind);

/* Is the step an answer to what `who` has sent, or time that passes until there
   is one? Those are owed after CUT_HALF and CUT_STALL. */
int cut_is_answer(const struct script_step *step, int who);

/* Where the same one sends on when it has its answer, or -1. */
int cut_joined(const struct script *script, int sent);

/* Is it next to a size of buffers, in a message or all? Always tried, then. */
int cut_is_edge(const struct script *script, const struct cut *cut);

/*
 * The next one of a kind after `at`, or the first with at = -1: it makes sense
 * for the script. allocations: how many there are. -1: there is no further.
 */
int64_t cut_next(const struct script *script, enum cut_kind kind, int64_t at,
    int64_t allocations);

#endif
