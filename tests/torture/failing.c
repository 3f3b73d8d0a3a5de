/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Put before libc by LD_PRELOAD: counts allocations, and makes those fail that
 * the file of $BEVHOST_TORTURE says. torture.py writes that file while the host
 * runs; its layout is that of struct failing.
 */
#include "failing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((constructor)) static void
failing_init(void)
{
	const char *path = getenv("BEVHOST_TORTURE");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(struct failing), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		failing_set(map);
}
