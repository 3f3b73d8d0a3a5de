/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of one socket bufferevent: the fast path, back-pressure, and the
 * one way to close, plain or through a transport. Knows nothing of connections
 * and handlers.
 */
#ifndef FLOW_H
#define FLOW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

#define FLOW_WRITE_WATERMARK (1024u * 1024)
#define FLOW_INPUT_MAX	     (16u * 1024 * 1024)

/* What the flows of one event_base share. Must outlive them. */
struct flow_loop {
	struct event_base *base;
	struct event *turn; /* runs after the other callbacks of a turn */
	struct flow *first, **last; /* listed for it */
	int64_t linger_max_ms;
	void (*on_closed)(struct flow *flow);
	char *buffer; /* FLOW_READ_MAX bytes, for reads */
	/* All that its flows hold to read and to write, files too; if it is so
	   much that nothing is to be read in this turn. It counts in the
	   counter: itself, or another loop. */
	size_t held, held_max, crowded;
	struct flow_loop *counter;
	int unqueued; /* there is no queue for one more kind of timer */
	const struct flow_host *host;
	int pipe[2], pipe_size; /* for files; a size of 0: there is none yet */
};

/*
 * What each read and write looks at stands together at the end, beside what
 * its owner looks at then: with many connections each cache line has to be
 * fetched anew.
 */
struct flow {
	struct flow *next;	     /* on the loop's list */
	struct event *deadline;	     /* of a closing flow */
	struct flow_guard *guard;    /* its deadlines, or NULL */
	uint32_t linger_ms, idle_ms; /* since when reading gives nothing */

	struct bufferevent *bev;
	struct flow_loop *loop;
	struct transport *transport; /* NULL: the socket's bytes as they are */
	struct flow_rates *rates;    /* or NULL: it has none */
	uint64_t received, sent;     /* bytes so far */
	/* Of the input, as the loop counts it; see flow_set_limits(). */
	size_t unread, max_input, output_checked;
	size_t write_watermark;
	int fd;
	unsigned listed : 1;	  /* the turn will look at it */
	unsigned reading : 1;	  /* in its read callback: flushed after it */
	unsigned plain : 1;	  /* nobody hears of what was written */
	unsigned watched : 1;	  /* epoll tells when it can be written */
	unsigned large : 1;	  /* the last read was: read in place */
	unsigned paused : 4;	  /* why reading waits: FLOW_PAUSED_* */
	unsigned holds_input : 1; /* the input has our callback */
	unsigned heard : 1;	  /* the peer has sent a first byte */
	unsigned eof : 1;	  /* the peer has sent its last byte */
	unsigned shutting : 1;	  /* the socket was full for the last word */
	unsigned ended : 1;	  /* nothing follows on the socket */
	unsigned closing : 1;	  /* flow_close() was called */
	unsigned lingering : 1;	  /* all is sent, our end is shut */
	unsigned dead : 1;	  /* no byte moves any more: close */
	unsigned finished : 1;	  /* the descriptor is closed */
	unsigned taking : 1;	  /* what leaves the output comes back */
	unsigned lacks_file : 1;  /* one is shorter than what is owed of it */
	/* Its guard is told of the next byte; flow_set_scarce(); the kernel
	   can say what the peer has taken; flow_lend() was called; it closes,
	   and its end is a reset. */
	unsigned asleep : 1, scarce : 1, tcp : 1, lent : 1, resetting : 1;
	const char *near; /* the reader's stack rests below; or NULL */
};

/*
 * on_closed runs from the turn, once the descriptor of a flow is closed and
 * its buffers are empty, and again after each flow_call(). It may free bev
 * and flow. Returns 0, or -1 without memory.
 */
int flow_loop_init(struct flow_loop *loop, struct event_base *base,
    void (*on_closed)(struct flow *flow)) BEVHOST_MUST_CHECK;
void flow_loop_clear(struct flow_loop *loop);

/* The host stops: peers that do not close get less patience from now on. */
void flow_loop_drain(struct flow_loop *loop);

/*
 * Takes the fast path with bev, a socket's without BEV_OPT_CLOSE_ON_FREE that
 * has not been enabled yet and whose callbacks' argument is flow. The
 * descriptor, and transport (NULL: plain), are the flow's from now on. Returns
 * 0, or -1 without memory: then they are not.
 */
int flow_init(struct flow *flow, struct flow_loop *loop,
    struct bufferevent *bev, struct transport *transport) BEVHOST_MUST_CHECK;

/* Frees the bev and the transport, of a flow that has finished. */
void flow_clear(struct flow *flow);

/* The flow of a bev that was given to flow_init(). */
struct flow *flow_of(struct bufferevent *bev);

/* Is there anybody for the write callback? There is, unless told otherwise, and
   from flow_close() on. */
void flow_set_heard(struct flow *flow, int heard);

/* 0 turns back-pressure off. */
void flow_set_write_watermark(struct flow *flow, size_t bytes);

/*
 * What an event of the bufferevent means. 0: nothing, the socket was only
 * full when a file was to be sent. Else the event as libevent documents it;
 * an end of the input is noted.
 */
short flow_event(struct flow *flow, short what);

/* The handler ran outside of the flow's own callbacks, and may have enabled
   what the flow is to do. */
void flow_handler_ran(struct flow *flow);

/* Tells the peer, once nothing is owed, that nothing follows; reading goes on.
   Returns 0 or -errno. */
int flow_shut_write(struct flow *flow);

/* The reason that an error event stands for, and for the log more than the
   error says, or NULL. */
enum bevhost_reason flow_error_reason(const struct flow *flow, int error);
const char *flow_why(const struct flow *flow);

/*
 * Sends what is owed, shuts the write side, reads what still comes for a
 * bounded time, closes; NOW skips to the last. RESET waits until the peer's
 * kernel has all, and resets. Never calls back from inside.
 * From here on the owner of the bev's callbacks hands them to flow_closing_*.
 */
void flow_close(struct flow *flow, enum bevhost_close how);
void flow_closing_read(struct flow *flow);
void flow_closing_write(struct flow *flow);
void flow_closing_event(struct flow *flow, short what);

/* Calls on_closed for a finished flow from the turn. */
void flow_call(struct flow *flow);

/* What is to be sent still. */
size_t flow_owed(const struct flow *flow);

#endif
