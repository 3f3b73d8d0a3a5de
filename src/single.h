/* SPDX-License-Identifier: BSD-2-Clause */
/* --no-master: a worker alone, which opens its listeners itself. */
#ifndef SINGLE_H
#define SINGLE_H

#include <sys/resource.h>

struct options;

/* Serves until it is stopped. files is the limit of open files that a command
   gets. Returns an exit status. */
int single_run(const struct options *options, const struct rlimit *files);

#endif
