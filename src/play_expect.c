/* SPDX-License-Identifier: BSD-2-Clause */
/* What must have come, and what is said when it has not. */
#include <stdio.h>
#include <string.h>

#include "play_note.h"
#include "play_own.h"
#include "rig.h"
#include "script.h"

const char *
play_name(const struct play *play, int who)
{
	return who >= 0 ? play->script->names[who] : "";
}

/* For messages: where it is written. */
int
play_fail(struct play *play, const struct script_step *step, const char *what)
{
	return play_wrong(
	    play->result, "%s:%d: %s", play->script->path, step->line, what);
}

int
play_memory_is_out(const struct play *play)
{
	return rig_failed(play->rig) > 0;
}

/* A line, or all that came, with or without its end. */
static int
play_is_like(const struct script_step *step, const char *came, size_t len)
{
	size_t eol = strlen(step->eol);
	regmatch_t match = { .rm_so = 0 };

	if (len >= eol && memcmp(came + len - eol, step->eol, eol) == 0)
		len -= eol;
	match.rm_eo = (regoff_t)len;
	return regexec(&step->regex, came, 1, &match, REG_STARTEND) == 0;
}

/* Without memory a handler may say so instead: then nothing is expected. */
static int
play_excused(struct play *play, const struct play_end *end)
{
	const struct script_step *apology = play->script->apology;
	const char *came = end->rig->came + end->read;
	size_t len = end->rig->len - end->read;

	if (!play_memory_is_out(play) || apology == NULL || len == 0)
		return 0;
	if (apology->kind == SCRIPT_EXPECT_LIKE
		? !play_is_like(apology, came, len)
	    : apology->kind == SCRIPT_EXPECT
		? len != apology->len || memcmp(came, apology->bytes, len) != 0
		: (int64_t)len != apology->number)
		return 0;
	play->over = 1;
	return 1;
}

/* Less came than was expected: why that may be. */
static int
play_short(
    struct play *play, const struct script_step *step, const char *wanted)
{
	const struct play_end *end = &play->ends[step->who];
	size_t len = end->rig->len - end->read;
	char came[1024], text[1600];

	if (play_memory_is_out(play)) {
		play->over = 1;
		return 0;
	}
	snprintf(text, sizeof(text), "%s was to come%s%s, but %s%s%s", wanted,
	    *play_name(play, step->who) ? " to " : "",
	    play_name(play, step->who),
	    len > 0 ? play_quote(
			  came, sizeof(came), end->rig->came + end->read, len)
		    : "nothing",
	    len > 0 ? " came" : " did",
	    end->rig->failed ? ", and a reset"
	    : end->rig->eof  ? ", and the end"
			     : "");
	return play_fail(play, step, text);
}

int
play_expect(struct play *play, const struct script_step *step)
{
	struct play_end *end = &play->ends[step->who];
	size_t len = end->rig->len - end->read, same = 0;
	char wanted[1024], came[1024], text[2200];

	while (same < len && same < step->len &&
	       end->rig->came[end->read + same] == step->bytes[same])
		same++;
	play_quote(wanted, sizeof(wanted), step->bytes, step->len);
	if (same == step->len) {
		end->read += same;
		return 0;
	}
	if (same == len)
		return play_short(play, step, wanted);
	if (play_excused(play, end))
		return 0;
	snprintf(text, sizeof(text), "%s was to come%s%s, but %s came", wanted,
	    *play_name(play, step->who) ? " to " : "",
	    play_name(play, step->who),
	    play_quote(came, sizeof(came), end->rig->came + end->read, len));
	return play_fail(play, step, text);
}

int
play_expect_any(struct play *play, const struct script_step *step)
{
	struct play_end *end = &play->ends[step->who];
	char wanted[64];

	if ((int64_t)(end->rig->len - end->read) >= step->number) {
		end->read += (size_t)step->number;
		return 0;
	}
	snprintf(wanted, sizeof(wanted), "%lld bytes", (long long)step->number);
	return play_short(play, step, wanted);
}

int
play_expect_like(struct play *play, const struct script_step *step)
{
	struct play_end *end = &play->ends[step->who];
	const char *came = end->rig->came + end->read;
	size_t len = end->rig->len - end->read, eol = strlen(step->eol);
	const char *stop = len > 0 ? memmem(came, len, step->eol, eol) : NULL;
	char quoted[1024], text[1600];

	if (stop == NULL && !(end->rig->eof && len > 0)) {
		snprintf(text, sizeof(text), "a line like %s", step->pattern);
		return play_short(play, step, text);
	}
	if (stop != NULL)
		len = (size_t)(stop - came);
	if (play_is_like(step, came, len)) {
		end->read += len + (stop != NULL ? eol : 0);
		return 0;
	}
	if (play_excused(play, end))
		return 0;
	snprintf(text, sizeof(text), "a line like %s was to come, but %s came",
	    step->pattern, play_quote(quoted, sizeof(quoted), came, len));
	return play_fail(play, step, text);
}

/* No more may have come than was expected. */
int
play_no_more(struct play *play, const struct script_step *step)
{
	const struct play_end *end = &play->ends[step->who];
	char came[1024], text[1200];

	if (end->rig->len == end->read || play_excused(play, end))
		return 0;
	snprintf(text, sizeof(text), "nothing more was to come%s%s, but %s did",
	    *play_name(play, step->who) ? " to " : "",
	    play_name(play, step->who),
	    play_quote(came, sizeof(came), end->rig->came + end->read,
		end->rig->len - end->read));
	return play_fail(play, step, text);
}

int
play_silent(struct play *play, const struct script_step *step)
{
	if (play_no_more(play, step) < 0)
		return -1;
	if (!play->ends[step->who].rig->eof)
		return 0;
	if (play_memory_is_out(play)) {
		play->over = 1;
		return 0;
	}
	return play_fail(play, step, "the handler has closed");
}
