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
 * ours, send() or evbuffer_write alone. Only for what the socket did not take
 * does the event get its descriptor, and is libevent's own again.
 *
 * With a transport, which is TLS, the same happens at the same times. It reads
 * and writes the socket in our place, and what libevent's write callback does
 * beside writing is done by ours.
 */
#include "flow.h"

#include <errno.h>

#include <event2/buffer.h>
#include <event2/bufferevent_struct.h>
#include <event2/util.h>

#include "flow_guard.h"
#include "flow_host.h"
#include "flow_own.h"

size_t
flow_owed(const struct flow *flow)
{
	return evbuffer_get_length(flow->bev->output);
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

void
flow_report_error(struct flow *flow, short direction, int error)
{
	bufferevent_disable(
	    flow->bev, direction == BEV_EVENT_READING ? EV_READ : EV_WRITE);
	EVUTIL_SET_SOCKET_ERROR(error);
	bufferevent_trigger_event(
	    flow->bev, (short)(direction | BEV_EVENT_ERROR), 0);
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
	flow->lacks_file = 1;
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
	if ((what & BEV_EVENT_WRITING) && (what & BEV_EVENT_ERROR))
		flow_read_rest(flow);
	return what;
}

void
flow_pause(struct flow *flow, unsigned why)
{
	flow->paused |= why & FLOW_PAUSED_ANY;
	event_del(&flow->bev->ev_read);
}

void
flow_resume(struct flow *flow, unsigned why)
{
	if (!(flow->paused & why))
		return;
	flow->paused &= ~why & FLOW_PAUSED_ANY;
	if (flow->paused == 0 && (flow->bev->enabled & EV_READ))
		bufferevent_enable(flow->bev, EV_READ);
}

/* The handler has written something, or the socket has taken some of it. */
static void
flow_count_output(
    struct flow *flow, const struct evbuffer_cb_info *info, size_t len)
{
	struct flow_loop *loop = flow->loop->counter;

	loop->held += info->n_added - info->n_deleted;
	flow->sent += info->n_deleted;
	if (info->n_deleted > 0 && flow->rates != NULL)
		flow_rate_moved(flow, 0, info->n_deleted);
	if (info->n_added == 0)
		return;
	if (flow->asleep)
		flow_guard_wake(flow);
	if (loop->held > loop->held_max)
		loop->host->full(loop);
	if (len > flow_max_output(flow))
		flow_check_output(flow, len);
	else
		flow->output_checked = 0;
}

/* Runs before libevent's own callback, which adds the write event. */
static void
flow_on_output(
    struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct flow *flow = arg;
	size_t len = info->orig_size + info->n_added - info->n_deleted;

	(void)output;
	if (flow->taking)
		return;
	flow_count_output(flow, info, len);
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

void
flow_end_timeouts(struct flow *flow)
{
	bufferevent_set_timeouts(flow->bev, NULL, NULL);
	/* An event that was not pending has kept its own, and would start it
	   again with each of its callbacks. */
	event_del(&flow->bev->ev_read);
	flow_read_assign(flow);
	flow_rest(flow);
}

void
flow_set_limits(struct flow *flow, size_t max_buffer, int64_t linger_ms)
{
	flow->max_input = max_buffer > 0 ? max_buffer : SIZE_MAX;
	flow->linger_ms =
	    linger_ms < UINT32_MAX ? (uint32_t)linger_ms : UINT32_MAX;
}

int
flow_init(struct flow *flow, struct flow_loop *loop, struct bufferevent *bev,
    struct transport *transport)
{
	*flow = (struct flow){
		.bev = bev,
		.loop = loop,
		.write_watermark = FLOW_WRITE_WATERMARK,
		.fd = bufferevent_getfd(bev),
	};
	flow_set_limits(flow, FLOW_INPUT_MAX, FLOW_LINGER_MS);
	if (evbuffer_add_cb(bev->output, flow_on_output, flow) == NULL ||
	    bufferevent_set_max_single_read(bev, FLOW_READ_IN_PLACE) < 0 ||
	    bufferevent_set_max_single_write(bev, FLOW_WRITE_MAX) < 0)
		return -1;
	flow_read_init(flow);
	flow_write_init(flow);
	flow->transport = transport;
	/* Else libevent maps files: nobody would know them again. */
	if (transport != NULL && !flow_memory_is_known())
		evbuffer_clear_flags(bev->output, EVBUFFER_FLAG_DRAINS_TO_FD);
	return 0;
}

struct flow *
flow_of(struct bufferevent *bev)
{
	return bev->cbarg;
}

enum bevhost_reason
flow_error_reason(const struct flow *flow, int error)
{
	enum bevhost_reason reason = BEVHOST_REASON_NONE;

	if (flow->transport != NULL)
		reason = flow->transport->ops->reason(flow->transport);
	if (reason != BEVHOST_REASON_NONE)
		return reason;
	switch (error) {
	case ECONNRESET:
	case EPIPE:
		return BEVHOST_REASON_RESET;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return BEVHOST_REASON_OVERLOAD;
	default:
		return BEVHOST_REASON_ERROR;
	}
}

const char *
flow_why(const struct flow *flow)
{
	if (flow->lacks_file)
		return "a file is shorter than what was to be sent of it";
	return flow->transport == NULL
		   ? NULL
		   : flow->transport->ops->why(flow->transport);
}

void
flow_clear(struct flow *flow)
{
	if (flow->transport != NULL)
		flow->transport->ops->free(flow->transport);
	flow->transport = NULL;
	flow_rate_clear(flow);
	flow_guard_stop(flow);
	bufferevent_free(flow->bev);
	flow->bev = NULL;
}
