/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of a generation. */
#ifndef GENERATION_OWN_H
#define GENERATION_OWN_H

#include "generation.h"

/* The file of a handler's plugin, as the first worker has loaded it: those that
   start later run the same, whatever is at its path then. */
struct generation_code {
	int fd;
	char *path; /* NULL: it is not known yet */
};

int generation_start_others(const struct slot *first) BEVHOST_MUST_CHECK;
void generation_release(struct generation *generation);
/* 0, or -1: no memory. */
int
generation_take_privileges(struct generation *generation) BEVHOST_MUST_CHECK;
/* Lets one worker accept for another that is not there for the time being. */
void generation_lend(const struct slot *from, struct slot *to);
int generation_start_slot(struct slot *slot) BEVHOST_MUST_CHECK;
/*
 * Of a reload whoever asked is told, and so is the log, by the master: in one
 * line with what becomes of it. What else is wrong was logged where it was.
 */
int generation_is_told(const struct generation *generation);
/* What was kept before is logged. Will this one be told? Else it is to be
   logged. */
int generation_set_why(struct generation *generation, const char *why);
void generation_fail(struct generation *generation, int exit_status);
/* What they have to say is dealt with. */
void generation_hear_slots(struct slot_host *slots);

#endif
