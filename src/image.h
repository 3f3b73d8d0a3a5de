/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a file a shared object that this process can load? */
#ifndef IMAGE_H
#define IMAGE_H

#include <stddef.h>

#include <bevhost/base.h>

/*
 * Reads fd's headers by pread. Returns 0, or -1 with what is wrong as text
 * in why.
 */
int image_check(int fd, char *why, size_t size) BEVHOST_MUST_CHECK;

#endif
