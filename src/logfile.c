/* SPDX-License-Identifier: BSD-2-Clause */
/* One writer, one descriptor: whoever else writes there is in the file too. */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

int
logfile_open(const char *path)
{
	int fd;

	if (path == NULL)
		return 0;
	/* A pipe that nobody reads is refused instead of waited for. */
	fd = open(path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    0640);
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_APPEND);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
		log_write(
		    BEVHOST_LOG_ERROR, NULL, "cannot log to '%s': %m", path);
		if (fd >= 0)
			close(fd);
		return -EX_CANTCREAT;
	}
	close(fd);
	return 0;
}
