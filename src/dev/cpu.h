/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUs and the CPU time of a server that is measured. */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>
#include <sys/types.h>

/* Where there are several CPUs: the first is the server's, the last ours. */
void cpu_part(pid_t server);

/*
 * Nanoseconds that all its threads have run. Waits until it has nothing to do:
 * of what runs the kernel's account is late. Ends the program when it cannot
 * be read.
 */
uint64_t cpu_at_rest_ns(pid_t server);

#endif
