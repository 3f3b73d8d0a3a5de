/* SPDX-License-Identifier: BSD-2-Clause */
/* --ready-fd and its line in the log. */
#include "announce.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

void
announce_listening(const struct addr *bound, const char *plugin)
{
	char text[ADDR_TEXT_SIZE];

	log_write(BEVHOST_LOG_NOTICE, NULL, "listening on %s (%s)",
	    addr_text(&bound->u.sa, bound->len, text, sizeof(text)), plugin);
}

/* The number of a standard descriptor must not become a connection's. */
static void
announce_close(int fd)
{
	int null;

	if (fd > STDERR_FILENO) {
		close(fd);
		return;
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, fd);
		close(null);
	}
}

int
announce_ready(int fd, const struct addr *const *bound, int count)
{
	char text[ADDR_TEXT_SIZE];
	int copy, i;
	FILE *file;

	if (fd < 0)
		return 0;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	announce_close(fd);
	file = copy >= 0 ? fdopen(copy, "w") : NULL;
	for (i = 0; file != NULL && i < count; i++)
		fprintf(file, "%s\n",
		    addr_text(
			&bound[i]->u.sa, bound[i]->len, text, sizeof(text)));
	if (file != NULL && fclose(file) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "--ready-fd=%d: %m", fd);
	return -1;
}
