/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of one plain bufferevent: the fast path, back-pressure, and the
 * one way to close. Knows nothing of connections and handlers.
 */
#ifndef FLOW_H
#define FLOW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <bevhost/types.h>

#define FLOW_WRITE_WATERMARK (1024u * 1024)
#define FLOW_INPUT_MAX	     (16u * 1024 * 1024)
#define FLOW_READ_MAX	     (64u * 1024)
#define FLOW_FLUSH_MS	     30000
#define FLOW_LINGER_MS	     5000
#define FLOW_DRAIN_LINGER_MS 1000

/* What the flows of one event_base share. Must outlive them. */
struct flow_loop {
	struct event_base *base;
	struct event *turn; /* runs after the other callbacks of a turn */
	struct flow *first, **last; /* listed for it */
	const struct timeval *flush_timeout, *linger_timeout;
	void (*on_closed)(struct flow *flow);
	char *buffer; /* FLOW_READ_MAX bytes, for reads */
};

struct flow {
	struct bufferevent *bev;
	struct flow_loop *loop;
	struct flow *next; /* on the loop's list */
	size_t write_watermark;
	struct event *deadline; /* of a closing flow */
	size_t owed;		/* when the flush deadline was last set */
	int fd;
	unsigned listed : 1;	  /* the turn will look at it */
	unsigned reading : 1;	  /* in its read callback: flushed after it */
	unsigned plain : 1;	  /* nobody hears of what was written */
	unsigned watched : 1;	  /* epoll tells when it can be written */
	unsigned large : 1;	  /* the last read was: read in place */
	unsigned paused : 2;	  /* why reading waits: FLOW_PAUSED_* */
	unsigned holds_input : 1; /* the input has our callback */
	unsigned heard : 1;	  /* the peer has sent a first byte */
	unsigned eof : 1;	  /* the peer has sent its last byte */
	unsigned closing : 1;	  /* flow_close() was called */
	unsigned lingering : 1;	  /* all is sent, our end is shut */
	unsigned dead : 1;	  /* no byte moves any more: close */
	unsigned finished : 1;	  /* the descriptor is closed */
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
 * has not been enabled yet. The descriptor is the flow's from now on. Returns
 * 0, or -1 without memory: then it is not.
 */
int flow_init(struct flow *flow, struct flow_loop *loop,
    struct bufferevent *bev) BEVHOST_MUST_CHECK;

/* Is there anybody for the write callback? There is, unless told otherwise. */
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

/*
 * Sends what is owed, shuts the write side, reads what still comes for a
 * bounded time, closes; NOW skips to the last. Never calls back from inside.
 * From here on the owner of the bev's callbacks hands them to flow_closing_*.
 */
void flow_close(struct flow *flow, enum bevhost_close how);
void flow_closing_read(struct flow *flow);
void flow_closing_write(struct flow *flow);
void flow_closing_event(struct flow *flow, short what);

/* Calls on_closed for a finished flow from the turn. */
void flow_call(struct flow *flow);

/* Between the two files of flow: the turn will look at it; what is to be sent;
   sends it. */
void flow_list(struct flow *flow);
size_t flow_owed(const struct flow *flow);
void flow_flush(struct flow *flow);
/* Those of the handler are no more; what it had enabled is to be enabled. */
void flow_end_timeouts(struct flow *flow);

#endif
