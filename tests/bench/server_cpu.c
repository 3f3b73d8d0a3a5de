/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Reads /proc/PID/task/TID/schedstat of every thread of the server: the first
 * field is the time on the CPU in nanoseconds.  Of a thread that is running
 * it may be a scheduler tick late, so it is read when the server has nothing
 * to do.
 */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "server_cpu.h"

#define PATH_BYTES 64

/* Longer than a tick, or a busy server would look at rest. */
#define PAUSE_NS   12000000
#define PAUSES_MAX 40

static int
server_cpu_thread_ns(pid_t pid, const char *thread, uint64_t *cpu_ns)
{
	char path[PATH_BYTES];
	FILE *file;
	int length, fields;

	length = snprintf(path, sizeof(path), "/proc/%ld/task/%s/schedstat",
	    (long)pid, thread);
	if (length < 0 || (size_t)length >= sizeof(path))
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (file == NULL)
		return -errno;
	fields = fscanf(file, "%" SCNu64, cpu_ns);
	fclose(file);
	return fields == 1 ? 0 : -EIO;
}

static int
server_cpu_ns(pid_t pid, uint64_t *cpu_ns)
{
	char path[PATH_BYTES];
	struct dirent *entry;
	uint64_t thread_ns;
	DIR *directory;
	int result = 0;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)pid);
	directory = opendir(path);
	if (directory == NULL)
		return -errno;
	*cpu_ns = 0;
	while (result == 0 && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		result = server_cpu_thread_ns(pid, entry->d_name, &thread_ns);
		if (result == 0)
			*cpu_ns += thread_ns;
	}
	closedir(directory);
	return result;
}

int
server_cpu_at_rest_ns(pid_t pid, uint64_t *cpu_ns)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	uint64_t before_ns = UINT64_MAX;
	int i, result;

	/* A server with timers of its own need not come to a full stop. */
	for (i = 0; i < PAUSES_MAX; i++) {
		result = server_cpu_ns(pid, cpu_ns);
		if (result != 0 || *cpu_ns == before_ns)
			return result;
		before_ns = *cpu_ns;
		nanosleep(&pause, NULL);
	}
	return 0;
}
