/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flow whose socket somebody else reads and writes, as a program that runs
 * on it. Its bufferevent rests: what there is to know of the socket meanwhile,
 * whether it has failed and how much has moved, the kernel tells.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include "flow.h"
#include "flow_guard.h"
#include "flow_lend.h"
#include "flow_own.h"

/* <netinet/tcp.h> has it, with an older struct tcp_info. */
#define FLOW_TCP_CLOSE 7

static int
flow_set_blocking(const struct flow *flow, int blocking)
{
	int flags = fcntl(flow->fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	return fcntl(flow->fd, F_SETFL, flags) < 0 ? -errno : 0;
}

static void
flow_ask_tcp(const struct flow *flow, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	if (flow->tcp)
		getsockopt(flow->fd, IPPROTO_TCP, TCP_INFO, info, &len);
}

/*
 * The error of a socket is told once, and who has the socket may have been
 * first. What is closed without one has its own end acknowledged, which counts
 * as a byte that was not sent as one.
 */
static int
flow_lent_has_failed(const struct flow *flow, short revents)
{
	struct tcp_info info;

	if (revents & POLLERR)
		return 1;
	if (!(revents & POLLHUP))
		return 0;
	flow_ask_tcp(flow, &info);
	return info.tcpi_state == FLOW_TCP_CLOSE &&
	       info.tcpi_bytes_acked <=
		   info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
}

/*
 * Of an end the one who has the socket hears, and may have an answer to it; a
 * failure is the end of all.
 */
static void
flow_on_lent(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;
	struct pollfd poll_fd = { .fd = fd };

	(void)what;
	if (poll(&poll_fd, 1, 0) > 0 &&
	    flow_lent_has_failed(flow, poll_fd.revents))
		flow_report_error(flow, BEV_EVENT_READING, ECONNRESET);
}

/* What the handler enables meanwhile waits for nothing. */
static void
flow_on_nothing(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	event_del(&flow->bev->ev_read);
}

/*
 * Edges of writing: that of a failure is among them, and none comes with each
 * arriving byte. Where there are no edges the guard looks.
 */
static int
flow_watch_lent(struct flow *flow)
{
	struct bufferevent *bev = flow->bev;
	struct event_base *base = flow->loop->base;
	short edges = event_base_get_features(base) & EV_FEATURE_ET ? EV_ET : 0;

	/* Nobody takes it for what is to be written. */
	flow->watched = 1;
	event_del(&bev->ev_write);
	event_assign(&bev->ev_read, base, flow->fd,
	    (short)(EV_READ | EV_PERSIST | EV_FINALIZE | edges),
	    flow_on_nothing, flow);
	if (!edges)
		return 0;
	event_assign(&bev->ev_write, base, flow->fd,
	    EV_WRITE | EV_ET | EV_PERSIST | EV_FINALIZE, flow_on_lent, flow);
	return event_add(&bev->ev_write, NULL) < 0 ? -ENOMEM : 0;
}

int
flow_lend(struct flow *flow)
{
	int status;

	if (flow->closing)
		return -ESHUTDOWN;
	if (flow->lent)
		return flow->fd;
	if (flow->transport != NULL || flow->rates != NULL ||
	    (!flow->tcp && flow_guard_counts_idle(flow)))
		return -ENOTSUP;
	if (flow->eof || flow_owed(flow) > 0 ||
	    evbuffer_get_length(flow->bev->input) > 0)
		return -EBUSY;
	status = flow_set_blocking(flow, 1);
	if (status < 0)
		return status;
	bufferevent_disable(flow->bev, EV_READ | EV_WRITE);
	status = flow_watch_lent(flow);
	if (status < 0) {
		flow_set_blocking(flow, 0);
		flow_read_assign(flow);
		flow_rest(flow);
		return status;
	}
	evbuffer_freeze(flow->bev->output, 0);
	flow->lent = 1;
	return flow->fd;
}

void
flow_lend_end(struct flow *flow)
{
	if (flow->lent)
		flow_set_blocking(flow, 0);
}

void
flow_lent_moved(struct flow *flow, uint64_t *received, uint64_t *taken)
{
	struct tcp_info info;

	flow_ask_tcp(flow, &info);
	*received = info.tcpi_bytes_received;
	*taken = info.tcpi_bytes_acked;
	/* A failure that no edge told. */
	flow_on_lent(flow->fd, 0, flow);
}
