/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of conn. */
#ifndef CONN_OWN_H
#define CONN_OWN_H

#include "conn.h"

struct transport;

/*
 * From accept to the handler: what the settings of its listener put before it.
 * Ends in conn_open() or conn_refuse(), now or later; stop is for one that has
 * not ended.
 */
void conn_approach(struct bevhost_conn *conn);
void conn_approach_stop(struct bevhost_conn *conn);

/* What a connection has taken at its listener's gate is free again. */
void conn_leave(const struct bevhost_instance *instance, uint64_t ticket);

/* Asks the handler, once the client is known: 0; or -1, and the connection is
   gone. */
int conn_admit(struct bevhost_conn *conn);

/* To a handler that talks; or -1, and the connection is gone: then transport
   (NULL: plain) was not taken. */
int conn_open(struct bevhost_conn *conn, struct transport *transport);
/* One that has no handler leaves without a word to it, and is gone. */
void conn_refuse(struct bevhost_conn *conn, enum bevhost_reason reason);

/* Of the connection and its plugin, when that level is shown. */
void conn_say(const struct bevhost_conn *conn, enum bevhost_level level,
    const char *what, const char *detail);
/* A rate, by the name of its limit, would make it wait but for a dry run. */
void conn_say_slow(const struct bevhost_conn *conn, const char *name);
/* That there is none for a connection. */
void conn_say_no_memory(const struct bevhost_instance *instance);

#endif
