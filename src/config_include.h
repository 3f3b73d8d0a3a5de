/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a configuration: which they are, and what they hold. */
#ifndef CONFIG_INCLUDE_H
#define CONFIG_INCLUDE_H

#include <stddef.h>

#include <bevhost/base.h>

/* A file that is being read, and what includes it. */
struct config_source {
	const struct config_source *parent;
	const char *path;
	unsigned long long device, inode;
	int depth;
	char *bytes; /* ended by '\0', of which it has no other */
	size_t len;
};

/*
 * Reads the whole file. Returns 0, or minus an exit status having logged, with
 * where, FILE:LINE or NULL, what is wrong. config_source_clear() is due either
 * way.
 */
int config_source_read(struct config_source *source, const char *path,
    const struct config_source *parent, const char *where) BEVHOST_MUST_CHECK;
void config_source_clear(struct config_source *source);

/* A path as it is written in a file: beside that, when it is relative. A copy,
   or NULL with errno. */
char *config_path(const char *file, const char *path) BEVHOST_MUST_CHECK;

/*
 * The files for a pattern, which is relative to the folder of path: sorted,
 * ended by NULL, for config_include_free(). Without one of *?[ it is the name
 * of a file, there or not; otherwise there may be none. NULL with errno.
 */
char **
config_include_expand(const char *path, const char *pattern) BEVHOST_MUST_CHECK;
void config_include_free(char **paths);

#endif
