/* SPDX-License-Identifier: BSD-2-Clause */
#include "load_steps.h"

#include <err.h>
#include <stdlib.h>
#include <sysexits.h>

static void
load_steps_cannot(const struct load_steps *steps,
    const struct script_step *step, const char *why)
{
	errx(EX_DATAERR, "%s:%d: %s", steps->script.path, step->line, why);
}

int
load_steps_is_answer(enum script_kind kind)
{
	return kind == SCRIPT_EXPECT || kind == SCRIPT_EXPECT_LIKE ||
	       kind == SCRIPT_EXPECT_ANY || kind == SCRIPT_CLOSED;
}

static void
load_steps_add(struct load_steps *steps, const struct script_step *of,
    enum script_kind kind, const char *bytes, size_t len)
{
	steps->steps[steps->count++] = (struct load_step){
		.of = of, .kind = kind, .bytes = bytes, .len = len
	};
}

/* 1: it is nothing that a load does. */
static int
load_steps_leave_out(
    const struct load_steps *steps, const struct script_step *step)
{
	const struct load_step *last =
	    steps->count > 0 ? &steps->steps[steps->count - 1] : NULL;

	/* How the host's side ends, when the client is gone, is not to be seen
	   from here. */
	if (step->kind == SCRIPT_CLOSED && last != NULL &&
	    (last->kind == SCRIPT_CLOSE || last->kind == SCRIPT_RESET))
		return 1;
	switch (step->kind) {
	case SCRIPT_CONNECT:
	case SCRIPT_SILENT:
	case SCRIPT_WAIT:
		return 1;
	case SCRIPT_ACCEPT:
	case SCRIPT_REFUSE:
	case SCRIPT_DRAIN:
		load_steps_cannot(steps, step, "a load cannot do this");
		return 1;
	default:
		if (step->who > 0)
			load_steps_cannot(
			    steps, step, "a load has one client alone");
		return 0;
	}
}

/* All that was sent since the last answer is the answer. */
static void
load_steps_add_echo(struct load_steps *steps)
{
	int i = steps->count, count = steps->count;

	while (i > 0 && steps->steps[i - 1].kind == SCRIPT_SEND)
		i--;
	for (; i < count; i++)
		load_steps_add(steps, steps->steps[i].of, SCRIPT_EXPECT,
		    steps->steps[i].bytes, steps->steps[i].len);
}

static void
load_steps_take(
    struct load_steps *steps, const struct script_step *step, int echo)
{
	steps->reopens |=
	    step->kind == SCRIPT_CLOSED || step->kind == SCRIPT_CLOSE ||
	    step->kind == SCRIPT_RESET || step->kind == SCRIPT_END;
	if (!echo || step->kind == SCRIPT_SEND)
		load_steps_add(steps, step, step->kind, step->bytes, step->len);
	else
		load_steps_add_echo(steps);
}

/* What ends the answer to a request: something else comes, or the end. */
static int
load_steps_end_here(const struct load_steps *steps, int i)
{
	enum script_kind kind = steps->steps[i].kind;
	enum script_kind next =
	    i + 1 < steps->count ? steps->steps[i + 1].kind : SCRIPT_SEND;

	return load_steps_is_answer(kind) && kind != SCRIPT_CLOSED &&
	       (!load_steps_is_answer(next) || next == SCRIPT_CLOSED);
}

static void
load_steps_mark(struct load_steps *steps)
{
	int i, asks = 0;

	for (i = 0; i < steps->count; i++) {
		struct load_step *step = &steps->steps[i];

		step->begins = i == 0 || (load_steps_is_answer(step[-1].kind) &&
					     !load_steps_is_answer(step->kind));
		step->ends = load_steps_end_here(steps, i);
		asks |= step->ends;
	}
	/* The end alone is waited for: then that is the answer. */
	if (!asks && steps->count > 0 && steps->reopens)
		steps->steps[steps->count - 1].ends = asks = 1;
	if (!asks)
		errx(EX_DATAERR,
		    "%s: a load is a conversation in which something is sent "
		    "and answered",
		    steps->script.path);
}

void
load_steps_read(struct load_steps *steps, const char *path, int echo)
{
	char why[512];
	int i;

	if (script_read(&steps->script, path, why, sizeof(why)) < 0)
		errx(EX_DATAERR, "%s", why);
	/* An echo adds as many as there are to send. */
	steps->steps = calloc(
	    2 * (size_t)steps->script.step_count + 1, sizeof(*steps->steps));
	if (steps->steps == NULL)
		err(EX_OSERR, "%s", path);
	for (i = 0; i < steps->script.step_count; i++)
		if (!load_steps_leave_out(steps, &steps->script.steps[i]))
			load_steps_take(steps, &steps->script.steps[i], echo);
	if (echo)
		load_steps_add_echo(steps);
	load_steps_mark(steps);
}
