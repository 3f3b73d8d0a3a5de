/* SPDX-License-Identifier: BSD-2-Clause */
/* Private copies of files, for as long as this process lives. */
#ifndef COPY_H
#define COPY_H

#include <stddef.h>
#include <sys/types.h>

#include <bevhost/base.h>

/*
 * Copies what fd holds to a file of this process's own, with `name` at its
 * end, and writes its path, unlike any other, to path. Returns 0, or -1 with
 * errno.
 */
int
copy_make(int fd, const char *name, char *path, size_t size) BEVHOST_MUST_CHECK;

/* Removes what a process made that has ended without doing so. */
void copy_remove_of(pid_t pid);

/* Removes all that copy_make made. */
void copy_remove_all(void);

/* The folder of what copy_make made, or "". */
const char *copy_folder(void);

/* copy_remove_all() leaves it to whoever started this process. */
void copy_leave(void);

#endif
