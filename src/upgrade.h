/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGUSR2: this process becomes the program that is at its path now. */
#ifndef UPGRADE_H
#define UPGRADE_H

#include <bevhost/base.h>

struct event_base;
struct generations;
struct handover_own;
struct upgrade;

/* argv[1] of the new program; the second is followed by a descriptor. */
#define UPGRADE_PROBE "--upgrade-probe"
#define UPGRADE_TAKE  "--upgrade="

/* In a probe: where the handover is. */
#define UPGRADE_PROBE_STATE 3

/*
 * For a program with this command line. on_refused is called when an upgrade
 * that was begun is none: all is as it was. NULL having logged.
 */
struct upgrade *
upgrade_new(struct event_base *base, struct generations *generations, int argc,
    char **argv, void (*on_refused)(void *arg), void *arg) BEVHOST_MUST_CHECK;
/* NULL is nothing. */
void upgrade_free(struct upgrade *upgrade);

/*
 * Runs the new program in a child: it reads the handover, loads all that a
 * start would, and says whether it could take over. If so it is run in the
 * place of this one. Returns 0, or -1 having logged: then it is refused
 * already. own must live as long as this process.
 */
int upgrade_begin(
    struct upgrade *upgrade, const struct handover_own *own) BEVHOST_MUST_CHECK;
int upgrade_is_busy(const struct upgrade *upgrade);

/* A child has ended; it may be the probe. */
void upgrade_reap(struct upgrade *upgrade);

/* In the probe, at its end: it fits. Returns an exit status. */
int upgrade_say_fits(void);

#endif
