/* SPDX-License-Identifier: BSD-2-Clause */
/* The timers of a connection. */
#ifndef CONN_TIMER_H
#define CONN_TIMER_H

#include <sys/queue.h>

#include <bevhost/declare.h>

struct event;

struct bevhost_timer {
	struct event *event;
	struct bevhost_conn *conn;
	bevhost_timer_cb cb;
	LIST_ENTRY(bevhost_timer) entry;
};

/* NULL with errno when there is no memory or the connection closes. */
struct bevhost_timer *conn_timer_new(
    struct bevhost_conn *conn, bevhost_timer_cb cb) BEVHOST_MUST_CHECK;
/* 0 or a negative errno. */
int conn_timer_start(struct bevhost_timer *timer, int64_t timeout_ms);
void conn_timer_stop(struct bevhost_timer *timer);
void conn_timer_free(struct bevhost_timer *timer);

/* All of a connection. */
void conn_stop_timers(struct bevhost_conn *conn);
void conn_free_timers(struct bevhost_conn *conn);
/* One that runs, and is not the model's own. */
int conn_has_timer(const struct bevhost_conn *conn);

#endif
