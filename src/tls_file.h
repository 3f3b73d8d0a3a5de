/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that settings of TLS name, read whole. */
#ifndef TLS_FILE_H
#define TLS_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include <bevhost/base.h>

struct settings_item;

struct tls_file {
	unsigned char *bytes;
	size_t len; /* 1 or more */
	mode_t mode;
};

/* The file that item names. 0, or -EX_NOINPUT having logged what is wrong with
   it; nothing waits, whatever it is. */
int tls_file_read(
    struct tls_file *file, const struct settings_item *item) BEVHOST_MUST_CHECK;
/* Wipes the bytes: they may be a key. */
void tls_file_clear(struct tls_file *file);

#endif
