/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose files may become code of this process. */
#ifndef TRUST_H
#define TRUST_H

#include <stddef.h>

#include <bevhost/base.h>

/*
 * May what fd holds, which was opened at path, be run? The owner must be root,
 * this process's user, or one who could replace the running program anyway;
 * nobody else may write to it. As root, that holds for each folder above it
 * too. Returns 0, or -1 with what is wrong and what to do as text in why.
 */
int trust_check(
    int fd, const char *path, char *why, size_t size) BEVHOST_MUST_CHECK;

#endif
