/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the generations. */
#ifndef GENERATIONS_OWN_H
#define GENERATIONS_OWN_H

#include "generation.h"
#include "generations.h"

struct canary;

struct generations {
	struct generation_host host; /* the first member */
	struct generation_list list; /* the oldest first */
	struct generation *serving;  /* or NULL */
	struct generation *next;     /* it starts, or is tried; or NULL */
	int last;		     /* number */
	struct canary *canary;	     /* of next, or NULL */
	struct event *sweep;
	const struct generations_owner *owner;
};

/* The canary has done well, or failed for this reason. */
void generations_promote(struct generations *generations);
void generations_fail_canary(
    struct generations *generations, int exit_status, const char *why);

#endif
