/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The CPU time of the server process, as the kernel accounts it.
 */

#ifndef BENCH_SERVER_CPU_H
#define BENCH_SERVER_CPU_H

#include <sys/types.h>

#include <stdint.h>

/*
 * Waits until the server is at rest, since the kernel brings its account up
 * to date when it goes to sleep, then gives the nanoseconds which all threads
 * of the process have run.  Returns 0 or -errno.
 */
int server_cpu_at_rest_ns(pid_t pid, uint64_t *cpu_ns);

#endif
