/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler on a test rig: a worker that listens nowhere, whose clients are
 * ends of socket pairs in the same process. Time is virtual, nothing moves but
 * in rig_settle() and rig_wait(), and all that the handler and the host
 * allocate is counted. One at a time in a process.
 */
#ifndef RIG_H
#define RIG_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

#include "rig_load.h"

#define RIG_ENDS_MAX 256

/* A far end: a client's, or that of what the handler connected to. */
struct rig_end {
	int fd;		      /* -1: it has closed */
	int server_fd;	      /* the other one, as long as the conn is there */
	uint64_t conn;	      /* its number, 0: an outbound connection */
	unsigned taken : 1;   /* of an outbound one: rig_take() returned it */
	unsigned gone : 1;    /* the conn is */
	unsigned eof : 1;     /* no more comes: read up to the end */
	unsigned failed : 1;  /* likewise, by a reset */
	unsigned stalled : 1; /* reads nothing */
	enum bevhost_reason reason; /* of a conn that is gone */
	char *came;		    /* all that has come */
	/* The filler is none of it, and comes after filler_at. */
	size_t len, size, filler, filler_at;
	int near_fd;	      /* of an outbound one, if it is still */
	uint64_t near_socket; /* that socket */
};

struct rig;

/* What was not given back, when rig_free() has done its work. */
struct rig_left {
	int64_t blocks;
	int descriptors;
	char opened[512]; /* what they are, in parentheses */
	int spoiled; /* blocks that were written to after they were freed */
	int held;    /* connections or tasks that could not be ended */
	int refused; /* exit status: the plugin or a parameter was refused */
	const char *why; /* what was said of that first, a static text; or "" */
};

/*
 * Loads, configures and starts. NULL: it does not start; the log says why, and
 * *left what was not given back.
 */
struct rig *rig_new(const struct rig_options *options,
    struct rig_left *left) BEVHOST_MUST_CHECK;

/* Why the last of these returned -1: a static text. */
const char *rig_why(const struct rig *rig);

/* A client connects. NULL: there is no room, or no descriptor. */
struct rig_end *rig_connect(struct rig *rig) BEVHOST_MUST_CHECK;
/* The next outbound connection that was not taken, or NULL. */
struct rig_end *rig_take(struct rig *rig);
/* The next outbound connection that is not refused already is refused. */
void rig_refuse(struct rig *rig);
/* How many of those were not made yet. */
int rig_refuses(const struct rig *rig);

/* Until all has been read and nothing moves. 0, or -1: it never comes to rest.
 */
int rig_settle(struct rig *rig) BEVHOST_MUST_CHECK;
/* Time goes on. As rig_settle(). */
int rig_wait(struct rig *rig, int64_t ms) BEVHOST_MUST_CHECK;

/* Sends it all at once, and settles only when the handler takes no more for
   now. 0, or -1: it takes no more at all. */
int rig_send(struct rig *rig, struct rig_end *end, const void *bytes,
    size_t len) BEVHOST_MUST_CHECK;
/* Each is a step of the network, which the handler sees when it settles. */
void rig_end_writing(struct rig_end *end);
void rig_close(struct rig_end *end);
void rig_reset(struct rig_end *end);
/* Nothing is read, and the network takes nothing, until it resumes. */
void rig_stall(struct rig_end *end);
void rig_resume(struct rig_end *end);

/* The host asks handlers to finish, as when it stops. */
void rig_drain(struct rig *rig);

/* Every client closes; time goes on until all connections are gone, and then
   for the timers that are left. 0, or -1: one is still there after so long. */
int rig_leave(struct rig *rig, int64_t limit_ms) BEVHOST_MUST_CHECK;

/* From now on, as bevhost_test_fail(). */
void rig_fail_allocations(struct rig *rig, int64_t nth, int64_t count);
/* Since the start, or since that. */
int64_t rig_allocations(const struct rig *rig);
int64_t rig_failed(const struct rig *rig);
/* Tasks that have returned while their children ran. */
int64_t rig_abandoned(const struct rig *rig);
/* How long a turn of the loop has slept at most, really. */
int64_t rig_slept_ms(const struct rig *rig);
/* Now: connections that are open. */
size_t rig_connections(const struct rig *rig);

/* Does the handler, or the host for it, run in this process? Then the rig has
   called it. */
int rig_is_inside(void);

/* Stops and forgets all. NULL is nothing. */
void rig_free(struct rig *rig, struct rig_left *left);

#endif
