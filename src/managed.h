/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker under its master: what it is told, and what it does then. */
#ifndef MANAGED_H
#define MANAGED_H

/* The life of a process that a master started. Returns an exit status. */
int managed_run(void);

#endif
