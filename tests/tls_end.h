/* SPDX-License-Identifier: BSD-2-Clause */
/* One end of a conversation over TLS, a flow, and the client at the other. */
#ifndef TLS_END_H
#define TLS_END_H

#include <errno.h>
#include <signal.h>

#include <event2/buffer.h>

#include "flow.h"
#include "step_tls.h"
#include "tls_fixture.h"
#include "tls_stream.h"
#include "transport.h"

#define LARGE (8u * 1024 * 1024)

struct end {
	struct flow flow; /* first: on_closed finds the end by it */
	struct client client;
	struct tls_stream *stream;
	int reads, writes, events, closed;
	short last_event;
	int last_error;
	size_t seen, most_seen, total; /* of the input */
	int drain_input, disable_in_read;
	size_t received; /* by the client */
	size_t files;	 /* of it: the letter f */
	int got_close;	 /* it saw close_notify after that */
};

static struct event_base *base;
static struct flow_loop loop;
static SSL_CTX *ctx;
static struct end end;

static inline void
on_closed(struct flow *flow)
{
	((struct end *)flow)->closed++;
}

static inline void
on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	(void)arg;
	if (end.flow.closing) {
		flow_closing_read(&end.flow);
		return;
	}
	end.reads++;
	end.seen = evbuffer_get_length(input);
	if (end.seen > end.most_seen)
		end.most_seen = end.seen;
	if (end.disable_in_read)
		bufferevent_disable(bev, EV_READ);
	if (end.drain_input) {
		end.total += end.seen;
		evbuffer_drain(input, end.seen);
	}
}

static inline void
on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	(void)arg;
	if (end.flow.closing)
		flow_closing_write(&end.flow);
	else
		end.writes++;
}

static inline void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)arg;
	if (end.flow.closing) {
		flow_closing_event(&end.flow, what);
		return;
	}
	end.last_error = errno;
	what = flow_event(&end.flow, what);
	end.events++;
	end.last_event = what;
}

static inline void
turn(void)
{
	ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

/* The client reads what there is, and sends what it has. */
static inline void
client_turn(void)
{
	static char buf[65536];
	int len, i;

	while ((len = client_step(&end.client, buf, sizeof(buf))) > 0) {
		end.received += (size_t)len;
		for (i = 0; i < len; i++)
			end.files += buf[i] == 'f';
	}
	if (len < 0)
		end.got_close = 1;
}

static inline void
turns(int count)
{
	while (count-- > 0) {
		client_turn();
		turn();
	}
}

static inline void
on_done(void *arg, enum bevhost_reason reason, const char *why,
    struct tls_stream *stream)
{
	(void)arg;
	(void)why;
	ck_assert_int_eq(reason, BEVHOST_REASON_NONE);
	end.stream = stream;
}

static inline void
end_init(int max_version)
{
	struct bufferevent *bev;
	int fds[2];

	memset(&end, 0, sizeof(end));
	ctx = fixture_ctx(max_version);
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	client_init(&end.client, fds[1]);
	ck_assert_ptr_nonnull(
	    step_tls_start(base, fds[0], ctx, 10000, on_done, NULL));
	while (end.stream == NULL || !SSL_is_init_finished(end.client.ssl))
		turns(1);
	client_turn();
	bev = bufferevent_socket_new(base, fds[0], 0);
	bufferevent_setcb(bev, on_read, on_write, on_event, &end);
	ck_assert_int_eq(
	    flow_init(&end.flow, &loop, bev, tls_stream_transport(end.stream)),
	    0);
	ck_assert_int_eq(bufferevent_enable(bev, EV_READ), 0);
}

static inline void
end_clear(void)
{
	flow_close(&end.flow, BEVHOST_CLOSE_NOW);
	turn();
	ck_assert_int_eq(end.closed, 1);
	flow_clear(&end.flow);
	turn();
	client_clear(&end.client);
	SSL_CTX_free(ctx);
}

static inline void
send_data(size_t len)
{
	char *bytes = calloc(1, len);

	client_write(&end.client, bytes, len);
	free(bytes);
	client_send(&end.client, SIZE_MAX);
}

static inline void
answer(size_t len)
{
	char *bytes = calloc(1, len);

	ck_assert_int_eq(bufferevent_write(end.flow.bev, bytes, len), 0);
	free(bytes);
}

static inline void
client_notify(void)
{
	SSL_shutdown(end.client.ssl);
	client_send(&end.client, SIZE_MAX);
}

static inline void
setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	ck_assert_int_eq(flow_loop_init(&loop, base, on_closed), 0);
	end_init(TLS1_3_VERSION);
}

static inline void
setup_1_2(void)
{
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	ck_assert_int_eq(flow_loop_init(&loop, base, on_closed), 0);
	end_init(TLS1_2_VERSION);
}

static inline void
teardown(void)
{
	end_clear();
	flow_loop_clear(&loop);
	event_base_free(base);
}

static inline void
check_failed(enum bevhost_reason reason)
{
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_READING | BEV_EVENT_ERROR);
	ck_assert_int_eq(flow_error_reason(&end.flow, end.last_error), reason);
	ck_assert_ptr_nonnull(flow_why(&end.flow));
}

#endif
