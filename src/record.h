/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections written down as conversations, bevhost-conversation(5): for
 * whoever wants to play them to a handler again.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

struct bevhost_instance;
struct bufferevent;

/* 1 once record_open() has been called: nothing else is to be called before. */
extern int record_is_on;

/* From now on, one file a connection in that folder, which must be there. 0, or
   -1 having logged. */
int record_open(const char *folder) BEVHOST_MUST_CHECK;
void record_close(void);

/* What the bev gets and is given from now on. Without memory it is not
   recorded, and the log says so. */
void record_begin(uint64_t id, const struct bevhost_instance *instance,
    struct bufferevent *bev);
/* The client has sent all. */
void record_eof(uint64_t id);
/* The bev is there no more. */
void record_end(uint64_t id, enum bevhost_reason reason);

#endif
