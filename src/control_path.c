/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A service has a folder of its own, root one of the system, anybody else one
 * of his session, or at worst one in /tmp that is nobody else's.
 */
#include "control_path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROL_SYSTEM_DIR "/run/bevhost"

/* The first of a list that is separated by ':'; NULL when there is none. */
static const char *
control_runtime_dir(char *buf, size_t size)
{
	const char *list = getenv("RUNTIME_DIRECTORY");
	size_t len = list != NULL ? strcspn(list, ":") : 0;

	if (len == 0 || list[0] != '/' || len >= size)
		return NULL;
	memcpy(buf, list, len);
	buf[len] = '\0';
	return buf;
}

static const char *
control_user_dir(char *buf, size_t size)
{
	const char *session = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		snprintf(buf, size, "%s", CONTROL_SYSTEM_DIR);
	else if (session != NULL && session[0] == '/' &&
		 strlen(session) + sizeof("/bevhost") <= size)
		snprintf(buf, size, "%s/bevhost", session);
	else
		snprintf(buf, size, "/tmp/bevhost-%d", (int)geteuid());
	return buf;
}

const char *
control_dir(int n, char *buf, size_t size)
{
	if (control_runtime_dir(buf, size) != NULL && n-- == 0)
		return buf;
	if (n == 0)
		return control_user_dir(buf, size);
	if (n == 1 && geteuid() != 0) {
		snprintf(buf, size, "%s", CONTROL_SYSTEM_DIR);
		return buf;
	}
	return NULL;
}

int
control_path(const char *dir, pid_t pid, struct sockaddr_un *addr)
{
	int len;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%d.sock",
	    dir, (int)pid);
	return len < (int)sizeof(addr->sun_path) ? 0 : -ENAMETOOLONG;
}

int
control_make_dir(const char *dir)
{
	struct stat st;

	/* Who may look there may ask, and is told that he may not. */
	if (mkdir(dir, geteuid() == 0 ? 0755 : 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(dir, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == geteuid() && (st.st_mode & 022) == 0 ? 0 : -EPERM;
}
