/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a plugin is made of and what it may call. C99 and later, C++11 and
 * later. The guide to it is the manual page bevhost-plugin(3).
 *
 * Every function here is called from the loop's thread: from a callback of
 * the plugin, or from an event on the base that `start` was given.
 *
 * API changes, newest first:
 *   1  bevhost_instance_log.
 *   1  bevhost_conn_set_reason; BEVHOST_MANIFEST_ONE_WORKER.
 *   1  bevhost_conn_lend.
 *   1  BEVHOST_CLOSE_RESET; <bevhost/connect.h>.
 *   1  manifest, in the place of reserved[0].
 *   1  the first.
 */
#ifndef BEVHOST_PLUGIN_H
#define BEVHOST_PLUGIN_H

#include <sys/socket.h>

#include <bevhost/declare.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/*
 * Connections
 *
 * A handler never calls bufferevent_free, bufferevent_setcb,
 * bufferevent_setfd or a function for rate limits on its bev; all else works
 * as libevent documents it.
 */

/* The connection of a bev that open, read, write or event was given. */
struct bevhost_conn *bevhost_conn_of(struct bufferevent *bev);

/* Valid until close returns. NULL in admit. */
struct bufferevent *bevhost_conn_bev(const struct bevhost_conn *conn);

/* What create or self_size made, and what open or state_size made. */
void *bevhost_conn_self(const struct bevhost_conn *conn);
void *bevhost_conn_state(const struct bevhost_conn *conn);

/* A number that no other connection of this worker has or had; from 1. */
uint64_t bevhost_conn_id(const struct bevhost_conn *conn);

/*
 * Ends the connection with reason `handler`, or that of
 * bevhost_conn_set_reason(). Returns at once; afterwards
 * nothing of the handler is called but close, and writes to the bev fail.
 * A second call does nothing, except that NOW overtakes the others.
 */
void bevhost_conn_close(struct bevhost_conn *conn, enum bevhost_close how);

/*
 * Why the handler is going to close: for bevhost_conn_close(), the return of a
 * generator or of an async function, an open that returns -1, and an admit that
 * returns 0. The reason
 * is what close is told and what is counted; the text (NULL: none; 255 bytes
 * at most; %m works, no newline) follows it in the log. A later call replaces
 * both; once the connection has a reason to close it does nothing. A close
 * that is not the handler's has a reason of its own, and no text.
 */
void bevhost_conn_set_reason(const struct bevhost_conn *conn,
    enum bevhost_reason reason, const char *format, ...) BEVHOST_PRINTF(3, 4);

/* 1 once the connection has a reason to close, else 0. */
int bevhost_conn_is_closing(const struct bevhost_conn *conn);

/* Replaces read, write and event, each of which may be NULL; not the state. */
void
bevhost_conn_set_callbacks(struct bevhost_conn *conn, bufferevent_data_cb read,
    bufferevent_data_cb write, bufferevent_event_cb event);

/*
 * Reading pauses while more than `bytes` wait to be sent, and goes on when
 * half of them are gone. 1 MiB unless set; 0 turns it off.
 */
void bevhost_conn_set_write_watermark(struct bevhost_conn *conn, size_t bytes);

/*
 * Keeps conn, bev and state, and puts close off until as many calls of
 * release: for work that outlives a callback. The connection may end in the
 * meantime (see bevhost_conn_is_closing). Release is called from the loop.
 */
void bevhost_conn_hold(struct bevhost_conn *conn);
void bevhost_conn_release(struct bevhost_conn *conn);

/*
 * Lends the socket itself to other code, as a program that runs on it. Returns
 * its descriptor, which blocks from now on. It stays the host's: who needs it
 * for longer than the call makes a dup, or passes it on. No byte has been read
 * of what comes next, and until the connection closes the host reads and
 * writes none: input stays empty, and writes to the bev fail.
 *
 * The connection goes on, with its limits, its deadlines (by what the kernel
 * counts, but not first-byte-timeout) and its drain, where it is never idle. A
 * failure of the socket ends it, with an event as ever. Of an end of the input
 * or of the other code nobody tells: the plugin closes. The close ends the
 * socket for everybody who has it.
 *
 * -EBUSY when bytes are in the bev's buffers: in open there are none.
 * -ENOTSUP where the host has to see or to count each byte: TLS, bytes-in-rate
 * and bytes-out-rate, record, and on a unix socket idle-timeout; relay them
 * then. -ESHUTDOWN once it closes; or another negative errno.
 */
int bevhost_conn_lend(struct bevhost_conn *conn) BEVHOST_MUST_CHECK;

/*
 * Addresses. The peer is the far end of the socket, the client the far end
 * for whom it speaks. The result lives as long as the connection; *len gets
 * its size in bytes. A peer on a unix socket has no name: AF_UNIX alone.
 */
const struct sockaddr *
bevhost_conn_client(const struct bevhost_conn *conn, socklen_t *len);
const struct sockaddr *
bevhost_conn_peer(const struct bevhost_conn *conn, socklen_t *len);
/* Copies into *addr. Returns its size, or a negative errno. */
int bevhost_conn_local(
    const struct bevhost_conn *conn, struct sockaddr_storage *addr);
/* Writes 192.0.2.1:80, [2001:db8::1]:80 or unix: and returns buf. */
#define BEVHOST_ADDRESS_SIZE 128
char *bevhost_conn_client_text(
    const struct bevhost_conn *conn, char *buf, size_t size);

/*
 * Timers of a connection: none fires once it closes, and all are freed with
 * it. The callback gets the connection's state.
 */
/* NULL with errno when there is no memory or the connection closes. */
struct bevhost_timer *bevhost_timer_new(
    struct bevhost_conn *conn, bevhost_timer_cb cb) BEVHOST_MUST_CHECK;
/* Once, `timeout_ms` milliseconds from now (0 or more), or a negative errno.
   A running one starts anew. */
int bevhost_timer_start(struct bevhost_timer *timer, int64_t timeout_ms);
void bevhost_timer_stop(struct bevhost_timer *timer);
void bevhost_timer_free(struct bevhost_timer *timer);

/*
 * Instances
 */

/* How the log calls it: its plugin's name. */
const char *bevhost_instance_name(const struct bevhost_instance *instance);

/*
 * Log. One line, no newline at its end; %m is strerror(errno), and errno is
 * kept. The host adds the plugin whose callback runs and the connection, and
 * escapes what is not printable. An event of the plugin's own runs without
 * the host knowing: there, use bevhost_conn_log or bevhost_instance_log.
 */
void bevhost_log(enum bevhost_level level, const char *format, ...)
    BEVHOST_PRINTF(2, 3);
void bevhost_conn_log(const struct bevhost_conn *conn, enum bevhost_level level,
    const char *format, ...) BEVHOST_PRINTF(3, 4);
void bevhost_instance_log(const struct bevhost_instance *instance,
    enum bevhost_level level, const char *format, ...) BEVHOST_PRINTF(3, 4);
/* Says why a call returns -1; as bevhost_log(BEVHOST_LOG_ERROR, ...). */
void bevhost_error(const char *format, ...) BEVHOST_PRINTF(1, 2);
/* 1 when the level is shown: spares the work of making its text. */
int bevhost_log_enabled(enum bevhost_level level);

/* Milliseconds of the monotonic clock, and the moment that is ms from now:
   for the deadlines of generators and tasks. */
int64_t bevhost_now_ms(void);
int64_t bevhost_after_ms(int64_t ms);

/* The word for a reason: peer, handler, reset, ... */
const char *bevhost_reason_name(enum bevhost_reason reason);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* BEVHOST_PLUGIN_H */
