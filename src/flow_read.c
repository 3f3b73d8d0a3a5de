/* SPDX-License-Identifier: BSD-2-Clause */
/* The reading half of a flow: see flow.c. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event_struct.h>
#include <event2/util.h>

#include "clock.h"
#include "flow.h"
#include "flow_own.h"

/* From here on a read is large: worth a chain of its own. */
#define FLOW_READ_LARGE 4096

#define FLOW_CACHE_LINE 64

/* What a waiting task has of its stack, about. */
#define FLOW_STACK_NEAR (9 * FLOW_CACHE_LINE)

/* libevent's own, the same for every socket bufferevent. */
static event_callback_fn flow_libevent_read;

/* How much one read may take, by the watermarks of both directions. */
static size_t
flow_read_room(const struct flow *flow, const struct evbuffer *input)
{
	size_t room = (size_t)bufferevent_get_max_single_read(flow->bev), used;

	if (flow->bev->wm_read.high != 0) {
		used = evbuffer_get_length(input);
		if (used >= flow->bev->wm_read.high)
			return 0;
		if (room > flow->bev->wm_read.high - used)
			room = flow->bev->wm_read.high - used;
	}
	if (flow->write_watermark != 0 && room > flow->write_watermark)
		room = flow->write_watermark;
	return room < FLOW_READ_IN_PLACE ? room : FLOW_READ_IN_PLACE;
}

/* While it lingers nobody wants to know what is dropped. */
static int
flow_is_raw(const struct flow *flow)
{
	return flow->transport == NULL || flow->lingering;
}

/* recv() and send() cost the kernel less than read() and writev(), which ask
   more of what might be a file. */
static ssize_t
flow_receive(struct flow *flow, void *buf, size_t len)
{
	return flow_is_raw(flow)
		   ? recv(flow->fd, buf, len, 0)
		   : flow->transport->ops->read(flow->transport, buf, len);
}

/* Of a function that only does this gcc would drop the call. */
#define FLOW_INLINE static inline __attribute__((always_inline))

FLOW_INLINE void
flow_prefetch(const void *memory, size_t size)
{
	const char *byte = memory;
	size_t i;

	for (i = 0; i < size; i += FLOW_CACHE_LINE)
		__builtin_prefetch(byte + i);
}

/*
 * With many connections nothing of this one is in the processor's cache. What
 * handler and answer will look at is fetched while the kernel reads. Sizes are
 * about libevent's, which has the callbacks of an evbuffer behind it.
 */
FLOW_INLINE void
flow_prefetch_answer(const struct flow *flow)
{
	flow_prefetch(flow->bev->output, 5 * FLOW_CACHE_LINE);
	flow_prefetch(flow->bev->input, 3 * FLOW_CACHE_LINE);
	flow_prefetch(&flow->bev->ev_write, sizeof(struct event));
	flow_prefetch(flow->bev + 1, 3 * FLOW_CACHE_LINE);
	flow_prefetch(flow + 1, 2 * FLOW_CACHE_LINE);
	if (flow->near != NULL)
		flow_prefetch(flow->near - FLOW_STACK_NEAR,
		    FLOW_STACK_NEAR + 3 * FLOW_CACHE_LINE);
}

/* For few bytes: one copy costs less than room for many. */
static ssize_t
flow_read_copy(struct flow *flow, struct evbuffer *input, size_t room)
{
	char *buffer = flow->loop->buffer;
	ssize_t len;

	flow_prefetch_answer(flow);
	len = flow_receive(
	    flow, buffer, room < FLOW_READ_MAX ? room : FLOW_READ_MAX);
	if (len > 0 && evbuffer_add(input, buffer, (size_t)len) < 0) {
		errno = ENOMEM;
		return -1;
	}
	return len;
}

static ssize_t
flow_read_in_place(struct flow *flow, struct evbuffer *input, size_t room)
{
	struct evbuffer_iovec vectors[2];
	int count = evbuffer_reserve_space(
	    input, (ev_ssize_t)room, vectors, flow_is_raw(flow) ? 2 : 1);
	ssize_t len;

	if (count < 1) {
		errno = ENOMEM;
		return -1;
	}
	/* There may be more room than was asked for. */
	if (vectors[0].iov_len >= room) {
		vectors[0].iov_len = room;
		count = 1;
	} else if (count == 2 &&
		   vectors[1].iov_len > room - vectors[0].iov_len) {
		vectors[1].iov_len = room - vectors[0].iov_len;
	}
	len = flow_is_raw(flow)
		  ? readv(flow->fd, (struct iovec *)vectors, count)
		  : flow_receive(flow, vectors[0].iov_base, vectors[0].iov_len);
	if (len <= 0)
		return len;
	if ((size_t)len <= vectors[0].iov_len) {
		vectors[0].iov_len = (size_t)len;
		count = 1;
	} else {
		vectors[1].iov_len = (size_t)len - vectors[0].iov_len;
	}
	return evbuffer_commit_space(input, vectors, count) < 0 ? -1 : len;
}

static void
flow_on_input(
    struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct flow *flow = arg;

	if (info->n_deleted > 0 && flow->paused &&
	    evbuffer_get_length(input) <= flow->max_input / 2)
		flow_resume(flow, FLOW_PAUSED_INPUT);
}

/*
 * The handler lets input pile up: it is held until the handler takes some.
 * (libevent's watermark would call the handler again and again.)
 */
static void
flow_check_input(struct flow *flow, struct evbuffer *input)
{
	flow_count_input(flow);
	if (flow->unread < flow->max_input || flow->closing ||
	    flow->bev->wm_read.low > flow->max_input / 2)
		return;
	if (!flow->holds_input &&
	    evbuffer_add_cb(input, flow_on_input, flow) == NULL) {
		flow_report_error(flow, BEV_EVENT_READING, ENOMEM);
		return;
	}
	flow->holds_input = 1;
	flow_pause(flow, FLOW_PAUSED_INPUT);
}

/* The handler's bufferevent_enable ended a pause that is still due. */
static int
flow_is_held(struct flow *flow, const struct evbuffer *input)
{
	if (((flow->paused & FLOW_PAUSED_OUTPUT) &&
		flow_owed(flow) > flow->write_watermark / 2) ||
	    ((flow->paused & FLOW_PAUSED_INPUT) &&
		evbuffer_get_length(input) > flow->max_input / 2) ||
	    flow_is_slow_in(flow) || flow->scarce) {
		event_del(&flow->bev->ev_read);
		return 1;
	}
	flow->paused = 0;
	return 0;
}

/*
 * As bufferevent_trigger() does, which also takes a reference: here nothing
 * is freed before the turn.
 */
static void
flow_call_read(struct flow *flow, const struct evbuffer *input)
{
	struct bufferevent *bev = flow->bev;

	flow->reading = 1;
	if (bev->wm_read.high != 0)
		bufferevent_trigger(bev, EV_READ, 0);
	else if (evbuffer_get_length(input) >= bev->wm_read.low)
		bev->readcb(bev, bev->cbarg);
	flow->reading = 0;
}

static void
flow_report_end(struct flow *flow)
{
	if (flow_is_raw(flow))
		flow->ended = 1;
	bufferevent_disable(flow->bev, EV_READ);
	bufferevent_trigger_event(
	    flow->bev, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
}

static void
flow_count_read(struct flow *flow, size_t len)
{
	flow->received += len;
	if (flow->rates != NULL)
		flow_rate_moved(flow, len, 0);
	if (flow->asleep)
		flow_guard_wake(flow);
}

/* Bytes for the handler were read, and it knows. */
static int
flow_read_some(struct flow *flow, struct evbuffer *input, size_t room)
{
	ssize_t len;

	evbuffer_unfreeze(input, 0);
	len = flow->large ? flow_read_in_place(flow, input, room)
			  : flow_read_copy(flow, input, room);
	evbuffer_freeze(input, 0);
	if (len > 0) {
		flow->large = len >= FLOW_READ_LARGE;
		flow->heard = 1;
		flow_count_read(flow, (size_t)len);
		flow_call_read(flow, input);
		if (!flow->closing)
			flow_flush(flow);
		flow_check_input(flow, input);
		return 1;
	}
	/* Part of a record is something that moves. */
	if (flow->asleep)
		flow_guard_wake(flow);
	if (len == 0)
		flow_report_end(flow);
	else if (errno != EAGAIN && errno != EINTR)
		flow_report_error(flow, BEV_EVENT_READING, errno);
	return 0;
}

/*
 * Parts of a record, and what else is no data, have started libevent's timeout
 * again: the handler's is one for data. (So it lasts twice as long at most.)
 */
static void
flow_read_nothing(struct flow *flow)
{
	const struct timeval *timeout = &flow->bev->timeout_read;
	uint32_t now_ms;

	if (!evutil_timerisset(timeout) ||
	    !event_pending(&flow->bev->ev_read, EV_READ, NULL))
		return;
	now_ms = (uint32_t)clock_ms();
	if (flow->idle_ms == 0) {
		flow->idle_ms = now_ms;
	} else if ((int64_t)(now_ms - flow->idle_ms) >=
		   timeout->tv_sec * 1000 + timeout->tv_usec / 1000) {
		flow->idle_ms = 0;
		flow_libevent_read(flow->fd, EV_TIMEOUT, flow->bev);
	}
}

/* The transport's end came with the last bytes, and nothing else may follow
   them on the socket. */
static void
flow_read_end(struct flow *flow, struct evbuffer *input)
{
	if (flow_is_raw(flow) ||
	    !flow->transport->ops->is_over(flow->transport))
		return;
	if (event_pending(&flow->bev->ev_read, EV_READ, NULL))
		flow_read_some(flow, input, 1);
	else
		/* Readable from now on: seen when reading is enabled. */
		shutdown(flow->fd, SHUT_RD);
}

/* A peer may say something, then leave with ours unread: that is a reset. What
   it said is still there, but for who only writes. */
void
flow_read_rest(struct flow *flow)
{
	struct evbuffer *input = flow->bev->input;
	int error = EVUTIL_SOCKET_ERROR();
	ssize_t len = 1;

	if (flow->closing)
		return;
	evbuffer_unfreeze(input, 0);
	while (len > 0 && evbuffer_get_length(input) < flow->max_input) {
		len = flow_read_in_place(flow, input, FLOW_READ_IN_PLACE);
		if (len > 0)
			flow->received += (uint64_t)len;
	}
	evbuffer_freeze(input, 0);
	flow_count_input(flow);
	EVUTIL_SET_SOCKET_ERROR(error);
}

static void
flow_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;
	struct evbuffer *input = flow->bev->input;
	size_t room = flow_read_room(flow, input);

	if (!(what & EV_READ) || room == 0) {
		flow_libevent_read(fd, what, flow->bev);
		return;
	}
	if (flow->loop->counter->crowded ||
	    (flow->paused != 0 && flow_is_held(flow, input)))
		return;
	if (flow->rates != NULL && (room = flow_rate_in(flow, room)) == 0)
		return;
	if (!flow_read_some(flow, input, room)) {
		if (flow->transport != NULL)
			flow_read_nothing(flow);
	} else if (flow->transport != NULL) {
		flow->idle_ms = 0;
		flow_read_end(flow, input);
	}
}

void
flow_read_assign(struct flow *flow)
{
	event_assign(&flow->bev->ev_read, flow->loop->base, flow->fd,
	    EV_READ | EV_PERSIST | EV_FINALIZE, flow_on_readable, flow);
}

void
flow_read_init(struct flow *flow)
{
	if (flow_libevent_read == NULL)
		flow_libevent_read = event_get_callback(&flow->bev->ev_read);
	flow_read_assign(flow);
}
