/* SPDX-License-Identifier: BSD-2-Clause */
/* What whoever started a process and its reports of crashes have in common. */
#ifndef CRASH_NOTE_H
#define CRASH_NOTE_H

#include <signal.h>

/* Makes a worker say what it is doing, and go on. No library uses it. */
#define CRASH_STALL_SIGNAL (SIGRTMIN + 5)

/* What a crash leaves, in shared memory. */
struct crash_note {
	int handler; /* whose call it was: of the settings, from 0, or -1 */
	int signal;  /* 0: no crash, or exit() by a plugin */
};

#endif
