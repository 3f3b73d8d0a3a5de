/* SPDX-License-Identifier: BSD-2-Clause */
/* What this process may do from some moment on, and cannot take back. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stddef.h>

#include <bevhost/base.h>

/* Beside what every worker needs. The first are the flags of manifests. */
enum {
	SANDBOX_CONNECT = 0x01,
	SANDBOX_NAMES = 0x02,
	SANDBOX_LISTEN = 0x04,
	SANDBOX_EXEC = 0x08,
	SANDBOX_CODE = 0x10,
	/* Of the host: which files, the paths say. */
	SANDBOX_FILES = 0x20, /* makes and writes files */
	SANDBOX_CLEAN = 0x40, /* removes files and folders */
	SANDBOX_CHILD = 0x80, /* signals what it has started before */
};

/* What may be done at a path, and below it. */
enum {
	SANDBOX_READ = 0x01,
	SANDBOX_WRITE = 0x02,	   /* and all else but running it */
	SANDBOX_ADD = 0x04,	   /* files to a folder, and to write them */
	SANDBOX_REMOVE = 0x08,	   /* files from a folder */
	SANDBOX_REMOVE_DIR = 0x10, /* empty folders from a folder */
	SANDBOX_RUN = 0x20,
};

struct sandbox_path {
	struct sandbox_path *next;
	unsigned may;
	char path[];
};

/* What would have been stopped: a call, maybe of a path (else NULL). */
struct sandbox_report {
	const char *call, *path;
	int main_thread; /* which waits meanwhile */
};

/* Zeroed at the beginning; to be cleared. */
struct sandbox {
	unsigned may;
	struct sandbox_path *paths;
	/* NULL: what is not allowed is stopped. Else it is allowed and said,
	   on a thread of its own. */
	void (*on_report)(const struct sandbox_report *report);
};

/* NULL or "" is no path. Each 0, or -1 with errno. */
int sandbox_add(
    struct sandbox *sandbox, unsigned may, const char *path) BEVHOST_MUST_CHECK;
/* The folder that the file is in. */
int sandbox_add_folder(
    struct sandbox *sandbox, unsigned may, const char *path) BEVHOST_MUST_CHECK;
void sandbox_clear(struct sandbox *sandbox);

/*
 * For this thread and those that it makes. Returns 0, or -1 when nothing is in
 * force; in either case what this system lacks is in missing as text, or "".
 */
int sandbox_enter(struct sandbox *sandbox, char *missing, size_t size);

/* On another thread that was there before: as far as it can be done for one
   alone. Nothing before sandbox_enter(). */
void sandbox_enter_thread(void);

/* Why a sandbox makes no sense in this process (valgrind, a sanitizer), or
   NULL. */
const char *sandbox_hindrance(void);

#endif
