/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker's place in a generation: its process comes and goes. */
#ifndef SLOT_H
#define SLOT_H

#include <sys/types.h>

#include "ipc.h"
#include "settings.h"

struct event;
struct event_base;
struct limiter;
struct order;
struct slot;
struct spawn;
struct stats;
struct tickets;

enum slot_state {
	SLOT_EMPTY,    /* no process */
	SLOT_STARTING, /* it loads */
	SLOT_READY,    /* it could serve */
	SLOT_SERVING,  /* it accepts */
	SLOT_ENDING    /* it drains */
};

/* What the slots of a master have in common, and whom they tell. */
struct slot_host {
	struct event_base *base;
	const struct spawn *spawn;
	struct stats *stats;
	struct limiter *limiter; /* of its processes */
	struct tickets *tickets; /* their keys */
	void (*on_ready)(struct slot *slot);
	void (*on_say)(struct slot *slot, const char *text);
	/* Before it is ready. Takes fd. */
	void (*on_code)(
	    struct slot *slot, int64_t handler, const char *path, int fd);
	/* The process has been waited for. */
	void (*on_end)(struct slot *slot, int status);
};

struct slot {
	const struct slot_host *host;
	void *generation; /* whose slot it is */
	int number;	  /* from 1, in its generation */
	char name[96];	  /* "worker 1 (generation 7)" */
	char worker_group[SETTINGS_GROUP_SIZE];
	int index, of; /* among the workers of its group */
	int cpu;       /* or -1 */

	enum slot_state state;
	pid_t pid;
	int share; /* of the stats, of this process, or -1 */
	int ipc;
	struct event *ipc_event;
	int64_t started_ms;
	pid_t ended_pid;   /* the process that ended */
	int crash_handler; /* and whose code ran when it crashed, or -1 */

	int deaths; /* one after the other */
	int64_t died_ms;
	struct event *timer;   /* starts the next process */
	int64_t stall_said_ms; /* when, in this stall; 0: it beats */
	int stall_killed;
};

/* Which program, the counters and limits of its processes, and the keys of
   tickets. 0, or -1 with errno; slot_host_clear() is due either way. */
int slot_host_init(
    struct slot_host *host, struct event_base *base) BEVHOST_MUST_CHECK;
void slot_host_clear(struct slot_host *host);

/* The counters' memory, for the program that follows; and that of the one
   before this, before a process of it is adopted. size tells layouts apart. */
int slot_host_stats(const struct slot_host *host, size_t *size);
int slot_host_adopt_stats(struct slot_host *host, int fd) BEVHOST_MUST_CHECK;

/* Starts a process. 0, or -1 having logged. */
int slot_start(struct slot *slot, const struct settings *settings,
    struct order *order, const int *sockets) BEVHOST_MUST_CHECK;

/* fd stays the caller's; -1 is none. A worker that does not read gets none. */
int slot_send(
    struct slot *slot, enum ipc_type type, int64_t one, int64_t two, int fd);
int slot_send_message(struct slot *slot, const struct ipc_message *message);

/* Has its process ended? Then calls on_end. */
void slot_reap(struct slot *slot);

/* Adopts a process that the program before this one started. */
int slot_adopt(struct slot *slot) BEVHOST_MUST_CHECK;

void slot_kill(struct slot *slot, int number);

/* No process may be left. */
void slot_clear(struct slot *slot);

static inline int
slot_is_alive(const struct slot *slot)
{
	return slot->state != SLOT_EMPTY;
}

#endif
