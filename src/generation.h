/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The workers that one (re)load has started.
 *
 *	STARTING --all ready--> CANARY --> SERVING --a successor--> DRAINING
 *	    |                     |                                    |
 *	    +---one failed--------+--> ENDING <-- TERM ---- all -------+
 *
 * ENDING is over, as DRAINING is, with the last process; then it is freed.
 */
#ifndef GENERATION_H
#define GENERATION_H

#include <sys/queue.h>

#include "slot.h"

struct endpoint;
struct endpoints;
struct generation;
struct generation_code;
struct privileges;

enum generation_state {
	GENERATION_STARTING,
	GENERATION_CANARY, /* ready, with a share of the new connections */
	GENERATION_SERVING,
	GENERATION_DRAINING,
	GENERATION_ENDING /* it failed, or the host stops */
};

/* What generations have in common, and whom they tell. */
struct generation_host {
	struct slot_host slots; /* on_* are the generations' */
	struct endpoints *endpoints;
	/* That workers of a new generation drop to, or NULL: it has a copy. */
	const struct privileges *privileges;
	void (*on_ready)(struct generation *generation);  /* each worker is */
	void (*on_failed)(struct generation *generation); /* STARTING, CANARY */
	/* Nothing of it is left: generation_free() is due, but not inside. */
	void (*on_ended)(struct generation *generation);
};

struct generation_binding {
	struct endpoint *endpoint;
	int handler;
};

/* How often a handler's code took its worker down. */
struct generation_crashes {
	int count;
	int64_t last_ms;
};

struct generation {
	TAILQ_ENTRY(generation) entry;
	struct generation_host *host;
	int number;
	enum generation_state state;
	int test;   /* it says whether it could serve, and ends */
	int orphan; /* its settings are not known */
	struct privileges *privileges; /* that its workers drop to, or NULL */
	struct settings settings;
	struct generation_binding *bindings;
	int binding_count;
	struct slot *slots;
	int slot_count;
	struct generation_code *code;	    /* of each handler */
	struct generation_crashes *crashes; /* likewise */
	struct event *timer;		    /* of starting, then of ending */
	char why[IPC_TEXT_SIZE]; /* the first error of a worker that started */
	const struct slot *why_of; /* that worker, or NULL */
	int exit_status;	   /* what the host would end with for that */
};

TAILQ_HEAD(generation_list, generation);

/* Takes settings, which is cleared. NULL with errno: no memory. */
struct generation *generation_new(struct generation_host *host, int number,
    struct settings *settings) BEVHOST_MUST_CHECK;

/*
 * Finds or binds what its listeners need. 0 or a negated sysexits code,
 * having logged.
 */
int generation_bind(struct generation *generation) BEVHOST_MUST_CHECK;

/* Starts the first worker of each group: what it finds wrong is said once. The
   others follow when it is ready. 0, or -1 having logged. */
int generation_start(struct generation *generation) BEVHOST_MUST_CHECK;

/* All its sockets listen. 0 or a negated sysexits code, having logged. */
int generation_listen(struct generation *generation) BEVHOST_MUST_CHECK;

/* Accepts. */
void generation_serve(struct generation *generation);

/* Accepts no more: the successor does. What is open may end by itself. */
void generation_retire(
    struct generation *generation, const struct generation *successor);

/* It was asked to end within ms: what has not by then is killed. */
void generation_expect_end(struct generation *generation, int64_t ms);

/* The host stops: what is open ends within its drain-timeout. */
void generation_drain(struct generation *generation);

/* Its time is up: closes what is idle, then all, within about a second. */
void generation_hurry(struct generation *generation);

/* Ends at once; what does not end is killed. */
void generation_stop(struct generation *generation);

/* Processes that are left. */
int generation_alive(const struct generation *generation);

/* Looks which processes have ended. */
void generation_reap(struct generation *generation);

void generation_free(struct generation *generation);

/*
 * One that the program before this one started; without settings (NULL) its
 * workers are not replaced. NULL: no memory.
 */
struct generation *generation_adopt(struct generation_host *host, int number,
    struct settings *settings, int slots, int bindings) BEVHOST_MUST_CHECK;
int generation_adopt_binding(struct generation *generation,
    struct endpoint *endpoint, int handler) BEVHOST_MUST_CHECK;
int generation_adopt_slot(
    struct generation *generation, const struct slot *slot) BEVHOST_MUST_CHECK;

#endif
