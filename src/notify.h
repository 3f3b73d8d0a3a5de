/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a service manager is told, by the protocol of sd_notify(3). Without a
 * manager all of it does nothing.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

#include <bevhost/base.h>

/*
 * Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment,
 * so that nothing that is started later has them. A value that makes no sense
 * is logged and ignored. May be called again: what the environment has then
 * takes the place of what was known, if it has anything.
 */
void notify_init(void);

/* Puts them back, for a process that is about to exec in place. When the exec
   fails, notify_init takes them away again. 0 or -errno. */
int notify_export(void) BEVHOST_MUST_CHECK;

/* Closes the socket and forgets everything. */
void notify_clear(void);

/*
 * Sends one datagram: assignments, one a line, at most 2047 bytes. Never waits
 * and keeps errno; the first failure is logged, later ones are not.
 */
void notify_send(const char *format, ...) BEVHOST_PRINTF(1, 2);

/* Started, or a reload has ended, whichever way. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* One line for the operator. A newline in it becomes a blank. */
void notify_status(const char *format, ...) BEVHOST_PRINTF(1, 2);

/* Within how many milliseconds each WATCHDOG=1 must follow the one before it;
   0 when this process is not watched. Half of it is the usual interval. */
int64_t notify_watchdog_ms(void);

#endif
