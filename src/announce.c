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

static int announce_fd = -1;

static int
announce_fail(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "--ready-fd: %m");
	return -1;
}

int
announce_take(int fd)
{
	if (fd < 0)
		return 0;
	announce_fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (announce_fd < 0)
		return announce_fail();
	announce_close(fd);
	return 0;
}

int
announce_ready(const struct addr *const *bound, int count)
{
	char text[ADDR_TEXT_SIZE];
	FILE *file;
	int i;

	if (announce_fd < 0)
		return 0;
	file = fdopen(announce_fd, "w");
	announce_fd = -1;
	for (i = 0; file != NULL && i < count; i++)
		fprintf(file, "%s\n",
		    addr_text(
			&bound[i]->u.sa, bound[i]->len, text, sizeof(text)));
	return file != NULL && fclose(file) == 0 ? 0 : announce_fail();
}
