/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch STAMP PID FILE...: waits until a FILE has changed, prints its name,
 * and ends with status 0; or until the process PID has ended, with status 3.
 * What changed after STAMP was touched, before this program began to watch,
 * counts too. A FILE that ends in / is a folder, of which the sources and
 * headers count that are written anew. For `bevhost-dev run'.
 *
 * Editors write a new file and rename it, so what is watched are the folders.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

/* Who saves one file may be about to save another. */
#define WATCH_QUIET_MS 100
/* A folder that is not there may come back. */
#define WATCH_RETRY_MS 500
#define WATCH_ENDED    3
#define WATCH_EVENTS   (IN_CLOSE_WRITE | IN_MOVED_TO)

struct watch {
	const char *file; /* as it was given */
	char *folder;
	char *name; /* NULL: all sources and headers in the folder */
	int wd;	    /* -1: its folder is not there */
};

static struct watch *watches;
static int watch_count;
static int watch_fd;

static int
watch_fail(const char *what)
{
	fprintf(stderr, "bevhost-dev: watching %s: %s%s\n", what,
	    strerror(errno),
	    errno == ENOSPC || errno == EMFILE
		? ": raise /proc/sys/fs/inotify/max_user_* or end what "
		  "watches much"
		: "");
	return EX_OSERR;
}

static int
watch_init(struct watch *watch, const char *file)
{
	char *path = realpath(file, NULL);
	char *slash;

	if (path == NULL)
		path = strdup(file);
	if (path == NULL)
		return -1;
	watch->file = file;
	watch->wd = -1;
	if (file[strlen(file) - 1] == '/') {
		watch->folder = path;
		return 0;
	}
	slash = strrchr(path, '/');
	if (slash != NULL)
		*slash = '\0';
	watch->folder = strdup(slash == NULL   ? "."
			       : slash == path ? "/"
					       : path);
	watch->name = strdup(slash == NULL ? path : slash + 1);
	free(path);
	return watch->folder != NULL && watch->name != NULL ? 0 : -1;
}

/* Returns how many folders are not there, or -1. */
static int
watch_add_all(void)
{
	int i, missing = 0;

	for (i = 0; i < watch_count; i++) {
		if (watches[i].wd >= 0)
			continue;
		watches[i].wd = inotify_add_watch(
		    watch_fd, watches[i].folder, WATCH_EVENTS);
		if (watches[i].wd >= 0)
			continue;
		if (errno != ENOENT && errno != ENOTDIR)
			return -1;
		missing++;
	}
	return missing;
}

static int
watch_is_source(const char *name)
{
	static const char *const ends[] = { ".c", ".h", ".cc", ".cpp", ".cxx",
		".hh", ".hpp" };
	const char *end = strrchr(name, '.');
	size_t i;

	for (i = 0; end != NULL && i < sizeof(ends) / sizeof(*ends); i++)
		if (strcmp(end, ends[i]) == 0)
			return 1;
	return 0;
}

/* What is said of an event in the folder, or NULL: it is not meant. */
static const char *
watch_meant(const struct watch *watch, const char *name)
{
	static char path[PATH_MAX];

	if (watch->name != NULL)
		return strcmp(name, watch->name) == 0 ? watch->file : NULL;
	if (!watch_is_source(name))
		return NULL;
	snprintf(path, sizeof(path), "%s%s",
	    strcmp(watch->file, "./") == 0 ? "" : watch->file, name);
	return path;
}

/* By the time of the change of the inode: a rename keeps that of the data. */
static int
watch_is_newer(const char *path, const struct timespec *since)
{
	struct stat st;

	return stat(path, &st) == 0 &&
	       (st.st_ctim.tv_sec > since->tv_sec ||
		   (st.st_ctim.tv_sec == since->tv_sec &&
		       st.st_ctim.tv_nsec > since->tv_nsec));
}

static const char *
watch_find_newer_in(const struct watch *watch, const struct timespec *since)
{
	const char *found = NULL;
	struct dirent *entry;
	DIR *dir = opendir(watch->folder);

	if (dir == NULL)
		return NULL;
	while (found == NULL && (entry = readdir(dir)) != NULL) {
		found = watch_meant(watch, entry->d_name);
		if (found != NULL && !watch_is_newer(found, since))
			found = NULL;
	}
	closedir(dir);
	return found;
}

static const char *
watch_find_newer(const struct timespec *since)
{
	const char *found = NULL;
	int i;

	for (i = 0; i < watch_count && found == NULL; i++)
		if (watches[i].name == NULL)
			found = watch_find_newer_in(&watches[i], since);
		else if (watch_is_newer(watches[i].file, since))
			found = watches[i].file;
	return found;
}

static const char *
watch_match(const struct inotify_event *event)
{
	const char *meant = NULL;
	int i;

	for (i = 0; i < watch_count && meant == NULL; i++) {
		if (watches[i].wd != event->wd)
			continue;
		if (event->mask & IN_IGNORED)
			watches[i].wd = -1;
		else if (event->len > 0)
			meant = watch_meant(&watches[i], event->name);
	}
	/* What was lost may have been ours. */
	return event->mask & IN_Q_OVERFLOW ? watches[0].file : meant;
}

/* The file of the first event that is ours, or NULL. */
static const char *
watch_read(void)
{
	union {
		struct inotify_event event;
		char bytes[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	} buffer;
	const struct inotify_event *event;
	const char *file = NULL, *found;
	const char *at = buffer.bytes, *end;
	ssize_t len = read(watch_fd, buffer.bytes, sizeof(buffer.bytes));

	for (end = at + (len > 0 ? len : 0); at < end;
	     at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)(const void *)at;
		found = watch_match(event);
		if (file == NULL)
			file = found;
	}
	return file;
}

static int
watch_say(const char *file)
{
	return puts(file) < 0 || fflush(stdout) != 0 ? EX_IOERR : 0;
}

static int
watch_loop(struct pollfd *fds, const struct timespec *since)
{
	const char *file, *first = NULL;
	int missing, timeout_ms, ready;

	for (;;) {
		missing = watch_add_all();
		if (missing < 0)
			return watch_fail("files");
		file = first == NULL ? watch_find_newer(since) : NULL;
		if (file != NULL)
			first = file;
		timeout_ms = first != NULL ? WATCH_QUIET_MS
			     : missing > 0 ? WATCH_RETRY_MS
					   : -1;
		ready = poll(fds, 2, timeout_ms);
		if (ready < 0 && errno != EINTR)
			return watch_fail("files");
		if (ready == 0 && first != NULL)
			return watch_say(first);
		if (ready > 0 && fds[1].revents != 0)
			return WATCH_ENDED;
		if (ready > 0 && (file = watch_read()) != NULL && first == NULL)
			first = file;
	}
}

int
main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct stat stamp;
	int i;

	if (argc < 4) {
		fputs("usage: watch STAMP PID FILE...\n", stderr);
		return EX_USAGE;
	}
	if (stat(argv[1], &stamp) < 0)
		return watch_fail(argv[1]);
	watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch_fd < 0)
		return watch_fail("files");
	/* Without such descriptors its end is seen at the next change. */
	fds[0].fd = watch_fd;
	fds[1].fd = (int)syscall(SYS_pidfd_open, (pid_t)atoi(argv[2]), 0);
	if (fds[1].fd < 0 && errno == ESRCH)
		return WATCH_ENDED;
	watch_count = argc - 3;
	watches = calloc((size_t)watch_count, sizeof(*watches));
	if (watches == NULL)
		return watch_fail("files");
	for (i = 0; i < watch_count; i++)
		if (watch_init(&watches[i], argv[i + 3]) < 0)
			return watch_fail(argv[i + 3]);
	return watch_loop(fds, &stamp.st_ctim);
}
