/* SPDX-License-Identifier: BSD-2-Clause */
/* What is played in a process of its own, and what became of that. */
#ifndef TRIAL_APART_H
#define TRIAL_APART_H

#include <bevhost/base.h>

struct script;
struct trial_options;
struct trial_result;

struct trial_apart {
	const struct script *script;
	const struct trial_options *options;
	/* Called in that process. What it writes to its standard output and its
	   standard error is kept. */
	void (*run)(const void *work, struct trial_result *result);
	const void *work;
	/* All that was said goes to standard error, rather than its beginning
	   and its end to the result. */
	int echoes;
};

/* 0; or -1 with errno: there is no such process. */
int trial_apart(const struct trial_apart *apart,
    struct trial_result *result) BEVHOST_MUST_CHECK;

#endif
