/* SPDX-License-Identifier: BSD-2-Clause */
/* Which system calls belong together. */
#ifndef SANDBOX_CALLS_H
#define SANDBOX_CALLS_H

/* Each list ends with NULL. */
extern const char *const sandbox_calls_always[];
/* They change files and folders. */
extern const char *const sandbox_calls_files[];
/* Those of them that remove. */
extern const char *const sandbox_calls_clean[];
/* Of the thread that reports, which must not wait for itself. */
extern const char *const sandbox_calls_report[];
/* With the socket that a flag allows. */
extern const char *const sandbox_calls_net[];
/* Of programs that are run. */
extern const char *const sandbox_calls_exec[];
/* Tried by libraries, which do without: fail as on a kernel without them. */
extern const char *const sandbox_calls_probes[];

/* What allows it, as text after ": ". */
const char *sandbox_calls_remedy(const char *name);

#endif
