/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a connection closes, in the words of its handler and in those of the
   log. */
#ifndef CONN_WHY_H
#define CONN_WHY_H

#include <stdarg.h>

#include "conn.h"

/* See bevhost_conn_set_reason(). */
void conn_set_reason(struct bevhost_conn *conn, enum bevhost_reason reason,
    const char *format, va_list args) BEVHOST_PRINTF(3, 0);

/* As conn_close(), for its handler: by the reason that it has said, or else
   for this one. */
void conn_end(struct bevhost_conn *conn, enum bevhost_close how,
    enum bevhost_reason otherwise);

/* The line of the log. */
void conn_say_closed(const struct bevhost_conn *conn);

#endif
