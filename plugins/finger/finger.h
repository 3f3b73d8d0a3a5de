/* SPDX-License-Identifier: BSD-2-Clause */
/* A query, and the job that answers it. */
#ifndef FINGER_H
#define FINGER_H

#include <stddef.h>

struct finger_query {
	const char *user; /* "" for who is logged in */
	unsigned verbose : 1, with_plan : 1;
	char *answer; /* from the heap, lines that end with CRLF; or NULL */
	size_t answer_len;
};

/*
 * For bevhost_run_job(), with a struct finger_query: it blocks and calls
 * nothing of the host. Returns 0 and an answer, or a negative errno.
 */
int finger_answer(void *query);

#endif
