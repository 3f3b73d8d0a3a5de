/* SPDX-License-Identifier: BSD-2-Clause */
#include "cpu.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#define CPU_PAUSE_NS   12000000 /* longer than a tick of the scheduler */
#define CPU_PAUSES_MAX 40

/* Calls each(tid, arg) for all threads. */
static void
cpu_each_thread(pid_t pid, void (*each)(pid_t tid, void *arg), void *arg)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		err(EX_UNAVAILABLE, "the server has ended: %s", path);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			each((pid_t)atoi(entry->d_name), arg);
	closedir(dir);
}

static void
cpu_pin(pid_t tid, void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(*(size_t *)arg, &set);
	/* Without it the figures are worse, not wrong. */
	sched_setaffinity(tid, sizeof(set), &set);
}

void
cpu_part(pid_t server)
{
	cpu_set_t set;
	size_t i, count = 0, first = 0, last = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			first = count++ > 0 ? first : i;
			last = i;
		}
	if (count < 2)
		return;
	cpu_each_thread(server, cpu_pin, &first);
	cpu_pin(0, &last);
}

static void
cpu_add(pid_t tid, void *arg)
{
	uint64_t *sum = arg, ns = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)tid);
	file = fopen(path, "re");
	if (file == NULL || fscanf(file, "%" SCNu64, &ns) != 1)
		err(EX_UNAVAILABLE, "the kernel does not tell the CPU time: %s",
		    path);
	fclose(file);
	*sum += ns;
}

uint64_t
cpu_at_rest_ns(pid_t server)
{
	const struct timespec pause = { .tv_nsec = CPU_PAUSE_NS };
	uint64_t before = UINT64_MAX, now = 0;
	int i;

	/* One with timers of its own need not come to a full stop. */
	for (i = 0; i < CPU_PAUSES_MAX; i++) {
		now = 0;
		cpu_each_thread(server, cpu_add, &now);
		if (now == before)
			break;
		before = now;
		nanosleep(&pause, NULL);
	}
	return now;
}
