/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast path keeps libevent's bufferevent and its promises, and changes
 * when its two events do what.
 *
 * Reading: libevent asks the socket how much there is and reads at most 4096
 * bytes of it. Here the read event has a callback of ours, which reads once,
 * up to 64 KiB: into one buffer for all connections, from which few bytes are
 * copied, or in place when the read before was large. Timeouts and a full
 * watermark go to libevent's callback.
 *
 * Writing: libevent adds its write event to epoll when output appears and
 * takes it off when it is written: two system calls and a turn of the loop
 * for each answer. Here that event rests without a descriptor, so that adding
 * it costs nothing and only notes that libevent wants to write. What a read
 * callback answers is written when it returns, while the socket is still in
 * the processor's cache; what others write, at the end of the turn, when all
 * callbacks that wait have run and their writes have come together. In both
 * cases libevent's own write callback does it, or, when nobody is there for
 * ours, evbuffer_write alone. Only for what the socket did not take does the
 * event get its descriptor, and is libevent's own again.
 */
#include "flow.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent_struct.h>
#include <event2/util.h>

/* From here on a read is large: worth a chain of its own. */
#define FLOW_READ_LARGE 4096

/* Room for a large read: with the chain's header a power of two. */
#define FLOW_READ_IN_PLACE (2 * FLOW_READ_MAX - 64)

/* libevent writes at most 16 KiB in one go unless told otherwise. */
#define FLOW_WRITE_MAX (1024u * 1024)

/* Why reading is paused. */
#define FLOW_PAUSED_OUTPUT 1u /* until the output shrinks */
#define FLOW_PAUSED_INPUT  2u /* until the handler takes some */

/* libevent's own callbacks, the same for every socket bufferevent. */
static event_callback_fn flow_libevent_read, flow_libevent_write;

static struct evbuffer *
flow_output(const struct flow *flow)
{
	return flow->bev->output;
}

size_t
flow_owed(const struct flow *flow)
{
	return evbuffer_get_length(flow_output(flow));
}

void
flow_list(struct flow *flow)
{
	struct flow_loop *loop = flow->loop;

	if (flow->listed)
		return;
	flow->listed = 1;
	flow->next = NULL;
	if (loop->first == NULL) {
		loop->last = &loop->first;
		event_active(loop->turn, EV_TIMEOUT, 0);
	}
	*loop->last = flow;
	loop->last = &flow->next;
}

/* An error that libevent's callbacks would report in this way. */
static void
flow_report_error(struct flow *flow, short direction, int error)
{
	bufferevent_disable(
	    flow->bev, direction == BEV_EVENT_READING ? EV_READ : EV_WRITE);
	EVUTIL_SET_SOCKET_ERROR(error);
	bufferevent_trigger_event(
	    flow->bev, (short)(direction | BEV_EVENT_ERROR), 0);
}

/* Writing */

static void
flow_assign_write(struct flow *flow, int fd, event_callback_fn callback)
{
	struct event *event = &flow->bev->ev_write;

	event_del(event);
	event_assign(event, flow->loop->base, fd,
	    EV_WRITE | EV_PERSIST | EV_FINALIZE, callback, flow);
}

/* At rest nothing waits to be written, so no write can be late. */
static void
flow_on_rest_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	event_del(&flow->bev->ev_write);
}

static void
flow_rest(struct flow *flow)
{
	flow->watched = 0;
	flow_assign_write(flow, -1, flow_on_rest_timeout);
}

static void
flow_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	errno = 0;
	flow_libevent_write(fd, what, flow->bev);
	if (flow_owed(flow) == 0)
		flow_rest(flow);
}

/* The rest waits for the socket, or for the handler to enable writing. */
static void
flow_watch(struct flow *flow)
{
	flow->watched = 1;
	flow_assign_write(flow, flow->fd, flow_on_writable);
	if ((flow->bev->enabled & EV_WRITE) &&
	    bufferevent_enable(flow->bev, EV_WRITE) < 0)
		flow_report_error(flow, BEV_EVENT_WRITING, ENOMEM);
}

/* Enabling calls the write callback, be there output or not. */
static int
flow_was_enabled(const struct flow *flow)
{
	return !flow->watched && !flow->plain &&
	       event_pending(&flow->bev->ev_write, EV_WRITE, NULL);
}

/*
 * Without libevent's write callback, which would take its event off and call
 * ours. At rest that event stays added, which costs nothing.
 */
static void
flow_write_plain(struct flow *flow)
{
	struct evbuffer *output = flow_output(flow);

	evbuffer_unfreeze(output, 1);
	evbuffer_write_atmost(output, flow->fd,
	    (ev_ssize_t)bufferevent_get_max_single_write(flow->bev));
	evbuffer_freeze(output, 1);
}

/* Writes what is to be written, and watches for the rest: errors too are
   libevent's to report. */
void
flow_flush(struct flow *flow)
{
	if (flow->watched || (flow_owed(flow) == 0 && !flow_was_enabled(flow)))
		return;
	errno = 0;
	if (!(flow->bev->enabled & EV_WRITE))
		;
	else if (flow->plain)
		flow_write_plain(flow);
	else
		flow_libevent_write(flow->fd, EV_WRITE, flow->bev);
	if (!flow->dead && flow_owed(flow) > 0)
		flow_watch(flow);
}

void
flow_set_heard(struct flow *flow, int heard)
{
	if (flow->plain == !heard)
		return;
	flow->plain = !heard;
	/* What is added from now on tells that writing was enabled. */
	if (heard && !flow->watched && flow_owed(flow) == 0)
		event_del(&flow->bev->ev_write);
}

void
flow_handler_ran(struct flow *flow)
{
	if (!flow->finished && flow_was_enabled(flow))
		flow_list(flow);
}

/*
 * libevent takes a full socket for an end when a file is sent: sendfile's
 * EAGAIN becomes 0. So does a file that has become shorter, which is an error.
 */
static short
flow_write_event(struct flow *flow, int error)
{
	if ((error == EAGAIN || error == EINTR) &&
	    bufferevent_enable(flow->bev, EV_WRITE) == 0)
		return 0;
	EVUTIL_SET_SOCKET_ERROR(EIO);
	return BEV_EVENT_WRITING | BEV_EVENT_ERROR;
}

short
flow_event(struct flow *flow, short what)
{
	if ((what & BEV_EVENT_WRITING) && (what & BEV_EVENT_EOF))
		return flow_write_event(flow, EVUTIL_SOCKET_ERROR());
	if (what & BEV_EVENT_EOF)
		flow->eof = 1;
	return what;
}

/*
 * Takes the read event off without touching what the handler enabled:
 * bufferevent_enable puts it back, be it ours or the handler's.
 */
static void
flow_pause(struct flow *flow, unsigned why)
{
	flow->paused |= why & 3;
	event_del(&flow->bev->ev_read);
}

static void
flow_resume(struct flow *flow, unsigned why)
{
	if (!(flow->paused & why))
		return;
	flow->paused &= ~why & 3;
	if (flow->paused == 0 && (flow->bev->enabled & EV_READ))
		bufferevent_enable(flow->bev, EV_READ);
}

/* Runs before libevent's own callback, which adds the write event. */
static void
flow_on_output(
    struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct flow *flow = arg;
	size_t len = info->orig_size + info->n_added - info->n_deleted;

	(void)output;
	if (info->n_added > 0) {
		/* A timeout counts from now, not from when all was sent. */
		if (info->orig_size == 0 && !flow->watched &&
		    evutil_timerisset(&flow->bev->timeout_write))
			event_del(&flow->bev->ev_write);
		if (!flow->watched && !flow->reading)
			flow_list(flow);
		/* Again, if the handler's enable has ended the pause. */
		if (flow->write_watermark != 0 && len > flow->write_watermark &&
		    !flow->closing)
			flow_pause(flow, FLOW_PAUSED_OUTPUT);
	} else if (flow->paused && len <= flow->write_watermark / 2) {
		flow_resume(flow, FLOW_PAUSED_OUTPUT);
	}
}

void
flow_set_write_watermark(struct flow *flow, size_t bytes)
{
	size_t owed = flow_owed(flow);

	flow->write_watermark = bytes;
	if (bytes == 0 || owed <= bytes / 2)
		flow_resume(flow, FLOW_PAUSED_OUTPUT);
	else if (owed > bytes)
		flow_pause(flow, FLOW_PAUSED_OUTPUT);
}

/* Reading */

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

/* For few bytes: one copy costs less than room for many. */
static ssize_t
flow_read_copy(struct flow *flow, struct evbuffer *input, size_t room)
{
	char *buffer = flow->loop->buffer;
	ssize_t len =
	    read(flow->fd, buffer, room < FLOW_READ_MAX ? room : FLOW_READ_MAX);

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
	int count = evbuffer_reserve_space(input, (ev_ssize_t)room, vectors, 2);
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
	len = readv(flow->fd, (struct iovec *)vectors, count);
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
	    evbuffer_get_length(input) <= FLOW_INPUT_MAX / 2)
		flow_resume(flow, FLOW_PAUSED_INPUT);
}

/*
 * The handler lets input pile up: it is held until the handler takes some.
 * (libevent's watermark would call the handler again and again.)
 */
static void
flow_check_input(struct flow *flow, struct evbuffer *input)
{
	if (evbuffer_get_length(input) < FLOW_INPUT_MAX || flow->closing ||
	    flow->bev->wm_read.low > FLOW_INPUT_MAX / 2)
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
		evbuffer_get_length(input) > FLOW_INPUT_MAX / 2)) {
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
flow_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;
	struct evbuffer *input = flow->bev->input;
	size_t room = flow_read_room(flow, input);
	ssize_t len;

	if (what != EV_READ || room == 0) {
		flow_libevent_read(fd, what, flow->bev);
		return;
	}
	if (flow->paused != 0 && flow_is_held(flow, input))
		return;
	evbuffer_unfreeze(input, 0);
	len = flow->large ? flow_read_in_place(flow, input, room)
			  : flow_read_copy(flow, input, room);
	evbuffer_freeze(input, 0);
	if (len > 0) {
		flow->large = len >= FLOW_READ_LARGE;
		flow->heard = 1;
		flow_call_read(flow, input);
		if (!flow->closing)
			flow_flush(flow);
		flow_check_input(flow, input);
	} else if (len == 0) {
		bufferevent_disable(flow->bev, EV_READ);
		bufferevent_trigger_event(
		    flow->bev, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
	} else if (errno != EAGAIN && errno != EINTR) {
		flow_report_error(flow, BEV_EVENT_READING, errno);
	}
}

static void
flow_assign_read(struct flow *flow)
{
	struct event *event = &flow->bev->ev_read;

	event_assign(event, flow->loop->base, flow->fd,
	    EV_READ | EV_PERSIST | EV_FINALIZE, flow_on_readable, flow);
}

void
flow_end_timeouts(struct flow *flow)
{
	bufferevent_set_timeouts(flow->bev, NULL, NULL);
	/* An event that was not pending has kept its own, and would start it
	   again with each of its callbacks. */
	event_del(&flow->bev->ev_read);
	flow_assign_read(flow);
	flow_rest(flow);
}

int
flow_init(struct flow *flow, struct flow_loop *loop, struct bufferevent *bev)
{
	*flow = (struct flow){
		.bev = bev,
		.loop = loop,
		.write_watermark = FLOW_WRITE_WATERMARK,
		.fd = bufferevent_getfd(bev),
	};
	if (flow_libevent_read == NULL) {
		flow_libevent_read = event_get_callback(&bev->ev_read);
		flow_libevent_write = event_get_callback(&bev->ev_write);
	}
	if (evbuffer_add_cb(flow_output(flow), flow_on_output, flow) == NULL ||
	    bufferevent_set_max_single_read(bev, FLOW_READ_IN_PLACE) < 0 ||
	    bufferevent_set_max_single_write(bev, FLOW_WRITE_MAX) < 0)
		return -1;
	flow_assign_read(flow);
	flow_rest(flow);
	return 0;
}
