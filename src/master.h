/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that owns the sockets and starts the workers. */
#ifndef MASTER_H
#define MASTER_H

#include <sys/resource.h>

struct options;

/*
 * Serves with workers until it is stopped. files is the limit of open files
 * that a command of --run gets. argc and argv are read again at a reload.
 * Returns an exit status.
 */
int master_run(const struct options *options, int argc, char **argv,
    const struct rlimit *files);

/* As master_run(), in the place of a program that has left its state in a
   descriptor. */
int master_take_over(const struct options *options, int argc, char **argv,
    const struct rlimit *files, int state);

/* Tries all that a start would in a worker that serves nobody. Returns 0, or
   EX_CONFIG having logged. */
int master_test(const struct options *options);

#endif
