/* SPDX-License-Identifier: BSD-2-Clause */
/* A conversation in all the ways in which it may be cut, each kind of them in a
   process of its own. */
#ifndef TRIAL_H
#define TRIAL_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>

#include "cut.h"
#include "play.h"

struct script;

struct trial_options {
	struct play_options play;
	int seconds; /* that one way may take, real ones; 0: any number */
	/* Of a kind: of more every n-th is tried, and those at the edges of
	   buffers, unless all are quick; 0: all are. */
	int64_t most;
	/* Called now and then, or NULL: how many ways of the kind are done. */
	void (*on_progress)(enum cut_kind kind, int64_t done);
};

struct trial_result {
	/* That failed first, and the one before it in the same process, if it
	   passes without that. */
	struct cut cut, before;
	int has_before;
	int64_t tried;	/* ways that went well */
	int64_t step;	/* every so-manieth of them was tried */
	int64_t cpu_us; /* of the last one */
	/* All were tried, or one has failed. */
	int failed, done;
	struct play_result play;
	char said[10240]; /* on standard error: how it begins and ends */
};

/* All cuts of a kind, up to the first that fails. 0; or -1 with errno: it
   cannot be tried. */
int trial(const struct script *script, enum cut_kind kind,
    const struct trial_options *options,
    struct trial_result *result) BEVHOST_MUST_CHECK;

/*
 * These, one after the other in one process, up to the first that fails. It is
 * this process where a debugger traces it; then a way may take as long as it
 * likes. What the handler prints goes to standard error, and result->said is
 * empty. 0; or -1 with errno: they cannot be tried.
 */
int trial_cuts(const struct script *script, const struct cut *cuts, int count,
    const struct trial_options *options,
    struct trial_result *result) BEVHOST_MUST_CHECK;

#endif
