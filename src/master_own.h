/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the master. */
#ifndef MASTER_OWN_H
#define MASTER_OWN_H

#include <stdlib.h>

#include <event2/event.h>

#include "generations.h"
#include "options.h"

struct control_request;
struct upgrade;

#define MASTER_SIGNALS	6
#define MASTER_REQUESTS 64

/* Reloads that were asked for by bevhost --reload, and wait for an answer. */
struct master_requests {
	struct control_request *list[MASTER_REQUESTS];
	int count;
};

struct master {
	const struct options *options; /* of the start */
	int argc;
	char **argv;
	struct event_base *base;
	struct event *signals[MASTER_SIGNALS];
	struct event *reload; /* outside of what it changes */
	struct generations *generations;
	struct generations_owner owner;
	struct upgrade *upgrade;		/* NULL: none can be */
	struct master_requests asked, answered; /* later, and now */
	char *log_file;				/* in use, or NULL */

	int testing;  /* it never serves */
	int started;  /* it has served */
	int stopping; /* TERM came */
	int again;    /* a reload is due after the one that is under way */
	int status;   /* to exit with */
};

/* The first generation serves. */
void master_on_started(struct master *master);

/* What workers become, by the settings. 0 or an exit status. */
int master_find_privileges(
    struct master *master, const struct settings *settings) BEVHOST_MUST_CHECK;

/* path, or NULL: standard error is as it was. */
void master_reopen_log(struct master *master, const char *path);

/* Asks for a reload, and what follows from one. */
void master_reload(struct master *master);
void master_on_reload(evutil_socket_t fd, short what, void *arg);
void master_on_request(void *arg, struct control_request *request);
void master_on_result(void *arg, int exit_status, const char *text);

#endif
