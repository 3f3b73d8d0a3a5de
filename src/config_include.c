/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the files of a configuration. They are read whole before anything
 * looks at them, so that what cannot be a configuration is refused early.
 */
#include "config_include.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

#define CONFIG_SIZE_MAX	 (4 << 20)
#define CONFIG_DEPTH_MAX 16
#define CONFIG_WAIT_MS	 5000 /* for a pipe */

static int
config_source_fail(const char *path, const char *where, const char *why)
{
	if (where != NULL)
		log_write(BEVHOST_LOG_ERROR, NULL, "%s: include '%s': %s",
		    where, path, why);
	else
		log_write(BEVHOST_LOG_ERROR, NULL, "%s: %s", path, why);
	return -1;
}

/* A pipe that somebody writes to will do, but nobody waits for it for long: a
   reload is read by the process that looks after all others. */
static int
config_source_wait(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int count = poll(&poll_fd, 1, CONFIG_WAIT_MS);

	if (count > 0)
		return 0;
	if (count == 0)
		errno = ETIMEDOUT;
	return count < 0 && errno == EINTR ? 0 : -1;
}

static int
config_source_read_fd(struct config_source *source, int fd)
{
	size_t size = 0;
	char *grown;
	ssize_t len;

	for (;;) {
		if (size - source->len < 4096) {
			size = size ? size * 2 : 16384;
			grown = realloc(source->bytes, size);
			if (grown == NULL)
				return -1;
			source->bytes = grown;
		}
		len = read(
		    fd, source->bytes + source->len, size - source->len - 1);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN && config_source_wait(fd) == 0)
			continue;
		if (len < 0)
			return -1;
		if (len == 0)
			break;
		source->len += (size_t)len;
		errno = EFBIG;
		if (source->len > CONFIG_SIZE_MAX)
			return -1;
	}
	source->bytes[source->len] = '\0';
	return 0;
}

static int
config_source_open(struct config_source *source, const char *where)
{
	int fd =
	    open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int status, saved_errno;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		config_source_fail(source->path, where, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -EX_NOINPUT;
	}
	source->device = st.st_dev;
	source->inode = st.st_ino;
	status = config_source_read_fd(source, fd);
	saved_errno = errno;
	close(fd);
	/* A pipe without a writer is no empty configuration. */
	if (status == 0 && S_ISFIFO(st.st_mode) && source->len == 0) {
		status = -1;
		saved_errno = ENODATA;
	}
	if (status == 0)
		return 0;
	config_source_fail(source->path, where,
	    saved_errno == EFBIG ? "it is larger than 4 MB"
				 : strerror(saved_errno));
	return -EX_NOINPUT;
}

static int
config_source_check_nul(const struct config_source *source)
{
	const char *at = source->bytes, *nul = at + strlen(at);
	int line = 1;

	if (nul == source->bytes + source->len)
		return 0;
	for (; at < nul; at++)
		line += *at == '\n';
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "%s:%d: there is a NUL byte: this is no configuration file",
	    source->path, line);
	return -EX_CONFIG;
}

/* The same file may be included twice, but not by itself. */
static int
config_source_check_cycle(const struct config_source *source, const char *where)
{
	const struct config_source *above = source->parent;

	if (source->depth > CONFIG_DEPTH_MAX) {
		config_source_fail(
		    source->path, where, "it is more than 16 files deep");
		return -EX_CONFIG;
	}
	for (; above != NULL; above = above->parent)
		if (above->device == source->device &&
		    above->inode == source->inode) {
			config_source_fail(
			    source->path, where, "it includes itself");
			return -EX_CONFIG;
		}
	return 0;
}

int
config_source_read(struct config_source *source, const char *path,
    const struct config_source *parent, const char *where)
{
	int status;

	memset(source, 0, sizeof(*source));
	source->path = path;
	source->parent = parent;
	source->depth = parent != NULL ? parent->depth + 1 : 0;
	status = config_source_open(source, where);
	if (status == 0)
		status = config_source_check_cycle(source, where);
	if (status == 0)
		status = config_source_check_nul(source);
	return status;
}

void
config_source_clear(struct config_source *source)
{
	free(source->bytes);
	source->bytes = NULL;
}

char *
config_path(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *whole;
	int len;

	if (path[0] == '/' || path[0] == '\0' || slash == NULL)
		return strdup(path);
	len = asprintf(&whole, "%.*s/%s", (int)(slash - file), file, path);
	return len < 0 ? NULL : whole;
}

/* What glob() found, in a list of our own. */
static char **
config_include_copy(char *const *found, size_t count)
{
	char **paths = calloc(count + 1, sizeof(*paths));
	size_t i;

	for (i = 0; paths != NULL && i < count; i++) {
		paths[i] = strdup(found[i]);
		if (paths[i] == NULL) {
			config_include_free(paths);
			return NULL;
		}
	}
	return paths;
}

char **
config_include_expand(const char *path, const char *pattern)
{
	char *whole = config_path(path, pattern), **paths = NULL;
	glob_t found = { .gl_pathc = 0 };
	int status;

	if (whole == NULL)
		return NULL;
	if (strpbrk(pattern, "*?[") == NULL) {
		paths = config_include_copy(&whole, 1);
	} else {
		status = glob(whole, GLOB_ERR, NULL, &found);
		/* A folder that is not there has no files. */
		if (status == 0 || status == GLOB_NOMATCH ||
		    (status == GLOB_ABORTED && errno == ENOENT))
			paths =
			    config_include_copy(found.gl_pathv, found.gl_pathc);
		else if (status == GLOB_NOSPACE)
			errno = ENOMEM;
		globfree(&found);
	}
	free(whole);
	return paths;
}

void
config_include_free(char **paths)
{
	char **path = paths;

	for (; path != NULL && *path != NULL; path++)
		free(*path);
	free(paths);
}
