/* SPDX-License-Identifier: BSD-2-Clause */
/* bevhost --reload: asks a master, and waits for what it says. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <sys/types.h>

/* pid of the master, or 0: the one that runs. Prints the answer, or logs why
   not. Returns an exit status. */
int control_client_reload(pid_t pid);

#endif
