/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of play. */
#ifndef PLAY_OWN_H
#define PLAY_OWN_H

#include "play.h"
#include "script.h"

struct rig;
struct rig_end;

struct play_end {
	struct rig_end *rig; /* NULL: not yet */
	size_t read;	     /* so much of what came was expected */
	size_t noted;
};

struct play {
	const struct script *script;
	const struct cut *cut;
	struct rig *rig;
	struct play_end ends[SCRIPT_NAMES_MAX];
	struct play_result *result;
	const struct script_step *ahead; /* joined ones up to it are sent */
	int over; /* the cut has ended it: the rest is not played */
};

/* The name of a far end, or "". */
const char *play_name(const struct play *play, int who);
/* That is wrong, at that line. Returns -1. */
int
play_fail(struct play *play, const struct script_step *step, const char *what);
/* An allocation has failed: what was to come may be missing. */
int play_memory_is_out(const struct play *play);

/* Each: 0, or -1 with what is wrong; play->over is set when memory was out and
   no more will come. */
int play_expect(struct play *play, const struct script_step *step);
int play_expect_any(struct play *play, const struct script_step *step);
int play_expect_like(struct play *play, const struct script_step *step);
int play_silent(struct play *play, const struct script_step *step);
/* No more has come than was expected. */
int play_no_more(struct play *play, const struct script_step *step);

#endif
