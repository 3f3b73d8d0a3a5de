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
	/* What a service asks is its own. */
	if (control_runtime_dir(buf, size) != NULL)
		return n == 0 ? buf : NULL;
	if (n == 0)
		return control_user_dir(buf, size);
	if (n == 1 && geteuid() != 0) {
		snprintf(buf, size, "%s", CONTROL_SYSTEM_DIR);
		return buf;
	}
	return NULL;
}

const char *
control_dir_of(uid_t uid, int n, char *buf, size_t size)
{
	/* His XDG_RUNTIME_DIR is not known; this is what it usually is. */
	if (n == 0)
		snprintf(buf, size, "/run/user/%d/bevhost", (int)uid);
	else if (n == 1)
		snprintf(buf, size, "/tmp/bevhost-%d", (int)uid);
	return n < 2 ? buf : NULL;
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

pid_t
control_pid(const char *name)
{
	char *end;
	long pid;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	errno = 0;
	pid = strtol(name, &end, 10);
	return errno == 0 && pid <= INT_MAX && strcmp(end, ".sock") == 0
		   ? (pid_t)pid
		   : 0;
}

int
control_connect(const char *dir, pid_t pid)
{
	struct sockaddr_un addr;
	int status = control_path(dir, pid, &addr), fd;

	if (status < 0)
		return status;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	status = -errno;
	close(fd);
	return status;
}

/* A folder, not a link to one, of this user or one that may be its owner. */
static int
control_check(const char *dir, uid_t other)
{
	struct stat st;

	if (lstat(dir, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return (st.st_uid == geteuid() || st.st_uid == other) &&
		       (st.st_mode & 022) == 0
		   ? 0
		   : -EPERM;
}

int
control_check_dir(const char *dir)
{
	/* Only root gives this one away: to the user of a service. */
	if (strcmp(dir, CONTROL_SYSTEM_DIR) == 0)
		return 0;
	return control_check(dir, 0);
}

int
control_check_dir_of(const char *dir, uid_t uid)
{
	return control_check(dir, uid);
}

int
control_make_dir(const char *dir)
{
	/* Whoever may look there finds the master, and is told that he may not
	   ask it. */
	mode_t mode = strcmp(dir, CONTROL_SYSTEM_DIR) == 0 ? 0755 : 0700;

	if (mkdir(dir, mode) < 0 && errno != EEXIST)
		return -errno;
	return control_check(dir, geteuid());
}
