/* SPDX-License-Identifier: BSD-2-Clause */
/* What the gates of a process share with those of all others. */
#include "gate_host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "counters.h"
#include "gate_own.h"
#include "limiter.h"
#include "log.h"
#include "settings_guard.h"
#include "settings_origin.h"
#include "settings_say.h"

struct gate_host gate_host;

/* Some are the host's own, and handlers have files, too. */
#define GATE_FILES 64

static void
gate_host_check_files(const char *where)
{
	int64_t wanted = gate_host.max_connections + GATE_FILES;
	char number[32];
	const struct settings_item item = {
		.name = "max-connections",
		.value = number,
		.where = (char *)(uintptr_t)where,
	};
	struct rlimit limit;

	if (gate_host.max_connections == 0 ||
	    getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur == RLIM_INFINITY ||
	    (int64_t)limit.rlim_cur >= wanted)
		return;
	snprintf(number, sizeof(number), "%" PRId64, gate_host.max_connections);
	settings_say(BEVHOST_LOG_WARNING, &item,
	    "a process may have no more than %" PRIu64
	    " open files: raise the hard limit (ulimit -Hn, LimitNOFILE=) to "
	    "%" PRId64 " at least",
	    (uint64_t)limit.rlim_cur, wanted);
}

void
gate_host_say_counts(void)
{
	const struct counters *counters = gate_host.counters;
	int i;

	for (i = 0; counters != NULL && i < LIMIT_COUNT; i++)
		if (counters->limited[i] + counters->spared[i] > 0)
			log_write(BEVHOST_LOG_DEBUG, NULL,
			    "%s: refused or delayed %" PRIu64
			    ", would have %" PRIu64,
			    limit_name((enum limit)i), counters->limited[i],
			    counters->spared[i]);
}

static int
gate_host_attach(int fd, int share)
{
	gate_host.limiter = limiter_attach(fd, share);
	return gate_host.limiter != NULL ? 0 : -1;
}

/* Nobody else counts there. */
static int
gate_host_attach_own(void)
{
	int fd = limiter_create(), status, saved_errno;

	if (fd < 0)
		return -1;
	status = gate_host_attach(fd, 1);
	saved_errno = errno;
	if (status == 0)
		limiter_open(gate_host.limiter, 1);
	close(fd);
	errno = saved_errno;
	return status;
}

int
gate_host_start(int fd, int share, struct counters *counters,
    const struct settings *settings)
{
	gate_host_end();
	gate_host.counters = counters;
	gate_host.max_connections = settings->max_connections;
	if ((fd < 0 ? gate_host_attach_own() : gate_host_attach(fd, share)) < 0)
		return -1;
	if (share == 1)
		gate_host_check_files(
		    settings_where(&settings->guard, "max-connections"));
	return 0;
}

void
gate_host_end(void)
{
	limiter_detach(gate_host.limiter);
	gate_host.limiter = NULL;
	gate_host.counters = NULL;
}
