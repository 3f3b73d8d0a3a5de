/* SPDX-License-Identifier: BSD-2-Clause */
/* Near names: what somebody meant who mistyped. */
#ifndef NEAR_H
#define NEAR_H

#include <stddef.h>

/* Collects candidates; {.word = word} starts. */
struct near {
	const char *word;
	char best[64]; /* the nearest so far, or "" */
	unsigned distance;
};

void near_offer(struct near *near, const char *candidate);

/*
 * ", did you mean 'x'?" in buf, or "" when nothing offered is near enough.
 * Returns buf.
 */
char *near_text(const struct near *near, char *buf, size_t size);

#endif
