/* SPDX-License-Identifier: BSD-2-Clause */
/* What is logged while a test listens: two descriptors, closed again. */
#ifndef HEARD_H
#define HEARD_H

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

static char heard[4096];
static int heard_stderr, heard_memory;

static void
listen_to_stderr(void)
{
	heard_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	heard_memory = memfd_create("stderr", MFD_CLOEXEC);
	ck_assert_int_ge(heard_stderr, 0);
	ck_assert_int_ge(heard_memory, 0);
	dup2(heard_memory, STDERR_FILENO);
}

static void
restore_stderr(void)
{
	ssize_t len;

	dup2(heard_stderr, STDERR_FILENO);
	close(heard_stderr);
	len = pread(heard_memory, heard, sizeof(heard) - 1, 0);
	close(heard_memory);
	ck_assert_int_ge(len, 0);
	heard[len] = '\0';
}

#endif
