/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the sandbox. */
#ifndef SANDBOX_OWN_H
#define SANDBOX_OWN_H

#include "sandbox.h"

/*
 * Landlock: which files, and which ports. Returns 0, or -errno; ENOSYS and
 * EOPNOTSUPP: this kernel has none. *abi is what the kernel has.
 */
int sandbox_landlock_enter(const struct sandbox *sandbox, int *abi);
void sandbox_landlock_enter_thread(void);

/*
 * seccomp: which calls. Returns 0, or -errno; ENOSYS: this program or this
 * kernel has none. *listener is where a report mode gets them from, or -1.
 */
int sandbox_seccomp_enter(const struct sandbox *sandbox, int *listener);
/* NULL: it is none that this library knows. */
const char *sandbox_seccomp_name(int number);

/* Starts the thread that answers what listener tells. Takes listener. */
int sandbox_report_start(const struct sandbox *sandbox, int listener);

#endif
