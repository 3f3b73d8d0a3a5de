/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast path. A bufferevent at rest has its write event enabled but not
 * added. libevent adds it to epoll when output appears, and takes it off when
 * it is written: two system calls and a turn of the loop for each answer.
 * Here the first output of a turn activates the write event instead, which
 * makes libevent's own write function run in the same turn, after the
 * callbacks that are already waiting: everything that libevent promises about
 * watermarks, timeouts, enabling and errors is kept by libevent itself. The
 * turn event then looks at what the socket did not take, and only that goes
 * to epoll.
 *
 * Closing: FLUSH (output left, reading goes on so that the peer can get rid
 * of its own), then LINGER (our end is shut, unread input would turn the
 * close into a reset that destroys what was sent), then the close itself,
 * always from the turn event.
 */
#include "flow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent_struct.h>
#include <event2/util.h>

/* libevent reads at most this much in one go, so this much may mean more. */
#define FLOW_LIBEVENT_READ 4096

/* What one read callback is given at most, so that others get their turn. */
#define FLOW_READ_MAX (256u * 1024)

/* libevent writes at most 16 KiB in one go unless told otherwise. */
#define FLOW_WRITE_MAX (1024u * 1024)

/* A peer that takes this much before the flush deadline earns another. */
#define FLOW_FLUSH_STEP (64u * 1024)

static void
flow_list(struct flow *flow)
{
	struct flow_loop *loop = flow->loop;

	if (flow->listed)
		return;
	flow->listed = 1;
	flow->seen = 0;
	flow->next = NULL;
	if (loop->first == NULL) {
		loop->last = &loop->first;
		event_active(loop->turn, EV_TIMEOUT, 0);
	}
	*loop->last = flow;
	loop->last = &flow->next;
}

static struct evbuffer *
flow_output(const struct flow *flow)
{
	return bufferevent_get_output(flow->bev);
}

static int
flow_write_pending(const struct flow *flow)
{
	return event_pending(&flow->bev->ev_write, EV_WRITE, NULL);
}

/*
 * Takes the read event off without touching what the handler enabled:
 * bufferevent_enable puts it back, be it ours or the handler's.
 */
static void
flow_pause(struct flow *flow)
{
	flow->paused = 1;
	event_del(&flow->bev->ev_read);
}

static void
flow_resume(struct flow *flow)
{
	flow->paused = 0;
	if (bufferevent_get_enabled(flow->bev) & EV_READ)
		bufferevent_enable(flow->bev, EV_READ);
}

static void
flow_on_output(
    struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct flow *flow = arg;
	size_t len = info->orig_size + info->n_added - info->n_deleted;

	(void)output;
	if (info->n_added > 0) {
		if (!flow->listed && !flow->backlog &&
		    (bufferevent_get_enabled(flow->bev) & EV_WRITE) &&
		    !flow_write_pending(flow)) {
			event_active(&flow->bev->ev_write, EV_WRITE, 0);
			flow_list(flow);
		}
		/* Paused again when the handler's enable ended the pause. */
		if (flow->write_watermark != 0 &&
		    len > flow->write_watermark && !flow->closing)
			flow_pause(flow);
	} else if (flow->paused && len <= flow->write_watermark / 2) {
		flow_resume(flow);
	}
	if (len == 0)
		flow->backlog = 0;
}

/* After a write: does anything wait for the socket to take it? */
static void
flow_check_output(struct flow *flow)
{
	if (flow->backlog || evbuffer_get_length(flow_output(flow)) == 0 ||
	    !(bufferevent_get_enabled(flow->bev) & EV_WRITE))
		return;
	if (!flow_write_pending(flow)) {
		flow->backlog = 1;
		bufferevent_enable(flow->bev, EV_WRITE);
	} else if (!flow->seen) {
		/* Active, but behind the turn event: look again after it. */
		flow_list(flow);
		flow->seen = 1;
	}
}

static void
flow_finish(struct flow *flow)
{
	struct evbuffer *output = flow_output(flow);
	struct evbuffer *input = bufferevent_get_input(flow->bev);
	evutil_socket_t fd = bufferevent_getfd(flow->bev);

	flow->finished = 1;
	if (flow->deadline != NULL)
		event_free(flow->deadline);
	flow->deadline = NULL;
	bufferevent_disable(flow->bev, EV_READ | EV_WRITE);
	/* References into the owner's memory end before the owner does. */
	evbuffer_unfreeze(output, 1);
	evbuffer_drain(output, evbuffer_get_length(output));
	evbuffer_drain(input, evbuffer_get_length(input));
	/* Who still holds the bev cannot reach a descriptor's next owner. */
	bufferevent_setfd(flow->bev, -1);
	close(fd);
	flow->loop->on_closed(flow);
}

static void
flow_die(struct flow *flow)
{
	flow->dead = 1;
	flow_list(flow);
}

static void
flow_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;
	size_t owed = evbuffer_get_length(flow_output(flow));

	(void)fd;
	(void)what;
	if (!flow->lingering && owed + FLOW_FLUSH_STEP <= flow->owed) {
		flow->owed = owed;
		event_add(flow->deadline, flow->loop->flush_timeout);
		return;
	}
	flow_die(flow);
}

/* Without a timer there is no bound: then the close is at once. */
static void
flow_set_deadline(struct flow *flow, const struct timeval *timeout)
{
	if (flow->deadline == NULL)
		flow->deadline = evtimer_new(
		    flow->loop->base, flow_on_deadline, flow);
	if (flow->deadline == NULL || event_add(flow->deadline, timeout) < 0)
		flow_die(flow);
}

static void
flow_close_flush(struct flow *flow, size_t owed)
{
	if (flow_write_pending(flow) && !flow->seen && !flow->backlog) {
		/* Active, but behind the turn event: look again after it. */
		flow_list(flow);
		flow->seen = 1;
		return;
	}
	if (flow->deadline == NULL) {
		flow->owed = owed;
		flow_set_deadline(flow, flow->loop->flush_timeout);
	}
	flow->backlog = 1;
	if (bufferevent_enable(flow->bev, EV_WRITE) < 0)
		flow_die(flow);
}

/* One look at a closing flow: what is the next thing to wait for? */
static void
flow_close_step(struct flow *flow)
{
	size_t owed = evbuffer_get_length(flow_output(flow));

	if (flow->dead) {
		flow_finish(flow);
	} else if (owed > 0) {
		flow_close_flush(flow, owed);
	} else if (flow->eof) {
		flow_finish(flow);
	} else if (!flow->lingering) {
		flow->lingering = 1;
		if (shutdown(bufferevent_getfd(flow->bev), SHUT_WR) < 0)
			flow_die(flow);
		else
			flow_set_deadline(flow, flow->loop->linger_timeout);
	}
}

static void
flow_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct flow_loop *loop = arg;
	struct flow *flow = loop->first;

	(void)fd;
	(void)what;
	loop->first = NULL;
	while (flow != NULL) {
		struct flow *next = flow->next;

		flow->listed = 0;
		if (flow->finished)
			loop->on_closed(flow);
		else if (flow->closing)
			flow_close_step(flow);
		else
			flow_check_output(flow);
		flow = next;
	}
}

static const struct timeval *
flow_common_timeout(struct event_base *base, int timeout_ms)
{
	struct timeval timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};

	return event_base_init_common_timeout(base, &timeout);
}

int
flow_loop_init(struct flow_loop *loop, struct event_base *base,
    void (*on_closed)(struct flow *flow))
{
	loop->base = base;
	loop->first = NULL;
	loop->on_closed = on_closed;
	loop->flush_timeout = flow_common_timeout(base, FLOW_FLUSH_MS);
	loop->linger_timeout = flow_common_timeout(base, FLOW_LINGER_MS);
	loop->turn = event_new(base, -1, EV_PERSIST, flow_on_turn, loop);
	return loop->turn != NULL && loop->flush_timeout != NULL &&
		       loop->linger_timeout != NULL
		   ? 0
		   : -1;
}

void
flow_loop_clear(struct flow_loop *loop)
{
	assert(loop->first == NULL);
	if (loop->turn != NULL)
		event_free(loop->turn);
	loop->turn = NULL;
}

void
flow_loop_drain(struct flow_loop *loop)
{
	const struct timeval *timeout =
	    flow_common_timeout(loop->base, FLOW_DRAIN_LINGER_MS);

	if (timeout != NULL)
		loop->linger_timeout = timeout;
}

int
flow_init(
    struct flow *flow, struct flow_loop *loop, struct bufferevent *bev)
{
	*flow = (struct flow){
		.bev = bev,
		.loop = loop,
		.write_watermark = FLOW_WRITE_WATERMARK,
	};
	if (evbuffer_add_cb(flow_output(flow), flow_on_output, flow) == NULL)
		return -1;
	return bufferevent_set_max_single_write(bev, FLOW_WRITE_MAX);
}

/* How much more may be read for this callback. */
static size_t
flow_read_room(const struct flow *flow, size_t input_len, size_t read_so_far)
{
	size_t room = FLOW_READ_MAX - read_so_far, high = 0, low;
	size_t owed = evbuffer_get_length(flow_output(flow));

	bufferevent_getwatermark(flow->bev, EV_READ, &low, &high);
	if (high != 0)
		room = input_len >= high	   ? 0
		       : room > high - input_len ? high - input_len
						   : room;
	if (flow->write_watermark != 0)
		room = owed >= flow->write_watermark ? 0
		       : room > flow->write_watermark - owed
			   ? flow->write_watermark - owed
			   : room;
	return room;
}

/* One read of what the socket has now. Returns its length, 0, or -1. */
static ssize_t
flow_read_more(struct flow *flow, size_t room)
{
	struct evbuffer *input = bufferevent_get_input(flow->bev);
	evutil_socket_t fd = bufferevent_getfd(flow->bev);
	struct evbuffer_iovec vectors[2];
	int waiting = 0, count;
	ssize_t len;

	if (ioctl(fd, FIONREAD, &waiting) < 0 || waiting <= 0)
		return 0;
	if ((size_t)waiting < room)
		room = (size_t)waiting;
	evbuffer_unfreeze(input, 0);
	count = evbuffer_reserve_space(input, (ev_ssize_t)room, vectors, 2);
	if (count < 1) {
		evbuffer_freeze(input, 0);
		return 0;
	}
	do {
		len = readv(fd, (struct iovec *)vectors, count);
	} while (len < 0 && errno == EINTR);
	if (len > 0) {
		if ((size_t)len <= vectors[0].iov_len) {
			vectors[0].iov_len = (size_t)len;
			count = 1;
		} else {
			vectors[1].iov_len = (size_t)len - vectors[0].iov_len;
		}
		evbuffer_commit_space(input, vectors, count);
	}
	evbuffer_freeze(input, 0);
	return len;
}

int
flow_top_up(struct flow *flow)
{
	struct evbuffer *input = bufferevent_get_input(flow->bev);
	size_t len = evbuffer_get_length(input), read_so_far, room;
	ssize_t more;

	if (len < FLOW_LIBEVENT_READ ||
	    len - FLOW_LIBEVENT_READ < flow->input_seen)
		return 0;
	read_so_far = FLOW_LIBEVENT_READ;
	while ((room = flow_read_room(flow, len, read_so_far)) > 0) {
		more = flow_read_more(flow, room);
		if (more < 0 && errno != EAGAIN)
			return errno;
		if (more <= 0)
			break;
		len += (size_t)more;
		read_so_far += (size_t)more;
	}
	return 0;
}

void
flow_read_done(struct flow *flow)
{
	size_t high, low;

	flow->input_seen =
	    evbuffer_get_length(bufferevent_get_input(flow->bev));
	if (flow->input_seen < FLOW_INPUT_MAX)
		return;
	/* The handler lets input pile up: libevent's watermark holds it. */
	bufferevent_getwatermark(flow->bev, EV_READ, &low, &high);
	if (high == 0 && low < FLOW_INPUT_MAX)
		bufferevent_setwatermark(
		    flow->bev, EV_READ, low, FLOW_INPUT_MAX);
}

void
flow_set_write_watermark(struct flow *flow, size_t bytes)
{
	size_t len = evbuffer_get_length(flow_output(flow));

	flow->write_watermark = bytes;
	if (flow->paused && (bytes == 0 || len <= bytes / 2))
		flow_resume(flow);
	else if (!flow->paused && bytes != 0 && len > bytes)
		flow_pause(flow);
}

void
flow_close(struct flow *flow, enum bevhost_close how)
{
	if (flow->finished)
		return;
	if (!flow->closing) {
		flow->closing = 1;
		bufferevent_setwatermark(flow->bev, EV_READ | EV_WRITE, 0, 0);
		bufferevent_set_timeouts(flow->bev, NULL, NULL);
		evbuffer_freeze(flow_output(flow), 0);
		flow->paused = 0;
		if (!flow->eof)
			bufferevent_enable(flow->bev, EV_READ);
	}
	if (how == BEVHOST_CLOSE_NOW)
		flow->dead = 1;
	flow_list(flow);
}

void
flow_set_eof(struct flow *flow)
{
	flow->eof = 1;
}

void
flow_closing_read(struct flow *flow)
{
	struct evbuffer *input = bufferevent_get_input(flow->bev);

	evbuffer_drain(input, evbuffer_get_length(input));
}

void
flow_closing_write(struct flow *flow)
{
	flow_list(flow);
}

void
flow_closing_event(struct flow *flow, short what)
{
	if (what & BEV_EVENT_EOF)
		flow->eof = 1;
	else
		flow->dead = 1;
	flow_list(flow);
}

void
flow_call(struct flow *flow)
{
	assert(flow->finished);
	flow_list(flow);
}
