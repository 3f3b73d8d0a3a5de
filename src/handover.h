/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a master leaves to the program that takes its place: as text, so that
 * one build can read what another has written, with the numbers of descriptors
 * that stay open.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <bevhost/base.h>

#define HANDOVER_FIRST "bevhost-handover 1\n" /* line of the text */

struct generations;

/* What is the master's own. */
struct handover_own {
	int pidfile; /* descriptors, or -1 */
	int control;
	char *pidfile_path;
	char *log_file; /* or NULL */
};

struct handover_fd {
	int fd;
	int own; /* made for it */
};

struct handover {
	struct generations *generations;
	struct handover_own own; /* texts are owned after handover_read() */
	int stats;  /* adopted; or -1: of a layout that is not ours */
	int limits; /* likewise */
	struct handover_fd *fds; /* all that stay open */
	int fd_count;
};

/*
 * Writes it into a memfd, and lists in fds what it names. Returns the memfd, or
 * -1 with errno; handover_clear() is due either way.
 */
int handover_write(struct handover *handover) BEVHOST_MUST_CHECK;

/*
 * Reads it: makes endpoints and generations, of which one serves, or only
 * checks the text when handover->generations is NULL. Returns 0, or -1 having
 * logged.
 */
int handover_read(struct handover *handover, int fd) BEVHOST_MUST_CHECK;

/* Of one that was written. */
void handover_clear(struct handover *handover);
/* Frees the texts of one that was read. */
void handover_forget(struct handover *handover);

#endif
