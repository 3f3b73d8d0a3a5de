/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files in the output of a flow whose transport wants bytes: all of them
 * arrive, a file that becomes shorter is an error and no signal, and neither
 * memory nor the counts of what is sent grow.
 */
#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "flow_host.h"
#include "flow_own.h"
#include "tap.h"
#include "transport.h"

#define LARGE (3u * 1024 * 1024)

/* What a transport got. */
static struct sink {
	struct transport transport;
	char *bytes;
	size_t len, room; /* that it may take */
	int writes, last_more;
} sink;

static struct event_base *base;
static struct flow_loop loop;
static struct flow flow;
static int peer, events, last_error;
static short last_event;
static char path[] = "/tmp/test_flow_file.XXXXXX";

static ssize_t
sink_read(struct transport *transport, void *buf, size_t len)
{
	(void)transport;
	(void)buf;
	(void)len;
	errno = EAGAIN;
	return -1;
}

static ssize_t
sink_write(
    struct transport *transport, struct evbuffer *output, size_t max, int more)
{
	size_t len = evbuffer_get_length(output);

	ck_assert_ptr_eq(transport, &sink.transport);
	if (len > max)
		len = max;
	if (len > sink.room)
		len = sink.room;
	if (len == 0) {
		errno = EAGAIN;
		return -1;
	}
	ck_assert_int_eq(
	    evbuffer_remove(output, sink.bytes + sink.len, len), (int)len);
	sink.len += len;
	sink.room -= len;
	sink.writes++;
	sink.last_more = more;
	return (ssize_t)len;
}

static int
sink_shutdown(struct transport *transport)
{
	(void)transport;
	return 0;
}

static enum bevhost_reason
sink_reason(const struct transport *transport)
{
	(void)transport;
	return BEVHOST_REASON_NONE;
}

static const char *
sink_why(const struct transport *transport)
{
	(void)transport;
	return NULL;
}

static void
sink_free(struct transport *transport)
{
	(void)transport;
}

static const struct transport_ops sink_ops = {
	.read = sink_read,
	.write = sink_write,
	.shutdown = sink_shutdown,
	.reason = sink_reason,
	.why = sink_why,
	.free = sink_free,
};

static void
on_closed(struct flow *closed)
{
	(void)closed;
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)arg;
	last_error = errno;
	what = flow_event(&flow, what);
	last_event = what;
	events += what != 0;
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	(void)arg;
}

static void
setup(void)
{
	struct bufferevent *bev;
	int fds[2], fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	memset(&sink, 0, sizeof(sink));
	sink.transport.ops = &sink_ops;
	sink.bytes = malloc(4 * LARGE);
	sink.room = 4 * LARGE;
	events = 0;
	base = event_base_new();
	ck_assert_int_eq(flow_loop_init(&loop, base, on_closed), 0);
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer = fds[1];
	bev = bufferevent_socket_new(base, fds[0], 0);
	bufferevent_setcb(bev, NULL, on_write, on_event, &flow);
	ck_assert_int_eq(flow_init(&flow, &loop, bev, &sink.transport), 0);
	ck_assert_int_eq(bufferevent_enable(bev, EV_READ), 0);
}

/* Once: a sink that is full leaves the socket writable. */
static void
turn(void)
{
	ck_assert_int_ge(
	    event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE), 0);
}

static void
teardown(void)
{
	flow_close(&flow, BEVHOST_CLOSE_NOW);
	turn();
	flow_clear(&flow);
	turn();
	ck_assert_uint_eq(loop.held, 0);
	flow_loop_clear(&loop);
	event_base_free(base);
	close(peer);
	free(sink.bytes);
	unlink(path);
	strcpy(path + strlen(path) - 6, "XXXXXX");
}

static struct evbuffer *
output(void)
{
	return bufferevent_get_output(flow.bev);
}

/* The file gets so many bytes, each its own. */
static void
write_file(size_t len)
{
	unsigned char *bytes = malloc(len + 1);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = (unsigned char)(i % 251);
	ck_assert_int_eq(write(fd, bytes, len), (int)len);
	close(fd);
	free(bytes);
}

static void
add_file(struct evbuffer *buffer, off_t offset, off_t len)
{
	ck_assert_int_eq(evbuffer_add_file(buffer,
			     open(path, O_RDONLY | O_CLOEXEC), offset, len),
	    0);
}

/* Nobody knew that it was for a socket: libevent maps it at once. */
static void
add_mapped(off_t offset, off_t len)
{
	struct evbuffer *other = evbuffer_new();

	add_file(other, offset, len);
	ck_assert_int_eq(evbuffer_add_buffer(output(), other), 0);
	evbuffer_free(other);
}

static void
check_bytes(size_t at, size_t first, size_t len)
{
	size_t i = 0;

	ck_assert_uint_ge(sink.len, at + len);
	while (
	    i < len && (unsigned char)sink.bytes[at + i] == (first + i) % 251)
		i++;
	ck_assert_uint_eq(i, len);
}

static void
check_failed(int error)
{
	ck_assert_int_eq(events, 1);
	ck_assert_int_eq(last_event, BEV_EVENT_WRITING | BEV_EVENT_ERROR);
	ck_assert_int_eq(last_error, error);
}

START_TEST(files_and_memory_arrive_in_their_order)
{
	write_file(LARGE);
	ck_assert_int_eq(evbuffer_add(output(), "begin", 5), 0);
	add_file(output(), 3, LARGE - 3);
	ck_assert_int_eq(evbuffer_add(output(), "middle", 6), 0);
	add_mapped(10000, 100001);
	ck_assert_int_eq(evbuffer_add(output(), "end", 3), 0);
	while (flow_owed(&flow) > 0)
		turn();
	ck_assert_uint_eq(sink.len, 5 + LARGE - 3 + 6 + 100001 + 3);
	ck_assert_mem_eq(sink.bytes, "begin", 5);
	check_bytes(5, 3, LARGE - 3);
	ck_assert_mem_eq(sink.bytes + 2 + LARGE, "middle", 6);
	check_bytes(8 + LARGE, 10000, 100001);
	ck_assert_mem_eq(sink.bytes + sink.len - 3, "end", 3);
	ck_assert_int_eq(events, 0);
}
END_TEST

START_TEST(bytes_of_files_are_counted_once)
{
	write_file(LARGE);
	add_file(output(), 0, LARGE);
	ck_assert_uint_eq(loop.held, LARGE);
	sink.room = 1000000;
	turn();
	ck_assert_uint_eq(sink.len, 1000000);
	ck_assert_uint_eq(flow.sent, sink.len);
	ck_assert_uint_eq(loop.held, LARGE - sink.len);
	ck_assert_uint_eq(flow_owed(&flow), LARGE - sink.len);
	sink.room = LARGE;
	while (flow_owed(&flow) > 0)
		turn();
	ck_assert_uint_eq(flow.sent, LARGE);
	check_bytes(0, 0, LARGE);
}
END_TEST

START_TEST(a_peer_that_takes_nothing_costs_little_memory)
{
	int i;

	write_file(LARGE);
	for (i = 0; i < 10; i++)
		add_file(output(), 0, LARGE);
	for (i = 0; i < 100; i++) {
		sink.room = 100;
		turn();
	}
	ck_assert_uint_eq(sink.len, 10000);
	ck_assert_uint_le(flow_memory(&flow), 100000);
}
END_TEST

START_TEST(a_small_header_is_followed_at_once)
{
	write_file(100);
	ck_assert_int_eq(evbuffer_add(output(), "header", 6), 0);
	sink.room = 6;
	turn();
	ck_assert_int_eq(sink.last_more, 0);
	ck_assert_int_eq(evbuffer_add(output(), "header", 6), 0);
	add_file(output(), 0, 100);
	sink.room = 6;
	turn();
	ck_assert_int_eq(sink.last_more, 1);
	sink.room = LARGE;
	while (flow_owed(&flow) > 0)
		turn();
	ck_assert_uint_eq(sink.len, 112);
	ck_assert_int_eq(sink.last_more, 0);
}
END_TEST

START_TEST(small_files_go_together)
{
	int i;

	write_file(700);
	for (i = 0; i < 1000; i++)
		add_file(output(), 7, 693);
	while (flow_owed(&flow) > 0)
		turn();
	ck_assert_uint_eq(sink.len, 693000);
	for (i = 0; i < 1000; i++)
		check_bytes((size_t)i * 693, 7, 693);
	ck_assert_int_le(sink.writes, 100);
}
END_TEST

START_TEST(a_file_that_has_become_shorter_is_an_error)
{
	write_file(LARGE);
	add_file(output(), 0, LARGE);
	sink.room = 1000000;
	turn();
	ck_assert_ptr_null(flow_why(&flow));
	ck_assert_int_eq(truncate(path, 1500001), 0);
	sink.room = LARGE;
	while (events == 0)
		turn();
	ck_assert_uint_eq(sink.len, 1500001);
	check_bytes(0, 0, sink.len);
	check_failed(EIO);
	ck_assert_int_eq(
	    flow_error_reason(&flow, last_error), BEVHOST_REASON_ERROR);
	ck_assert_ptr_nonnull(strstr(flow_why(&flow), "shorter"));
}
END_TEST

START_TEST(one_that_was_mapped_is_an_error_too)
{
	write_file(LARGE);
	add_mapped(0, LARGE);
	ck_assert_int_eq(truncate(path, 0), 0);
	while (events == 0)
		turn();
	ck_assert_uint_eq(sink.len, 0);
	check_failed(EIO);
	ck_assert_ptr_nonnull(strstr(flow_why(&flow), "shorter"));
}
END_TEST

START_TEST(without_descriptors_the_flow_fails_and_the_next_does_not)
{
	struct rlimit few, before;

	write_file(1000);
	add_file(output(), 0, 1000);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (events == 0)
		turn();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	check_failed(EMFILE);
	ck_assert_int_eq(
	    flow_error_reason(&flow, last_error), BEVHOST_REASON_OVERLOAD);
	ck_assert_int_eq(bufferevent_enable(flow.bev, EV_WRITE), 0);
	while (flow_owed(&flow) > 0)
		turn();
	check_bytes(0, 0, 1000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("flow_file");
	TCase *tcase = tcase_create("flow_file");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, files_and_memory_arrive_in_their_order);
	tcase_add_test(tcase, bytes_of_files_are_counted_once);
	tcase_add_test(tcase, a_peer_that_takes_nothing_costs_little_memory);
	tcase_add_test(tcase, a_small_header_is_followed_at_once);
	tcase_add_test(tcase, small_files_go_together);
	tcase_add_test(tcase, a_file_that_has_become_shorter_is_an_error);
	tcase_add_test(tcase, one_that_was_mapped_is_an_error_too);
	tcase_add_test(
	    tcase, without_descriptors_the_flow_fails_and_the_next_does_not);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
