/* SPDX-License-Identifier: BSD-2-Clause */
/* One conversation, played to a handler in one way of cutting it. */
#ifndef PLAY_H
#define PLAY_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>

struct cut;
struct script;

struct play_options {
	const char *plugin;
	const char *const *words; /* KEY=VALUE, besides those of the script */
};

/* What became of it. The texts are the caller's, and always ended. */
struct play_result {
	char why[1024];		/* what is wrong, with file and line; or "" */
	char transcript[16384]; /* what was sent and came, the last of it */
	int64_t allocations, failed; /* failed of them */
	int64_t slept_ms;	     /* in one turn of the loop, really */
	int64_t blocks;		     /* that were not freed */
	int refused;		     /* exit status: it does not start */
};

/* 0, or -1: it is not as it should be, and the result says why. */
int play(const struct script *script, const struct cut *cut,
    const struct play_options *options,
    struct play_result *result) BEVHOST_MUST_CHECK;

#endif
