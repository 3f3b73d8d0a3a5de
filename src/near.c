/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The edit distance (insert, remove, replace, swap of neighbours) between a
 * mistyped word and the words that were possible.
 */
#include "near.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NEAR_MAX 63 /* longer words have no near ones */

static unsigned
near_min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned
near_distance(const char *a, const char *b)
{
	unsigned rows[3][NEAR_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];
	size_t a_len = strlen(a), b_len = strlen(b), i, j;

	if (a_len > NEAR_MAX || b_len > NEAR_MAX)
		return UINT_MAX;
	for (j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (i = 1; i <= a_len; i++) {
		unsigned *rest = before;

		before = above;
		above = row;
		row = rest;
		row[0] = (unsigned)i;
		for (j = 1; j <= b_len; j++) {
			row[j] = near_min(above[j], row[j - 1]) + 1;
			row[j] = near_min(
			    row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = near_min(row[j], before[j - 2] + 1);
		}
	}
	return row[b_len];
}

void
near_offer(struct near *near, const char *candidate)
{
	unsigned distance = near_distance(near->word, candidate);

	/* A third of the letters may be wrong, and one always. */
	if (distance > 1 + strlen(near->word) / 3 ||
	    distance >= strlen(near->word))
		return;
	if (near->best[0] != '\0' && distance >= near->distance)
		return;
	near->distance = distance;
	snprintf(near->best, sizeof(near->best), "%s", candidate);
}

char *
near_text(const struct near *near, char *buf, size_t size)
{
	if (near->best[0] == '\0')
		buf[0] = '\0';
	else
		snprintf(buf, size, ", did you mean '%s'?", near->best);
	return buf;
}
