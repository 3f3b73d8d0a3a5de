/* SPDX-License-Identifier: BSD-2-Clause */
/* What a crash leaves for whoever started the process, in shared memory. */
#ifndef CRASH_NOTE_H
#define CRASH_NOTE_H

struct crash_note {
	int handler; /* whose call it was: of the settings, from 0, or -1 */
	int signal;  /* 0: no crash, or exit() by a plugin */
};

#endif
