/* SPDX-License-Identifier: BSD-2-Clause */
/* A conversation as the steps of a load. */
#ifndef LOAD_STEPS_H
#define LOAD_STEPS_H

#include <stddef.h>

#include "../script.h"

struct load_step {
	const struct script_step *of;
	enum script_kind kind;
	const char *bytes;
	size_t len;
	int begins; /* a request: here a connection may pause */
	int ends;   /* one */
};

struct load_steps {
	struct script script;
	struct load_step *steps;
	int count;
	int reopens; /* each time a new connection */
};

/*
 * Reads the file; what takes no part in a load is left out. With echo, what is
 * sent is what is to come back. Ends the program when there is no load in it.
 */
void load_steps_read(struct load_steps *steps, const char *path, int echo);

/* An answer, or the end of the server's side. */
int load_steps_is_answer(enum script_kind kind);

#endif
