/* SPDX-License-Identifier: BSD-2-Clause */
/* Which cuts there are of a conversation. */
#include "cut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

#define CUT_EDGE_MIN   64
#define CUT_EDGE_SMALL 512 /* its multiples, up to */
#define CUT_EDGE_BIG   8192

static const struct {
	const char *word, *title;
	int has_place;
} cut_kinds[CUT_KINDS] = {
	[CUT_WHOLE] = { "whole", "as it is written", 0 },
	[CUT_BYTES] = { "bytes", "byte by byte", 0 },
	[CUT_SLOW] = { "slow", "read one byte at a time", 0 },
	[CUT_JOINED] = { "joined", "all that is asked at once", 0 },
	[CUT_SPLIT] = { "split", "split after each byte", 1 },
	[CUT_HALF] = { "half", "the end comes with a message", 1 },
	[CUT_STALL] = { "stall", "the end comes while nobody reads", 1 },
	[CUT_FIN] = { "fin", "the client ends its side after each byte", 1 },
	[CUT_LEAVE] = { "leave", "the client closes after each byte", 1 },
	[CUT_RESET] = { "reset", "the client resets after each byte", 1 },
	[CUT_DRAIN] = { "drain", "the host stops before each step", 1 },
	[CUT_ALLOC] = { "alloc", "each allocation fails", 1 },
	[CUT_ALLOCS] = { "allocs", "each and all later ones fail", 1 },
};

char *
cut_text(const struct cut *cut, char *buf, size_t size)
{
	if (cut_kinds[cut->kind].has_place)
		snprintf(buf, size, "%s:%lld", cut_kinds[cut->kind].word,
		    (long long)cut->at);
	else
		snprintf(buf, size, "%s", cut_kinds[cut->kind].word);
	return buf;
}

int
cut_parse(struct cut *cut, const char *text)
{
	size_t len = strcspn(text, ":");
	char *end;
	int i;

	for (i = 0; i < CUT_KINDS; i++)
		if (strlen(cut_kinds[i].word) == len &&
		    memcmp(cut_kinds[i].word, text, len) == 0)
			break;
	if (i == CUT_KINDS || cut_kinds[i].has_place != (text[len] == ':'))
		return -1;
	cut->kind = (enum cut_kind)i;
	cut->at = 0;
	if (text[len] == '\0')
		return 0;
	errno = 0;
	cut->at = strtoll(text + len + 1, &end, 10);
	return errno == 0 && end > text + len + 1 && *end == '\0' &&
		       cut->at >= 0
		   ? 0
		   : -1;
}

const char *
cut_title(enum cut_kind kind)
{
	return cut_kinds[kind].title;
}

/* Is it within a message? At the end of one it is split already. */
static int
cut_splits(const struct script *script, int64_t at)
{
	int i;

	for (i = 0; i < script->step_count; i++) {
		const struct script_step *step = &script->steps[i];

		if (step->kind == SCRIPT_SEND && at > (int64_t)step->at &&
		    at < (int64_t)(step->at + step->len))
			return 1;
	}
	return 0;
}

int
cut_is_answer(const struct script_step *step, int who)
{
	return step->kind == SCRIPT_WAIT ||
	       (step->who == who && (step->kind == SCRIPT_EXPECT ||
					step->kind == SCRIPT_EXPECT_LIKE ||
					step->kind == SCRIPT_EXPECT_ANY));
}

/* Is something expected after that step, maybe after a while? */
static int
cut_is_answered(const struct script *script, int sent)
{
	int i, who = script->steps[sent].who;

	for (i = sent + 1; i < script->step_count; i++) {
		if (!cut_is_answer(&script->steps[i], who))
			return 0;
		if (script->steps[i].kind != SCRIPT_WAIT)
			return 1;
	}
	return 0;
}

/* Is it the end of a message after which something is expected? */
static int
cut_halves(const struct script *script, int64_t at)
{
	int i;

	for (i = 0; i < script->step_count; i++) {
		const struct script_step *step = &script->steps[i];

		if (step->kind == SCRIPT_SEND &&
		    at == (int64_t)(step->at + step->len) &&
		    cut_is_answered(script, i))
			return 1;
	}
	return 0;
}

int
cut_joined(const struct script *script, int sent)
{
	int i, who = script->steps[sent].who;

	for (i = sent + 1; i < script->step_count; i++) {
		const struct script_step *step = &script->steps[i];

		if (step->kind == SCRIPT_SEND && step->who == who)
			return i;
		if (step->kind != SCRIPT_EXPECT &&
		    step->kind != SCRIPT_EXPECT_LIKE &&
		    step->kind != SCRIPT_EXPECT_ANY)
			return -1;
	}
	return -1;
}

static int
cut_joins(const struct script *script)
{
	int i;

	for (i = 0; i < script->step_count; i++)
		if (script->steps[i].kind == SCRIPT_SEND &&
		    cut_joined(script, i) >= 0)
			return 1;
	return 0;
}

static int
cut_is_size(int64_t bytes)
{
	if (bytes < CUT_EDGE_MIN)
		return 0;
	return (bytes & (bytes - 1)) == 0 ||
	       (bytes <= CUT_EDGE_BIG && bytes % CUT_EDGE_SMALL == 0) ||
	       (bytes <= 8 * CUT_EDGE_BIG && bytes % (CUT_EDGE_BIG / 2) == 0);
}

static int
cut_is_near_size(int64_t bytes)
{
	return cut_is_size(bytes - 1) || cut_is_size(bytes) ||
	       cut_is_size(bytes + 1);
}

int
cut_is_edge(const struct script *script, const struct cut *cut)
{
	int64_t begins = 0;
	int i;

	if (cut->kind < CUT_SPLIT || cut->kind > CUT_RESET)
		return 0;
	for (i = 0; i < script->step_count; i++)
		if (script->steps[i].kind == SCRIPT_SEND &&
		    (int64_t)script->steps[i].at < cut->at)
			begins = (int64_t)script->steps[i].at;
	return cut_is_near_size(cut->at) || cut_is_near_size(cut->at - begins);
}

/* The last one. */
static int64_t
cut_last(const struct script *script, enum cut_kind kind, int64_t allocations)
{
	if (kind <= CUT_JOINED)
		return 0;
	if (kind == CUT_ALLOC || kind == CUT_ALLOCS)
		return allocations;
	return kind == CUT_DRAIN ? script->step_count - 1
				 : (int64_t)script->sent;
}

int64_t
cut_next(const struct script *script, enum cut_kind kind, int64_t at,
    int64_t allocations)
{
	int64_t last = cut_last(script, kind, allocations);

	if (script->no_split && (kind == CUT_BYTES || kind == CUT_SPLIT))
		return -1;
	if (kind == CUT_JOINED &&
	    (script->no_split || script->no_pipelining || !cut_joins(script)))
		return -1;
	if (at < 0 && (kind == CUT_ALLOC || kind == CUT_ALLOCS))
		at = 0;
	for (at++; at <= last; at++) {
		if (kind == CUT_SPLIT && !cut_splits(script, at))
			continue;
		if ((kind == CUT_HALF || kind == CUT_STALL) &&
		    (script->no_half_close || !cut_halves(script, at)))
			continue;
		return at;
	}
	return -1;
}
