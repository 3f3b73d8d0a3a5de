/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plugin's side of one connection, in any of the three models: its state,
 * and the calls into it, each of which is made here and nowhere else.
 */
#ifndef HANDLER_H
#define HANDLER_H

#include "instance.h"

struct task;

struct handler {
	const struct bevhost_instance *instance;
	const struct bevhost_conn *conn;
	void *state, *memory; /* memory: of state_size, the host's */
	bufferevent_data_cb read, write;
	int generates;
	bufferevent_event_cb event;
	union {
		struct bevhost_timer *timer; /* a generator's, or NULL */
		struct task *task;	     /* until it has ended */
	} model;
};

/* What a handler needs of those above it. */
struct handler_host {
	/* The handler has ended by itself. */
	void (*end)(struct bevhost_conn *conn);
};
void handler_set_host(const struct handler_host *host);

void handler_init(struct handler *handler,
    const struct bevhost_instance *instance, const struct bevhost_conn *conn);

/* 1 when the plugin hears the write callback. The drivers of the other models
   tell the flow themselves while they wait for it. */
int handler_hears_writes(const struct handler *handler);

/* 1 takes the connection. */
int
handler_admit(const struct handler *handler, const struct bevhost_conn *conn);
/* 0, or -ENOMEM when there is no memory or stack, or -ECANCELED when the plugin
   says no: then handler_close() is not called. */
int handler_open(struct handler *handler, struct bevhost_conn *conn,
    struct bufferevent *bev) BEVHOST_MUST_CHECK;
void handler_read(struct handler *handler, struct bufferevent *bev);
void handler_write(struct handler *handler, struct bufferevent *bev);
/* 0 when nobody heard it. */
int handler_event(struct handler *handler, struct bufferevent *bev, short what);
/* Has the plugin a drain callback? Calls it. */
int handler_can_drain(const struct handler *handler);
void handler_drain(struct handler *handler);
/* Does it wait for bytes of its peer, as far as its model shows? Input, output,
   and the timers and holds that the plugin took are the connection's. */
int handler_is_idle(const struct handler *handler);
/* Of those, what its model took and not the plugin. */
int handler_owns_timer(
    const struct handler *handler, const struct bevhost_timer *timer);
unsigned handler_holds(const struct handler *handler);
void handler_timer(
    struct handler *handler, struct bevhost_conn *conn, bevhost_timer_cb cb);
/* The connection has a reason to close. Nothing of the plugin runs inside. */
void handler_closing(struct handler *handler);
/* The last call; frees what the host keeps for it. */
void handler_close(struct handler *handler, enum bevhost_reason reason);

#endif
