/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of flow share. */
#ifndef FLOW_OWN_H
#define FLOW_OWN_H

#include "flow.h"
#include "transport.h"

#define FLOW_READ_MAX	     (64u * 1024)
#define FLOW_LINGER_MS	     5000
#define FLOW_DRAIN_LINGER_MS 1000

/* Room for a large read: with the chain's header a power of two. */
#define FLOW_READ_IN_PLACE (2 * FLOW_READ_MAX - 64)

/* libevent writes at most 16 KiB in one go unless told otherwise. */
#define FLOW_WRITE_MAX (1024u * 1024)

/* So many of them may be written before the peer takes any. */
#define FLOW_OUTPUT_FACTOR 8
/* What a transport keeps for itself, more or less. */
#define FLOW_TRANSPORT_BYTES (16u * 1024)

/* Why reading is paused. */
#define FLOW_PAUSED_OUTPUT 1u /* until the output shrinks */
#define FLOW_PAUSED_INPUT  2u /* until the handler takes some */
#define FLOW_PAUSED_RATE   4u /* until more may move */
#define FLOW_PAUSED_MEMORY 8u /* until there is some */
#define FLOW_PAUSED_ANY	   15u

/* The turn will look at it. */
void flow_list(struct flow *flow);

/* An error that libevent's callbacks would report in this way. */
void flow_report_error(struct flow *flow, short direction, int error);

/*
 * Takes the read event off without touching what the handler enabled:
 * bufferevent_enable puts it back, be it ours or the handler's.
 */
void flow_pause(struct flow *flow, unsigned why);
void flow_resume(struct flow *flow, unsigned why);

/* Those of the handler are no more; what it had enabled is to be enabled. */
void flow_end_timeouts(struct flow *flow);

/* The events of the bufferevent get our callbacks. */
void flow_read_init(struct flow *flow);
void flow_read_assign(struct flow *flow);
/* Writing has failed: what the peer had sent before becomes input. */
void flow_read_rest(struct flow *flow);
void flow_write_init(struct flow *flow);
/* Nothing waits to be written. */
void flow_rest(struct flow *flow);
/* Tells when the socket can be written. */
void flow_watch(struct flow *flow);
/* Writes what is to be written, and watches for the rest: errors too are
   libevent's to report. */
void flow_flush(struct flow *flow);

/*
 * Of the input, and eight times that of the output in memory; then a peer that
 * does not close when we have is waited for so long.
 */
void flow_set_limits(struct flow *flow, size_t max_buffer, int64_t linger_ms);

/* Bytes per second, 0: as they come. In a dry run none waits. Once. Returns 0,
   or -1 without memory. */
struct flow_rate_limits {
	int64_t in, out;
	int dry_in, dry_out;
};
int flow_set_rates(struct flow *flow,
    const struct flow_rate_limits *limits) BEVHOST_MUST_CHECK;
/* Does it wait because of its own rate? */
int flow_is_slow_in(const struct flow *flow);
int flow_is_slow_out(const struct flow *flow);

/* What the peer has not taken of what was sent. */
size_t flow_queued(const struct flow *flow);

/* A byte moves in a flow that is asleep. */
void flow_guard_wake(struct flow *flow);

/* How many of so many bytes may move, 0: it waits. For a flow with rates. */
size_t flow_rate_in(struct flow *flow, size_t want);
size_t flow_rate_out(struct flow *flow, size_t want);
void flow_rate_moved(struct flow *flow, size_t in, size_t out);
/* They end. */
void flow_rate_clear(struct flow *flow);

/* The bytes of a buffer of that length, if they are in memory and in one piece;
   or NULL. */
const void *flow_memory_piece(const struct evbuffer *buffer, size_t len);

/* How much of the output may be in memory. */
static inline size_t
flow_max_output(const struct flow *flow)
{
	return flow->max_input < SIZE_MAX / FLOW_OUTPUT_FACTOR
		   ? flow->max_input * FLOW_OUTPUT_FACTOR
		   : SIZE_MAX;
}

/* The input has changed; the output has grown above flow_max_output(). */
void flow_count_input(struct flow *flow);
void flow_check_output(struct flow *flow, size_t owed);

/*
 * How much memory, and no file, is at the front, or `enough` of it. All, where
 * it is not known what is: then no file may be left to the kernel.
 */
int flow_memory_is_known(void);
size_t flow_memory_front(const struct evbuffer *buffer, size_t enough);

/*
 * Some of the file at the output's front becomes memory; the front is not
 * frozen. 0, or -1 with errno, EIO when the file has become shorter.
 */
int flow_file_take(struct flow *flow) BEVHOST_MUST_CHECK;
void flow_file_clear(struct flow_loop *loop);

/* Tells the peer that nothing follows, and tries again when the socket was
   full: then it is -EAGAIN. 0 or -errno. */
int flow_shut(struct flow *flow);

#endif
