/* SPDX-License-Identifier: BSD-2-Clause */
/* Places at a gate, which are taken before there is a connection. */
#ifndef GATE_PLACE_H
#define GATE_PLACE_H

#include "gate_waiter.h"

#include <bevhost/base.h>

struct gate;

/*
 * A place for the next connection, which has it from then on: 0; or -EUSERS,
 * and it waits: to be tried again every GATE_RETRY_MS, and when a connection
 * ends. Who has waited longest comes first, here and in other processes. gate
 * may be NULL here and below: then there always is one. Without waiter (NULL)
 * it is not known whether there is a next one: nobody waits.
 */
int gate_take_place(
    struct gate *gate, struct gate_waiter *waiter) BEVHOST_MUST_CHECK;
#define GATE_RETRY_MS 10

/* No connection came, or it went elsewhere. */
void gate_return_place(struct gate *gate);

/* Nobody is there who wants one. */
void gate_stop_waiting(struct gate_waiter *waiter);

/* A place even if there is none: for a connection that has one already, in
   another process. */
void gate_take_second_place(struct gate *gate);

#endif
