/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder below $TMPDIR, named after the process, holds the copies, so that
 * debuggers and profilers find the code that runs by its name. A crash leaves
 * it behind, with the very code that crashed; the next start takes it away.
 * Where no code may be run from there, the copy lives in memory alone.
 */
#include "copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define COPY_PREFIX "bevhost-"

/* A crash leaves its copies, for whoever looks at the core. */
#define COPY_KEEP_S 3600

#define COPY_NAME_MAX 200 /* of NAME_MAX, and of what memfd_create takes */

static char copy_dir[PATH_MAX]; /* "" until it is made */
static unsigned copy_count;

static const char *
copy_parent(void)
{
	const char *parent = getenv("TMPDIR");

	return parent != NULL && parent[0] == '/' ? parent : "/tmp";
}

/* Removes a folder that has files only. */
static void
copy_remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(path);
}

/* Is this one of our folders, and the process dead that made it: the one with
   this id, or if it is 0 any that did so a while ago? */
static int
copy_is_stale(const char *path, const char *name, pid_t maker)
{
	struct stat st;
	char *end;
	long pid;

	if (strncmp(name, COPY_PREFIX, sizeof(COPY_PREFIX) - 1) != 0)
		return 0;
	pid = strtol(name + sizeof(COPY_PREFIX) - 1, &end, 10);
	if (pid <= 0 || pid > INT_MAX || *end != '-' ||
	    (maker != 0 && pid != maker) || lstat(path, &st) < 0 ||
	    !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return 0;
	if (kill((pid_t)pid, 0) == 0 || errno != ESRCH)
		return 0;
	return maker != 0 || time(NULL) - st.st_mtime >= COPY_KEEP_S;
}

static void
copy_remove_stale(const char *parent, pid_t maker)
{
	DIR *dir = opendir(parent);
	struct dirent *entry;
	char path[PATH_MAX];

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		if (copy_is_stale(path, entry->d_name, maker))
			copy_remove_dir(path);
	}
	closedir(dir);
}

static int
copy_make_dir(void)
{
	const char *parent = copy_parent();
	struct statvfs fs;

	if (copy_dir[0] != '\0')
		return 0;
	if (statvfs(parent, &fs) < 0 || (fs.f_flag & ST_NOEXEC))
		return -1;
	copy_remove_stale(parent, 0);
	snprintf(copy_dir, sizeof(copy_dir), "%s/" COPY_PREFIX "%ld-XXXXXX",
	    parent, (long)getpid());
	if (mkdtemp(copy_dir) == NULL) {
		copy_dir[0] = '\0';
		return -1;
	}
	return 0;
}

static int
copy_bytes(int from, int to)
{
	char buf[65536];
	off_t offset = 0;
	ssize_t n, done, written;

	for (;;) {
		n = pread(from, buf, sizeof(buf), offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		for (done = 0; done < n; done += written) {
			written = write(to, buf + done, (size_t)(n - done));
			if (written < 0 && errno != EINTR)
				return -1;
			if (written < 0)
				written = 0;
		}
		offset += n;
	}
}

static int
copy_to_dir(int fd, const char *name, char *path, size_t size)
{
	int copy, status, saved_errno;

	if (copy_make_dir() < 0)
		return -1;
	/* dlopen takes the same name for the same file. */
	snprintf(path, size, "%s/%u-%s", copy_dir, ++copy_count, name);
	copy = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (copy < 0)
		return -1;
	status = copy_bytes(fd, copy);
	saved_errno = errno;
	if (close(copy) < 0)
		status = -1;
	if (status < 0)
		unlink(path);
	errno = saved_errno;
	return status;
}

/* The descriptor stays open, so its number is never another file's. */
static int
copy_to_memory(int fd, const char *name, char *path, size_t size)
{
	int copy = memfd_create(name, MFD_CLOEXEC), saved_errno;

	if (copy < 0)
		return -1;
	if (copy_bytes(fd, copy) < 0) {
		saved_errno = errno;
		close(copy);
		errno = saved_errno;
		return -1;
	}
	snprintf(path, size, "/proc/%ld/fd/%d", (long)getpid(), copy);
	return 0;
}

int
copy_make(int fd, const char *name, char *path, size_t size)
{
	size_t len = strlen(name);

	if (len > COPY_NAME_MAX)
		name += len - COPY_NAME_MAX;
	if (copy_to_dir(fd, name, path, size) == 0)
		return 0;
	return copy_to_memory(fd, name, path, size);
}

void
copy_remove_of(pid_t pid)
{
	copy_remove_stale(copy_parent(), pid);
}

void
copy_remove_all(void)
{
	if (copy_dir[0] == '\0')
		return;
	copy_remove_dir(copy_dir);
	copy_dir[0] = '\0';
}

const char *
copy_folder(void)
{
	return copy_dir;
}

void
copy_leave(void)
{
	copy_dir[0] = '\0';
}
