/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code that a process loads can do all that the process may: whoever can
 * change the file, or put another in its place, is one to be trusted. That
 * the program itself is run says whom: its owner, and those of the folders
 * that it is in. So a checkout of somebody else may be built and tried by
 * root, who runs what is in it anyway.
 */
#include "trust.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRUST_DEPTH_MAX 64 /* folders above the program that count */

/* Those who could replace the program: it, and all folders above it. */
static struct stat trust_program[TRUST_DEPTH_MAX];
static int trust_program_count = -1;

/* Cuts the last name off path. 0: that was the root. */
static int
trust_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL || path[1] == '\0')
		return 0;
	slash[slash == path] = '\0';
	return 1;
}

static void
trust_find_program(void)
{
	static const char gone[] = " (deleted)";
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	trust_program_count = 0;
	if (len <= 0 || stat("/proc/self/exe", &trust_program[0]) < 0)
		return;
	trust_program_count = 1;
	path[len] = '\0';
	if (len > (ssize_t)sizeof(gone) &&
	    strcmp(path + len - (sizeof(gone) - 1), gone) == 0)
		path[len - (ssize_t)(sizeof(gone) - 1)] = '\0';
	while (trust_program_count < TRUST_DEPTH_MAX && trust_up(path))
		if (stat(path, &trust_program[trust_program_count]) == 0)
			trust_program_count++;
}

static int
trust_is_owner(uid_t uid)
{
	int i;

	if (uid == 0 || uid == geteuid())
		return 1;
	for (i = 0; i < trust_program_count; i++)
		if (trust_program[i].st_uid == uid)
			return 1;
	return 0;
}

/* Can its members write where the program is? */
static int
trust_is_group(gid_t gid)
{
	int i;

	if (gid == 0)
		return 1;
	for (i = 0; i < trust_program_count; i++)
		if (trust_program[i].st_gid == gid &&
		    (trust_program[i].st_mode & S_IWGRP))
			return 1;
	return 0;
}

static int
trust_is_above_program(const struct stat *st)
{
	int i;

	for (i = 0; i < trust_program_count; i++)
		if (trust_program[i].st_dev == st->st_dev &&
		    trust_program[i].st_ino == st->st_ino)
			return 1;
	return 0;
}

/* In a folder that is sticky nobody can touch what is another's. */
static int
trust_is_sticky(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);
}

/* What is wrong with it, or NULL; *todo is what would help. */
static const char *
trust_look(const struct stat *st, char *todo, size_t size)
{
	static char text[96];

	if (!trust_is_owner(st->st_uid)) {
		snprintf(text, sizeof(text), "is owned by user %u",
		    (unsigned)st->st_uid);
		snprintf(todo, size, "chown %s it",
		    geteuid() == 0 ? "root" : "root, or yourself,");
	} else if ((st->st_mode & S_IWOTH) && !trust_is_sticky(st)) {
		snprintf(text, sizeof(text), "is writable by everybody");
		snprintf(todo, size, "chmod o-w it");
	} else if (geteuid() == 0 && (st->st_mode & S_IWGRP) &&
		   !trust_is_sticky(st) && !trust_is_group(st->st_gid)) {
		snprintf(text, sizeof(text), "is writable by group %u",
		    (unsigned)st->st_gid);
		snprintf(todo, size, "chmod g-w it");
	} else {
		return NULL;
	}
	return text;
}

static const char *
trust_danger(void)
{
	return geteuid() == 0 ? "could change what runs as root"
			      : "could change what runs here";
}

static int
trust_check_file(const struct stat *st, char *why, size_t size)
{
	char todo[64];
	const char *wrong = trust_look(st, todo, sizeof(todo));

	if (wrong == NULL)
		return 0;
	snprintf(why, size, "%s, who %s (%s)", wrong, trust_danger(), todo);
	return -1;
}

/* Each folder that the file is in, whatever links led there. */
static int
trust_check_folders(char *path, char *why, size_t size)
{
	char todo[64];
	const char *wrong;
	struct stat st;

	while (trust_up(path)) {
		if (lstat(path, &st) < 0) {
			snprintf(why, size, "is in '%s': %m", path);
			return -1;
		}
		if (trust_is_above_program(&st))
			continue;
		wrong = trust_look(&st, todo, sizeof(todo));
		if (wrong != NULL) {
			snprintf(why, size,
			    "is in the folder '%s', which %s, who %s (%s)",
			    path, wrong, trust_danger(), todo);
			return -1;
		}
	}
	return 0;
}

/* The path without links, of the very file that is open. */
static char *
trust_resolve(const struct stat *opened, const char *path)
{
	char *real = realpath(path, NULL);
	struct stat st;

	if (real != NULL && lstat(real, &st) == 0 &&
	    st.st_dev == opened->st_dev && st.st_ino == opened->st_ino)
		return real;
	free(real);
	return NULL;
}

int
trust_check(int fd, const char *path, char *why, size_t size)
{
	struct stat st;
	char *real;
	int status;

	if (trust_program_count < 0)
		trust_find_program();
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(why, size, "is no regular file");
		return -1;
	}
	status = trust_check_file(&st, why, size);
	if (status < 0 || geteuid() != 0)
		return status;
	real = trust_resolve(&st, path);
	if (real == NULL) {
		snprintf(
		    why, size, "was replaced while it was opened (try again)");
		return -1;
	}
	status = trust_check_folders(real, why, size);
	free(real);
	return status;
}
