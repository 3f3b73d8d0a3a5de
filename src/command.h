/* SPDX-License-Identifier: BSD-2-Clause */
/* The COMMAND of --run: serves while it runs. */
#ifndef COMMAND_H
#define COMMAND_H

#include <sys/resource.h>
#include <sys/types.h>

#include <event2/event.h>

#include "addr.h"

struct command {
	pid_t pid;  /* 0 when it has ended */
	int status; /* exit status, 128 + signal when killed */
	struct event *child;
	void (*on_end)(void *arg);
	void *arg;
};

/*
 * Runs text by sh, with BEVHOST_HOST, BEVHOST_PORT and BEVHOST_ADDRESS set
 * from the bound address, and with the limit of open files that the
 * host was given. Returns 0, or -1 having logged.
 */
int command_start(struct command *command, const char *text,
    const struct addr *bound, const struct rlimit *files,
    struct event_base *base, void (*on_end)(void *arg),
    void *arg) BEVHOST_MUST_CHECK;

/* Ends it if it still runs, and waits for it. */
void command_clear(struct command *command);

#endif
