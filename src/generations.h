/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All generations of a master, of which one serves and one may be on its way
 * there. The change from one to the next is made here.
 */
#ifndef GENERATIONS_H
#define GENERATIONS_H

#include <bevhost/base.h>

struct addr;
struct event_base;
struct generations;
struct privileges;
struct settings;
struct spawn;

/* Whom they tell. */
struct generations_owner {
	/*
	 * A generation that was started serves, or (exit_status is not 0) is
	 * gone again and text says why.
	 */
	void (*on_result)(void *arg, int exit_status, const char *text);
	/* The last process has ended, after an end or a failed start. */
	void (*on_empty)(void *arg);
	void *arg;
};

/* owner must outlive them. NULL having logged. */
struct generations *generations_new(struct event_base *base,
    const struct generations_owner *owner) BEVHOST_MUST_CHECK;
/* No process may be left. NULL is nothing. */
void generations_free(struct generations *generations);

/* What the workers of generations that are started from now on become, whenever
   they start; NULL: what this process is. It must live until the next call. */
void generations_set_privileges(
    struct generations *generations, const struct privileges *privileges);

/*
 * Starts the next generation, with settings, which it takes: on_result follows,
 * maybe before this returns. There is none on its way. `test` only tries
 * whether it could serve, and binds nothing.
 */
void generations_start(
    struct generations *generations, struct settings *settings, int test);

/* Is one on its way? */
int generations_is_busy(const struct generations *generations);
/* If it is tried as a canary, it is taken back for this reason. */
void generations_take_back(struct generations *generations, const char *why);

/* All end: within their drain-timeout, or now. */
void generations_drain(struct generations *generations);
void generations_stop(struct generations *generations);

/* A process has ended. */
void generations_reap(struct generations *generations);

/* All workers write their log to this descriptor. */
void generations_reopen_log(struct generations *generations, int fd);

/* Of the one that serves: its number (0: none does), its settings, how many
   workers it has, and of older ones how many drain. */
int generations_number(const struct generations *generations);
const struct settings *
generations_settings(const struct generations *generations);
int generations_workers(const struct generations *generations, int *draining);

/* Does one serve, and is not to end? */
int generations_is_serving(const struct generations *generations);

/* The program that its workers run. */
const struct spawn *generations_program(const struct generations *generations);

/* Where it listens: the n-th address, or NULL after the last. */
const struct addr *
generations_address(const struct generations *generations, int n);
/* Logs where, but what was logged before. */
void generations_announce(struct generations *generations);

#endif
