/* SPDX-License-Identifier: BSD-2-Clause */
/* Each way is played once; what it leaves, or waits for, is looked at again. */
#include "trial.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "plugin_load.h"
#include "script.h"
#include "trial_apart.h"

#define TRIAL_BLOCK_MS	  100
#define TRIAL_BLOCK_TIMES 2    /* again */
#define TRIAL_QUICK_MS	  1000 /* so long of the processor are tried at least */

/* Of AddressSanitizer, where that is there. */
#pragma weak __lsan_do_recoverable_leak_check
#pragma weak __lsan_disable
#pragma weak __lsan_enable
int __lsan_do_recoverable_leak_check(void);
void __lsan_disable(void);
void __lsan_enable(void);

/* All of a kind, or these. */
struct trial_work {
	const struct script *script;
	enum cut_kind kind;
	const struct cut *cuts;
	int cut_count, echoes;
	const struct trial_options *options;
};

static int64_t
trial_count(
    const struct script *script, enum cut_kind kind, int64_t allocations)
{
	int64_t at = -1, count = 0;

	while ((at = cut_next(script, kind, at, allocations)) >= 0)
		count++;
	return count;
}

/*
 * What is allocated once and kept is no leak: what is left must be left again
 * the next time.
 */
static int
trial_leaks(const struct script *script, const struct trial_options *options,
    struct trial_result *result)
{
	if (play(script, &result->cut, &options->play, &result->play) < 0)
		return -1;
	if (result->play.blocks <= 0)
		return 0;
	snprintf(result->play.why, sizeof(result->play.why),
	    "%s: %lld block%s of memory %s not freed", script->path,
	    (long long)result->play.blocks, result->play.blocks == 1 ? "" : "s",
	    result->play.blocks == 1 ? "is" : "are");
	/* Says where they were made. Where it cannot look it ends the process,
	   so what is known stands there before. */
	result->failed = result->done = 1;
	if (__lsan_do_recoverable_leak_check != NULL)
		__lsan_do_recoverable_leak_check();
	return -1;
}

/*
 * A machine that has much to do may hold up who waits for nothing of the kind:
 * what blocks does so each time.
 */
static int
trial_blocks(const struct script *script, const struct trial_options *options,
    struct trial_result *result)
{
	int64_t slept_ms = result->play.slept_ms;
	int i;

	for (i = 0; i < TRIAL_BLOCK_TIMES && slept_ms >= TRIAL_BLOCK_MS; i++) {
		alarm((unsigned)options->seconds);
		if (play(script, &result->cut, &options->play, &result->play) <
		    0)
			return -1;
		if (slept_ms > result->play.slept_ms)
			slept_ms = result->play.slept_ms;
	}
	if (slept_ms < TRIAL_BLOCK_MS)
		return 0;
	snprintf(result->play.why, sizeof(result->play.why),
	    "%s: the handler blocks: a call did nothing for %lld ms but wait, "
	    "and all connections with it; a job may: bevhost-job(3)",
	    script->path, (long long)slept_ms);
	return -1;
}

/* The first time. What is left of it is nothing to report yet. */
static int
trial_play(const struct script *script, const struct trial_options *options,
    struct trial_result *result)
{
	int status;

	if (__lsan_disable != NULL)
		__lsan_disable();
	status = play(script, &result->cut, &options->play, &result->play);
	if (__lsan_enable != NULL)
		__lsan_enable();
	return status;
}

/* Of this process. */
static int64_t
trial_cpu_us(void)
{
	struct timespec now = { 0, 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static int
trial_one(const struct script *script, const struct trial_options *options,
    struct trial_result *result)
{
	int status;

	int64_t before = trial_cpu_us();

	alarm((unsigned)options->seconds);
	status = trial_play(script, options, result);
	if (status == 0 && result->play.blocks > 0)
		status = trial_leaks(script, options, result);
	/* A debugger takes its time. */
	if (status == 0 && options->seconds > 0)
		status = trial_blocks(script, options, result);
	alarm(0);
	fflush(stdout); /* the handler's */
	result->failed = status < 0;
	result->cpu_us = trial_cpu_us() - before;
	return status;
}

/* How many allocations there are, once all that is made but once is made. */
static int64_t
trial_allocations(const struct script *script,
    const struct trial_options *options, struct trial_result *result)
{
	int i;

	result->cut.kind = CUT_WHOLE;
	for (i = 0; i < 2; i++)
		if (trial_one(script, options, result) < 0) {
			/* Who starts once alone is not refused. */
			if (i > 0)
				result->play.refused = 0;
			return -1;
		}
	return result->play.allocations;
}

/* By a debugger, where time is spent in another way. */
static int
trial_is_traced(void)
{
	static const char key[] = "TracerPid:";
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	int pid = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			pid = atoi(line + sizeof(key) - 1);
	if (file != NULL)
		fclose(file);
	return pid != 0;
}

static void
trial_alone(const struct script *script, const struct cut *cut,
    const struct trial_options *options, struct trial_result *result)
{
	/* Allocations are numbered as they are the next time. */
	if ((cut->kind == CUT_ALLOC || cut->kind == CUT_ALLOCS) &&
	    trial_allocations(script, options, result) < 0)
		return;
	result->cut = *cut;
	if (trial_one(script, options, result) == 0)
		result->tried = 1;
}

/* Every so-manieth, so that there are `most` of them, or as many as are done
   soon. */
static int64_t
trial_step(int64_t count, int64_t most, int64_t cpu_us)
{
	int64_t soon = TRIAL_QUICK_MS * 1000 / (cpu_us > 0 ? cpu_us : 1);

	if (most <= 0 || count <= most || count <= soon)
		return 1;
	if (most < soon)
		most = soon;
	return (count + most - 1) / most;
}

/* In a process of its own. */
static void
trial_all(const struct script *script, enum cut_kind kind,
    const struct trial_options *options, struct trial_result *result)
{
	int64_t allocations = trial_allocations(script, options, result);
	int64_t at = -1, number = 0, count;

	if (allocations < 0)
		return;
	count = trial_count(script, kind, allocations);
	result->step = trial_step(count, options->most, result->cpu_us);
	while ((at = cut_next(script, kind, at, allocations)) >= 0) {
		result->cut.kind = kind;
		result->cut.at = at;
		/* The last one counts too: off by one is near the end. */
		if (++number % result->step != 0 && number < count &&
		    !cut_is_edge(script, &result->cut))
			continue;
		/* What the others have said says nothing of this one. */
		(void)!ftruncate(STDERR_FILENO, 0);
		if (trial_one(script, options, result) < 0)
			return;
		result->tried++;
		result->before = result->cut;
		result->has_before = 1;
	}
}

static void
trial_run(const void *arg, struct trial_result *result)
{
	const struct trial_work *work = arg;
	int i;

	if (work->cut_count == 0)
		trial_all(work->script, work->kind, work->options, result);
	for (i = 0; i < work->cut_count && !result->failed; i++)
		trial_alone(
		    work->script, &work->cuts[i], work->options, result);
}

static int
trial_fork(const struct trial_work *work, struct trial_result *result)
{
	const struct trial_apart apart = { .script = work->script,
		.options = work->options,
		.run = trial_run,
		.work = work,
		.echoes = work->echoes };

	return trial_apart(&apart, result);
}

/* Do these fail, in a process of their own? 1 too when that is not known. */
static int
trial_fails(const struct trial_work *work, const struct cut *cuts, int count)
{
	static struct trial_result result;
	struct trial_work again = *work;

	again.cuts = cuts;
	again.cut_count = count;
	return trial_fork(&again, &result) < 0 || result.failed;
}

/* What only fails after others have been played has kept something of them. */
static void
trial_look_before(const struct trial_work *work, struct trial_result *result)
{
	const struct cut both[2] = { result->before, result->cut };
	char *why = result->play.why, before[64];
	size_t len = strlen(why);

	if (!result->has_before)
		return;
	result->has_before =
	    !trial_fails(work, &result->cut, 1) && trial_fails(work, both, 2);
	if (result->has_before)
		snprintf(why + len, sizeof(result->play.why) - len,
		    "\nAlone it passes, and after %s it fails: something "
		    "static is left of that.",
		    cut_text(&result->before, before, sizeof(before)));
}

int
trial(const struct script *script, enum cut_kind kind,
    const struct trial_options *options, struct trial_result *result)
{
	struct trial_options quiet = *options;
	struct trial_work work = {
		.script = script, .kind = kind, .options = options
	};

	if (trial_fork(&work, result) < 0)
		return -1;
	quiet.on_progress = NULL;
	work.options = &quiet;
	if (result->failed)
		trial_look_before(&work, result);
	return 0;
}

/* Who ends the process in the middle of a way has not passed it. */
static pid_t trial_plays_here;

static void
trial_on_exit(void)
{
	if (trial_plays_here != getpid())
		return;
	fflush(stdout);
	fputs("the handler ended the process\n", stderr);
	plugin_remove_copies();
	_exit(EXIT_FAILURE);
}

/* In this process, where a debugger finds it. */
static void
trial_here(const struct trial_work *work, struct trial_result *result)
{
	struct trial_work patient = *work;
	struct trial_options options = *work->options;
	int out;

	options.seconds = 0; /* it is the person who waits */
	patient.options = &options;
	memset(result, 0, sizeof(*result));
	/* What a handler prints is no test. */
	fflush(stdout);
	out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	trial_plays_here = getpid();
	if (atexit(trial_on_exit) == 0)
		trial_run(&patient, result);
	trial_plays_here = 0;
	fflush(stdout);
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		close(out);
	}
	plugin_remove_copies();
}

int
trial_cuts(const struct script *script, const struct cut *cuts, int count,
    const struct trial_options *options, struct trial_result *result)
{
	const struct trial_work work = { .script = script,
		.cuts = cuts,
		.cut_count = count,
		.echoes = 1,
		.options = options };

	if (!trial_is_traced())
		return trial_fork(&work, result);
	trial_here(&work, result);
	return 0;
}
