/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of a script, one after the other, and the cut at its place. After a
 * cut that ends the conversation, or an allocation that failed, what was to
 * come need not come; but what comes must still be right, the connection must
 * end, and nothing may be left of it.
 */
#include "play.h"

#include <stdio.h>
#include <string.h>

#include "cut.h"
#include "play_note.h"
#include "play_own.h"
#include "reason.h"
#include "rig.h"
#include "script.h"

#define PLAY_BYTES_MAX	 4096 /* sent one by one: the first and the last */
#define PLAY_PATIENCE_MS (24 * 3600 * INT64_C(1000)) /* virtual ones */

/* Writes down what has come since. */
static void
play_hear(struct play *play)
{
	int i;

	for (i = 0; i < play->script->name_count; i++) {
		struct play_end *end = &play->ends[i];

		if (end->rig == NULL || end->noted == end->rig->len)
			continue;
		play_note_bytes(play->result, play->script->names[i], "<",
		    end->rig->came + end->noted, end->rig->len - end->noted);
		end->noted = end->rig->len;
	}
}

static int
play_settle(struct play *play, const struct script_step *step)
{
	int status = rig_settle(play->rig);

	play_hear(play);
	return status == 0 ? 0 : play_fail(play, step, rig_why(play->rig));
}

/* Sending */

static int
play_piece(struct play *play, const struct script_step *step, const char *bytes,
    size_t len)
{
	if (len == 0)
		return 0;
	play_note_bytes(
	    play->result, play_name(play, step->who), ">", bytes, len);
	if (rig_send(play->rig, play->ends[step->who].rig, bytes, len) < 0)
		return play_fail(play, step, rig_why(play->rig));
	return 0;
}

/* With the bytes before it, in one turn of the loop. */
static int
play_cut_off(struct play *play, const struct script_step *step)
{
	static const char *const words[CUT_KINDS] = {
		[CUT_HALF] = "end",
		[CUT_STALL] = "end",
		[CUT_FIN] = "end",
		[CUT_LEAVE] = "close",
		[CUT_RESET] = "reset",
	};
	struct rig_end *end = play->ends[step->who].rig;

	play_note_word(
	    play->result, words[play->cut->kind], play_name(play, step->who));
	if (play->cut->kind == CUT_LEAVE)
		rig_close(end);
	else if (play->cut->kind == CUT_RESET)
		rig_reset(end);
	else
		rig_end_writing(end);
	play->over = 1;
	if (play_settle(play, step) < 0)
		return -1;
	if (play->cut->kind != CUT_STALL)
		return 0;
	rig_resume(end);
	play_note_word(play->result, "resume", play_name(play, step->who));
	return play_settle(play, step);
}

/* Does the end come with it? Then both are there before the handler runs. */
static int
play_ends(struct play *play, const struct script_step *step)
{
	const struct script *script = play->script;

	return step + 1 < script->steps + script->step_count &&
	       step[1].kind == SCRIPT_END && step[1].who == step->who;
}

/* The last bytes of what is very long count too: an end is among them. */
static int
play_send_bytes(struct play *play, const struct script_step *step)
{
	size_t i, len;

	for (i = 0; i < step->len; i += len) {
		len = 1;
		if (i == PLAY_BYTES_MAX && step->len > 2 * PLAY_BYTES_MAX)
			len = step->len - 2 * PLAY_BYTES_MAX;
		if (play_piece(play, step, step->bytes + i, len) < 0 ||
		    (i + len < step->len && play_settle(play, step) < 0))
			return -1;
	}
	return play_ends(play, step) ? 0 : play_settle(play, step);
}

static int
play_cut_is_in(const struct play *play, const struct script_step *step)
{
	enum cut_kind kind = play->cut->kind;
	int64_t at = play->cut->at;

	if (kind == CUT_HALF || kind == CUT_STALL)
		return at == (int64_t)(step->at + step->len);
	return kind >= CUT_SPLIT && kind <= CUT_RESET &&
	       at >= (int64_t)step->at + (step->at > 0) &&
	       at <= (int64_t)(step->at + step->len);
}

/* And what is sent once that is answered. */
static int
play_send_joined(struct play *play, const struct script_step *first)
{
	const struct script *script = play->script;
	const struct script_step *step = first;
	int next = (int)(first - script->steps);

	for (; next >= 0; next = cut_joined(script, next)) {
		step = &script->steps[next];
		if (play_piece(play, step, step->bytes, step->len) < 0)
			return -1;
	}
	if (step == first && play_ends(play, step))
		return 0;
	play->ahead = step;
	return play_settle(play, step);
}

static int
play_send(struct play *play, const struct script_step *step)
{
	size_t first = step->len;
	int cut = play_cut_is_in(play, step);

	if (play->cut->kind == CUT_BYTES)
		return play_send_bytes(play, step);
	if (play->cut->kind == CUT_JOINED)
		return step <= play->ahead ? 0 : play_send_joined(play, step);
	if (cut)
		first = (size_t)play->cut->at - step->at;
	if (cut && play->cut->kind == CUT_STALL) {
		play_note_word(
		    play->result, "stall", play_name(play, step->who));
		rig_stall(play->ends[step->who].rig);
	}
	if (play_piece(play, step, step->bytes, first) < 0)
		return -1;
	if (cut && play->cut->kind != CUT_SPLIT)
		return play_cut_off(play, step);
	if (first < step->len && play_settle(play, step) < 0)
		return -1;
	if (play_piece(play, step, step->bytes + first, step->len - first) < 0)
		return -1;
	return play_ends(play, step) ? 0 : play_settle(play, step);
}

/* One that has closed itself, or stalls, sees nothing: the host says how it
   ended. */
static int
play_is_closed(const struct rig_end *end)
{
	return end->fd < 0 || end->stalled ? end->gone : end->eof;
}

/* As a client that reads the end and closes too. */
static int
play_closed(struct play *play, const struct script_step *step)
{
	struct rig_end *end = play->ends[step->who].rig;
	char text[128];

	if (play_no_more(play, step) < 0)
		return -1;
	if (!play_is_closed(end) && play_memory_is_out(play)) {
		play->over = 1;
		return 0;
	}
	if (!play_is_closed(end))
		return play_fail(play, step,
		    end->fd < 0 ? "the client has closed, the host not yet"
				: "the handler has not closed");
	rig_close(end);
	play_note_word(play->result, "closed", play_name(play, step->who));
	if (play_settle(play, step) < 0)
		return -1;
	if (step->reason == BEVHOST_REASON_NONE || end->conn == 0 ||
	    play_memory_is_out(play))
		return 0;
	if (!end->gone)
		return play_fail(play, step,
		    "the end came, but the connection is held and not gone");
	if (end->reason == step->reason)
		return 0;
	snprintf(text, sizeof(text), "it closed for the reason %s, not %s",
	    reason_name(end->reason), reason_name(step->reason));
	return play_fail(play, step, text);
}

/* What else happens */

static int
play_connect(struct play *play, const struct script_step *step)
{
	struct play_end *end = &play->ends[step->who];

	end->rig = rig_connect(play->rig);
	if (end->rig == NULL)
		return play_fail(play, step, "too many connections");
	play_note_word(play->result, "connect", play_name(play, step->who));
	return play_settle(play, step);
}

static int
play_accept(struct play *play, const struct script_step *step)
{
	struct play_end *end = &play->ends[step->who];

	end->rig = rig_take(play->rig);
	if (end->rig == NULL && play_memory_is_out(play)) {
		play->over = 1;
		return 0;
	}
	if (end->rig == NULL)
		return play_fail(play, step, "the handler has not connected");
	play_note_word(play->result, "accept", play_name(play, step->who));
	play_hear(play);
	return 0;
}

static int
play_wait(struct play *play, const struct script_step *step)
{
	play_note(play->result, "wait %lldms", (long long)step->number);
	if (rig_wait(play->rig, step->number) < 0)
		return play_fail(play, step, rig_why(play->rig));
	play_hear(play);
	return 0;
}

/* A far end does something, and the handler sees it at once. */
static int
play_act(struct play *play, const struct script_step *step, const char *word,
    void (*act)(struct rig_end *end))
{
	play_note_word(play->result, word, play_name(play, step->who));
	act(play->ends[step->who].rig);
	return play_settle(play, step);
}

static int
play_drain(struct play *play, const struct script_step *step)
{
	play_note(play->result, "drain");
	rig_drain(play->rig);
	return play_settle(play, step);
}

static int
play_step(struct play *play, const struct script_step *step)
{
	switch (step->kind) {
	case SCRIPT_SEND:
		return play_send(play, step);
	case SCRIPT_EXPECT:
		return play_expect(play, step);
	case SCRIPT_EXPECT_LIKE:
		return play_expect_like(play, step);
	case SCRIPT_EXPECT_ANY:
		return play_expect_any(play, step);
	case SCRIPT_SILENT:
		return play_silent(play, step);
	case SCRIPT_CLOSED:
		return play_closed(play, step);
	case SCRIPT_CONNECT:
		return play_connect(play, step);
	case SCRIPT_ACCEPT:
		return play_accept(play, step);
	case SCRIPT_REFUSE:
		rig_refuse(play->rig);
		return 0;
	case SCRIPT_END:
		return play_act(play, step, "end", rig_end_writing);
	case SCRIPT_CLOSE:
		return play_act(play, step, "close", rig_close);
	case SCRIPT_RESET:
		return play_act(play, step, "reset", rig_reset);
	case SCRIPT_STALL:
		return play_act(play, step, "stall", rig_stall);
	case SCRIPT_RESUME:
		return play_act(play, step, "resume", rig_resume);
	case SCRIPT_WAIT:
		return play_wait(play, step);
	case SCRIPT_DRAIN:
		return play_drain(play, step);
	}
	return 0;
}

/* After an end that came with a message, its answers are still owed. */
static int
play_answers(struct play *play, const struct script_step *step)
{
	const struct script_step *last =
	    play->script->steps + play->script->step_count;
	int who = step->who;

	play->over = 0;
	for (step++; step < last && !play->over && cut_is_answer(step, who);
	     step++)
		if (play_step(play, step) < 0)
			return -1;
	play->over = 1;
	return 0;
}

static int
play_steps(struct play *play)
{
	const struct script *script = play->script;
	int i;

	for (i = 0; i < script->step_count && !play->over; i++) {
		const struct script_step *step = &script->steps[i];

		if (play->cut->kind == CUT_DRAIN && play->cut->at == i) {
			play->over = 1;
			return play_drain(play, step);
		}
		if (play_step(play, step) < 0)
			return -1;
		if (play->over &&
		    (play->cut->kind == CUT_HALF ||
			play->cut->kind == CUT_STALL) &&
		    play_answers(play, step) < 0)
			return -1;
	}
	return 0;
}

/* All that the handler has connected to was spoken of, and the other way
   round. */
static int
play_outbound(struct play *play, const struct script_step *last)
{
	if (play_memory_is_out(play))
		return 0;
	if (rig_take(play->rig) != NULL)
		return play_fail(play, last,
		    "the handler has connected once more than it was accepted");
	if (rig_refuses(play->rig) > 0)
		return play_fail(play, last,
		    "the handler has not made the connection that was to be "
		    "refused");
	return 0;
}

/* At the end of a script that was played whole, nothing more may have come. */
static int
play_finish(struct play *play)
{
	const struct script *script = play->script;
	struct script_step last = {
		.line = script->steps[script->step_count - 1].line
	};
	int i;

	for (i = 0; i < script->name_count && !play->over; i++) {
		last.who = i;
		if (play->ends[i].rig != NULL && play_no_more(play, &last) < 0)
			return -1;
	}
	if (!play->over && play_outbound(play, &last) < 0)
		return -1;
	if (rig_leave(play->rig, PLAY_PATIENCE_MS) < 0)
		return play_fail(play, &last, rig_why(play->rig));
	return 0;
}

/* What is left, when all is over, is lost. */
static void
play_count_left(struct play *play, const struct rig_left *left)
{
	struct play_result *result = play->result;

	result->blocks = left->blocks;
	if (left->held)
		play_wrong(result,
		    "%s: the handler holds connections or tasks that cannot "
		    "be ended",
		    play->script->path);
	else if (left->spoiled > 0)
		play_wrong(result,
		    "%s: memory was written to after it was freed",
		    play->script->path);
	else if (left->descriptors > 0)
		play_wrong(result, "%s: %d descriptor%s left open%s",
		    play->script->path, left->descriptors,
		    left->descriptors == 1 ? " is" : "s are", left->opened);
}

/* What an author may not know of a way to cut. */
static void
play_hint(const struct play *play)
{
	char *why = play->result->why;
	size_t len = strlen(why);

	if (len > 0 && play->cut->kind == CUT_JOINED)
		snprintf(why + len, sizeof(play->result->why) - len,
		    "\nAll was sent before the first answer: where the "
		    "protocol "
		    "forbids that, 'pipelining off' says so.");
}

static const char **
play_words(const struct script *script, const struct play_options *options,
    const char **words, int max)
{
	const char *const *word;
	int i, count = 0;

	for (i = 0; i < script->word_count && count < max - 1; i++)
		words[count++] = script->words[i];
	for (word = options->words;
	     word != NULL && *word != NULL && count < max - 1; word++)
		words[count++] = *word;
	words[count] = NULL;
	return words;
}

int
play(const struct script *script, const struct cut *cut,
    const struct play_options *options, struct play_result *result)
{
	struct play play = { .script = script, .cut = cut, .result = result };
	const char *words[256];
	struct rig_options rig = { .plugin = options->plugin,
		.words = play_words(script, options, words, 256),
		.options = (const char *const *)script->options,
		.slow_reader = cut->kind == CUT_SLOW };
	struct rig_left left;

	memset(result, 0, sizeof(*result));
	if (cut->kind == CUT_ALLOC || cut->kind == CUT_ALLOCS) {
		rig.fail_first = cut->at;
		rig.fail_after =
		    cut->kind == CUT_ALLOC ? cut->at + 1 : INT64_MAX;
	}
	play.rig = rig_new(&rig, &left);
	if (play.rig != NULL) {
		if (play_steps(&play) == 0)
			(void)!play_finish(&play);
		result->allocations = rig_allocations(play.rig);
		result->failed = rig_failed(play.rig);
		/* Without memory nothing is done as it should be. */
		if (result->failed == 0 && rig_abandoned(play.rig) > 0)
			play_wrong(result,
			    "%s: a task returned while its children ran: "
			    "bevhost_task_await() waits for them",
			    script->path);
		result->slept_ms = rig_slept_ms(play.rig);
		rig_free(play.rig, &left);
	} else if (rig.fail_first == 0) {
		play_wrong(result, "%s: %s does not start", script->path,
		    options->plugin);
		result->refused = left.refused;
	}
	play_count_left(&play, &left);
	play_hint(&play);
	return result->why[0] == '\0' ? 0 : -1;
}
