/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow over socketpairs: what libevent promises of watermarks and enabling,
 * and the way a flow closes.
 */
#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "clock.h"
#include "flow_guard.h"
#include "flow_host.h"
#include "flow_own.h"
#include "settings_guard.h"
#include "tap.h"

struct end {
	struct flow flow; /* first: on_closed finds the end by it */
	int peer;
	int reads, writes, events, closed;
	short last_event;
	size_t seen; /* the input's length at the last read callback */
	size_t most_seen, total;
	int drain_input;
	int close_in_read;
};

static struct event_base *base;
static struct flow_loop loop;

static void
on_closed(struct flow *flow)
{
	struct end *end = (struct end *)flow;

	end->closed++;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct end *end = arg;
	struct evbuffer *input = bufferevent_get_input(bev);

	if (end->flow.closing) {
		flow_closing_read(&end->flow);
		return;
	}
	end->reads++;
	end->seen = evbuffer_get_length(input);
	end->total += end->seen;
	if (end->seen > end->most_seen)
		end->most_seen = end->seen;
	if (end->drain_input)
		evbuffer_drain(input, end->seen);
	if (end->close_in_read) {
		bufferevent_write(bev, "bye", 3);
		flow_close(&end->flow, BEVHOST_CLOSE_FLUSH);
		ck_assert_int_eq(end->closed, 0);
	}
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct end *end = arg;

	(void)bev;
	if (end->flow.closing)
		flow_closing_write(&end->flow);
	else
		end->writes++;
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct end *end = arg;

	(void)bev;
	if (end->flow.closing) {
		flow_closing_event(&end->flow, what);
		return;
	}
	what = flow_event(&end->flow, what);
	if (what == 0)
		return;
	end->events++;
	end->last_event = what;
}

static void
end_init(struct end *end)
{
	struct bufferevent *bev;
	int fds[2];

	memset(end, 0, sizeof(*end));
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	end->peer = fds[1];
	bev = bufferevent_socket_new(base, fds[0], 0);
	ck_assert_ptr_nonnull(bev);
	bufferevent_setcb(bev, on_read, on_write, on_event, end);
	ck_assert_int_eq(flow_init(&end->flow, &loop, bev, NULL), 0);
	ck_assert_int_eq(bufferevent_enable(bev, EV_READ), 0);
}

static void
turn(void)
{
	ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

static void
end_clear(struct end *end)
{
	flow_close(&end->flow, BEVHOST_CLOSE_NOW);
	turn();
	ck_assert_int_eq(end->closed, 1);
	bufferevent_free(end->flow.bev);
	turn();
	if (end->peer >= 0)
		close(end->peer);
}

static void
send_bytes(const struct end *end, size_t len)
{
	char *bytes = calloc(1, len);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(write(end->peer, bytes, len), (ssize_t)len);
	free(bytes);
}

/* Reads what is there; -1 at end of file when nothing came before it. */
static ssize_t
take_bytes(const struct end *end)
{
	static char bytes[65536];
	ssize_t total = 0, len;

	while ((len = read(end->peer, bytes, sizeof(bytes))) > 0)
		total += len;
	return total == 0 && len == 0 ? -1 : total;
}

static void
setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	ck_assert_int_eq(flow_loop_init(&loop, base, on_closed), 0);
}

static void
teardown(void)
{
	flow_loop_clear(&loop);
	event_base_free(base);
}

START_TEST(one_read_takes_what_one_callback_is_given)
{
	struct end end;

	end_init(&end);
	send_bytes(&end, 60000);
	turn();
	ck_assert_int_eq(end.reads, 1);
	ck_assert_uint_eq(end.seen, 60000);
	send_bytes(&end, 100000);
	turn();
	ck_assert_int_eq(end.reads, 2);
	ck_assert_uint_eq(end.seen, 160000);
	end_clear(&end);
}
END_TEST

START_TEST(low_read_watermark_waits)
{
	struct end end;

	end_init(&end);
	bufferevent_setwatermark(end.flow.bev, EV_READ, 10, 0);
	send_bytes(&end, 9);
	turn();
	ck_assert_int_eq(end.reads, 0);
	send_bytes(&end, 1);
	turn();
	ck_assert_int_eq(end.reads, 1);
	ck_assert_uint_eq(end.seen, 10);
	end_clear(&end);
}
END_TEST

START_TEST(high_read_watermark_is_never_passed)
{
	static const size_t highs[] = { 1, 100, 4096, 5000, 20000 };
	struct end end;
	size_t i;

	for (i = 0; i < sizeof(highs) / sizeof(highs[0]); i++) {
		end_init(&end);
		end.drain_input = 1;
		bufferevent_setwatermark(end.flow.bev, EV_READ, 0, highs[i]);
		send_bytes(&end, 50000);
		turn();
		ck_assert_uint_eq(end.most_seen, highs[i]);
		ck_assert_uint_eq(end.total, 50000);
		end_clear(&end);
	}
}
END_TEST

START_TEST(disabled_reading_reads_nothing)
{
	struct end end;

	end_init(&end);
	bufferevent_disable(end.flow.bev, EV_READ);
	send_bytes(&end, 10);
	turn();
	ck_assert_int_eq(end.reads, 0);
	bufferevent_enable(end.flow.bev, EV_READ);
	turn();
	ck_assert_int_eq(end.reads, 1);
	end_clear(&end);
}
END_TEST

START_TEST(input_that_piles_up_is_held)
{
	struct evbuffer *input;
	struct end end;
	size_t sent = 0;
	int i;

	end_init(&end);
	input = bufferevent_get_input(end.flow.bev);
	for (i = 0; i < 400; i++) {
		char bytes[65536] = "";
		ssize_t len = write(end.peer, bytes, sizeof(bytes));

		sent += len > 0 ? (size_t)len : 0;
		turn();
	}
	ck_assert_uint_lt(
	    evbuffer_get_length(input), FLOW_INPUT_MAX + 2 * FLOW_READ_MAX);
	ck_assert_uint_gt(sent, FLOW_INPUT_MAX);
	evbuffer_drain(input, evbuffer_get_length(input));
	turn();
	ck_assert_uint_gt(evbuffer_get_length(input), 0);
	end_clear(&end);
}
END_TEST

START_TEST(output_goes_in_the_same_turn_and_the_callback_says_so)
{
	struct end end;

	end_init(&end);
	bufferevent_write(end.flow.bev, "hello", 5);
	ck_assert_int_eq(take_bytes(&end), 0);
	turn();
	ck_assert_int_eq(take_bytes(&end), 5);
	ck_assert_int_eq(end.writes, 1);
	turn();
	ck_assert_int_eq(end.writes, 1);
	end_clear(&end);
}
END_TEST

START_TEST(low_write_watermark_calls_before_all_is_sent)
{
	struct evbuffer *output;
	struct end end;
	char *bytes = calloc(1, 4000000);

	end_init(&end);
	output = bufferevent_get_output(end.flow.bev);
	bufferevent_setwatermark(end.flow.bev, EV_WRITE, 3999999, 0);
	bufferevent_write(end.flow.bev, bytes, 4000000);
	turn();
	ck_assert_int_eq(end.writes, 1);
	ck_assert_uint_gt(evbuffer_get_length(output), 0);
	free(bytes);
	end_clear(&end);
}
END_TEST

START_TEST(get_enabled_tells_what_the_owner_set)
{
	struct bufferevent *bev;
	struct end end;
	char *bytes = calloc(1, 4000000);

	end_init(&end);
	bev = end.flow.bev;
	ck_assert_int_eq(bufferevent_get_enabled(bev), EV_READ | EV_WRITE);
	bufferevent_write(bev, bytes, 4000000);
	turn();
	ck_assert_int_eq(bufferevent_get_enabled(bev), EV_READ | EV_WRITE);
	bufferevent_disable(bev, EV_WRITE);
	turn();
	ck_assert_int_eq(bufferevent_get_enabled(bev), EV_READ);
	/* Paused for back-pressure, but enabled all the same. */
	ck_assert(end.flow.paused);
	bufferevent_disable(bev, EV_READ);
	ck_assert_int_eq(bufferevent_get_enabled(bev), 0);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	ck_assert_int_eq(bufferevent_get_enabled(bev), EV_READ | EV_WRITE);
	free(bytes);
	end_clear(&end);
}
END_TEST

START_TEST(backpressure_pauses_and_resumes)
{
	struct end end;
	char *bytes = calloc(1, 3000000);
	int i;

	end_init(&end);
	bufferevent_write(end.flow.bev, bytes, 3000000);
	turn();
	send_bytes(&end, 5);
	turn();
	ck_assert_int_eq(end.reads, 0);
	for (i = 0; i < 1000 && end.reads == 0; i++) {
		take_bytes(&end);
		turn();
	}
	ck_assert_int_eq(end.reads, 1);
	free(bytes);
	end_clear(&end);
}
END_TEST

START_TEST(enabling_reading_does_not_end_backpressure)
{
	struct end end;
	char *bytes = calloc(1, 3000000);

	end_init(&end);
	bufferevent_write(end.flow.bev, bytes, 3000000);
	send_bytes(&end, 5);
	turn();
	bufferevent_enable(end.flow.bev, EV_READ);
	turn();
	ck_assert_int_eq(end.reads, 0);
	while (take_bytes(&end) > 0)
		turn();
	ck_assert_int_eq(end.reads, 1);
	free(bytes);
	end_clear(&end);
}
END_TEST

START_TEST(enabling_writing_calls_the_write_callback)
{
	struct end end;

	end_init(&end);
	bufferevent_enable(end.flow.bev, EV_READ | EV_WRITE);
	flow_handler_ran(&end.flow);
	turn();
	ck_assert_int_eq(end.writes, 1);
	turn();
	ck_assert_int_eq(end.writes, 1);
	end_clear(&end);
}
END_TEST

START_TEST(the_largest_single_read_is_kept)
{
	struct end end;

	end_init(&end);
	end.drain_input = 1;
	bufferevent_set_max_single_read(end.flow.bev, 16);
	send_bytes(&end, 100);
	turn();
	ck_assert_uint_eq(end.most_seen, 16);
	ck_assert_uint_eq(end.total, 100);
	end_clear(&end);
}
END_TEST

START_TEST(end_of_file_and_error_are_reported_once)
{
	struct end end;

	end_init(&end);
	shutdown(end.peer, SHUT_WR);
	turn();
	turn();
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_READING | BEV_EVENT_EOF);
	bufferevent_write(end.flow.bev, "still", 5);
	turn();
	ck_assert_int_eq(take_bytes(&end), 5);
	close(end.peer);
	end.peer = -1;
	bufferevent_write(end.flow.bev, "lost", 4);
	turn();
	turn();
	ck_assert_int_eq(end.events, 2);
	ck_assert_int_eq(end.last_event, BEV_EVENT_WRITING | BEV_EVENT_ERROR);
	end_clear(&end);
}
END_TEST

START_TEST(flushing_close_delivers_all_then_ends)
{
	struct end end;
	char *bytes = calloc(1, 5000000);
	ssize_t total = 0, len;
	int i;

	end_init(&end);
	bufferevent_write(end.flow.bev, bytes, 5000000);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	ck_assert_int_eq(bufferevent_write(end.flow.bev, "more", 4), -1);
	ck_assert_int_eq(end.closed, 0);
	for (i = 0; i < 5000; i++) {
		turn();
		len = take_bytes(&end);
		if (len < 0)
			break;
		total += len;
	}
	ck_assert_int_eq(total, 5000000);
	/* Our end is shut; it closes when the peer's is too. */
	ck_assert_int_eq(end.closed, 0);
	send_bytes(&end, 1000);
	turn();
	ck_assert_int_eq(end.closed, 0);
	shutdown(end.peer, SHUT_WR);
	turn();
	ck_assert_int_eq(end.closed, 1);
	ck_assert_int_eq(bufferevent_getfd(end.flow.bev), -1);
	free(bytes);
	bufferevent_free(end.flow.bev);
	turn();
	close(end.peer);
}
END_TEST

START_TEST(a_resetting_close_delivers_all_and_waits_for_no_end)
{
	struct end end;
	char *bytes = calloc(1, 5000000);
	ssize_t total = 0, len = 0;
	int i;

	end_init(&end);
	bufferevent_write(end.flow.bev, bytes, 5000000);
	flow_close(&end.flow, BEVHOST_CLOSE_RESET);
	ck_assert_int_eq(end.closed, 0);
	for (i = 0; i < 5000 && len >= 0; i++) {
		total += len;
		turn();
		len = take_bytes(&end);
	}
	ck_assert_int_eq(total, 5000000);
	ck_assert_int_eq(end.closed, 1);
	free(bytes);
	bufferevent_free(end.flow.bev);
	turn();
	close(end.peer);
}
END_TEST

START_TEST(an_end_of_the_output_comes_after_what_is_owed)
{
	struct end end;
	char *bytes = calloc(1, 5000000);
	ssize_t total = 0, len = 0;
	int i;

	end_init(&end);
	bufferevent_write(end.flow.bev, bytes, 5000000);
	ck_assert_int_eq(flow_shut_write(&end.flow), 0);
	for (i = 0; i < 5000 && len >= 0; i++) {
		total += len;
		turn();
		len = take_bytes(&end);
	}
	ck_assert_int_eq(total, 5000000);
	/* Reading goes on. */
	send_bytes(&end, 10);
	turn();
	ck_assert_uint_eq(end.total, 10);
	free(bytes);
	end_clear(&end);
}
END_TEST

START_TEST(what_came_before_a_failed_write_can_be_read)
{
	struct end end;
	struct evbuffer *input;

	end_init(&end);
	input = bufferevent_get_input(end.flow.bev);
	bufferevent_disable(end.flow.bev, EV_READ);
	send_bytes(&end, 100000);
	close(end.peer);
	end.peer = -1;
	bufferevent_write(end.flow.bev, "x", 1);
	turn();
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_WRITING | BEV_EVENT_ERROR);
	ck_assert_uint_eq(evbuffer_get_length(input), 100000);
	end_clear(&end);
}
END_TEST

/* libevent would go on with it: it comes back with each event. */
static void
close_after_timeout(int is_write)
{
	struct timeval short_time = { .tv_usec = 10 * 1000 };
	struct end end;
	char *bytes = calloc(1, 5000000);
	ssize_t total = 0, len;
	int i;

	end_init(&end);
	bufferevent_set_timeouts(end.flow.bev, is_write ? NULL : &short_time,
	    is_write ? &short_time : NULL);
	if (is_write)
		bufferevent_write(end.flow.bev, bytes, 5000000);
	while (end.events == 0)
		ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
	if (!is_write)
		bufferevent_write(end.flow.bev, bytes, 5000000);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	for (i = 0; i < 5000; i++) {
		turn();
		len = take_bytes(&end);
		if (len < 0)
			break;
		total += len;
		if (i >= 3)
			continue;
		/* A peer that is slower than the timeout. */
		send_bytes(&end, 1);
		turn();
		usleep(20 * 1000);
	}
	ck_assert_int_eq(total, 5000000);
	free(bytes);
	end_clear(&end);
}

START_TEST(a_write_timeout_of_the_owner_ends_with_the_close)
{
	close_after_timeout(1);
}
END_TEST

START_TEST(a_read_timeout_of_the_owner_ends_with_the_close)
{
	close_after_timeout(0);
}
END_TEST

START_TEST(lingering_has_a_bound)
{
	struct end end;
	int i;

	flow_loop_drain(&loop);
	end_init(&end);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	turn();
	ck_assert_int_eq(end.closed, 0);
	for (i = 0; i < 10 && end.closed == 0; i++)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(end.closed, 1);
	bufferevent_free(end.flow.bev);
	turn();
	close(end.peer);
}
END_TEST

START_TEST(close_in_a_callback_comes_after_it)
{
	struct end end;

	end_init(&end);
	end.close_in_read = 1;
	send_bytes(&end, 1);
	shutdown(end.peer, SHUT_WR);
	turn();
	turn();
	ck_assert_int_eq(end.closed, 1);
	ck_assert_int_eq(take_bytes(&end), 3);
	bufferevent_free(end.flow.bev);
	turn();
	close(end.peer);
}
END_TEST

START_TEST(close_now_drops_and_comes_from_the_turn)
{
	struct end end;

	end_init(&end);
	bufferevent_write(end.flow.bev, "dropped", 7);
	flow_close(&end.flow, BEVHOST_CLOSE_NOW);
	ck_assert_int_eq(end.closed, 0);
	turn();
	ck_assert_int_eq(end.closed, 1);
	ck_assert_int_eq(take_bytes(&end), -1);
	flow_call(&end.flow);
	ck_assert_int_eq(end.closed, 1);
	turn();
	ck_assert_int_eq(end.closed, 2);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	turn();
	ck_assert_int_eq(end.closed, 2);
	bufferevent_free(end.flow.bev);
	turn();
	close(end.peer);
}
END_TEST

START_TEST(enabling_a_finished_flow_reaches_no_descriptor)
{
	struct end end;
	int other;

	end_init(&end);
	other = end.flow.fd;
	flow_close(&end.flow, BEVHOST_CLOSE_NOW);
	turn();
	ck_assert_int_eq(dup2(end.peer, other), other);
	bufferevent_enable(end.flow.bev, EV_READ | EV_WRITE);
	turn();
	ck_assert_int_eq(end.reads + end.writes + end.events, 0);
	bufferevent_free(end.flow.bev);
	turn();
	close(other);
	close(end.peer);
}
END_TEST

/* Of three bytes to each: what the letters say, in one write. */
static void
write_parts(struct end *end, const char *parts, const char *path)
{
	struct evbuffer *output = bufferevent_get_output(end->flow.bev);
	struct evbuffer *other = evbuffer_new();

	for (; *parts != '\0'; parts++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		if (*parts == 'f')
			ck_assert_int_eq(
			    evbuffer_add_file(output, fd, 2, 3), 0);
		else
			close(fd);
		if (*parts == 'c')
			ck_assert_int_eq(evbuffer_add(output, "abc", 3), 0);
		if (*parts == 'r')
			ck_assert_int_eq(evbuffer_add_reference(
					     output, "rst", 3, NULL, NULL),
			    0);
		/* Its beginning is gone. */
		if (*parts == 'd') {
			ck_assert_int_eq(evbuffer_add(other, "xyzdef", 6), 0);
			ck_assert_int_eq(evbuffer_drain(other, 3), 0);
			ck_assert_int_eq(evbuffer_add_buffer(output, other), 0);
		}
	}
	evbuffer_free(other);
}

static void
check_parts(struct end *end, const char *parts, const char *path)
{
	static const char *const bytes[] = { "cabc", "rrst", "ddef", "f234" };
	char want[64] = "", got[64] = "";
	size_t i, j;

	for (i = 0; parts[i] != '\0'; i++)
		for (j = 0; j < sizeof(bytes) / sizeof(bytes[0]); j++)
			if (bytes[j][0] == parts[i])
				strcat(want, bytes[j] + 1);
	write_parts(end, parts, path);
	while (flow_owed(&end->flow) > 0)
		turn();
	ck_assert_int_ge(read(end->peer, got, sizeof(got) - 1), 0);
	ck_assert_str_eq(got, want);
}

START_TEST(what_nobody_hears_of_is_sent_whatever_it_is)
{
	static const char *const parts[] = { "c", "r", "d", "f", "cc", "rr",
		"cf", "fc", "rf", "df", "ff", "cfcrd" };
	char path[] = "/tmp/test_flow.XXXXXX";
	int fd = mkstemp(path);
	struct end end;
	size_t i;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "0123456789", 10), 10);
	end_init(&end);
	flow_set_heard(&end.flow, 0);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_parts(&end, parts[i], path);
	/* A file that is no longer for sendfile. */
	evbuffer_clear_flags(
	    bufferevent_get_output(end.flow.bev), EVBUFFER_FLAG_DRAINS_TO_FD);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_parts(&end, parts[i], path);
	unlink(path);
	close(fd);
	end_clear(&end);
}
END_TEST

START_TEST(what_nobody_hears_of_waits_for_a_full_socket)
{
	struct end end;
	char *bytes = calloc(1, 4000000);
	ssize_t total = 0, len;

	end_init(&end);
	flow_set_heard(&end.flow, 0);
	bufferevent_write(end.flow.bev, bytes, 4000000);
	turn();
	ck_assert_uint_gt(flow_owed(&end.flow), 0);
	while ((len = take_bytes(&end)) > 0) {
		total += len;
		turn();
	}
	ck_assert_int_eq(total, 4000000);
	ck_assert_uint_eq(flow_owed(&end.flow), 0);
	/* Then it is as before. */
	bufferevent_write(end.flow.bev, "hello", 5);
	turn();
	ck_assert_int_eq(take_bytes(&end), 5);
	free(bytes);
	end_clear(&end);
}
END_TEST

START_TEST(a_closing_flow_hears_its_writes)
{
	struct end end;
	char *bytes = calloc(1, 4000000);
	ssize_t total = 0, len;

	end_init(&end);
	bufferevent_write(end.flow.bev, bytes, 4000000);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	flow_set_heard(&end.flow, 0);
	ck_assert(!end.flow.plain);
	turn();
	while ((len = take_bytes(&end)) > 0) {
		total += len;
		turn();
	}
	ck_assert_int_eq(total, 4000000);
	/* The end, and not only nothing. */
	ck_assert_int_eq(len, -1);
	free(bytes);
	end_clear(&end);
}
END_TEST

START_TEST(an_error_that_nobody_hears_of_is_an_event)
{
	struct end end;

	end_init(&end);
	flow_set_heard(&end.flow, 0);
	bufferevent_disable(end.flow.bev, EV_READ);
	close(end.peer);
	end.peer = -1;
	bufferevent_write(end.flow.bev, "lost", 4);
	turn();
	turn();
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_WRITING | BEV_EVENT_ERROR);
	end_clear(&end);
}
END_TEST

/* Deadlines */

static enum bevhost_reason struck;
static int warnings;

static void
on_strike(struct flow *flow, enum bevhost_reason reason)
{
	(void)flow;
	struck = reason;
}

static int
is_waiting(struct flow *flow)
{
	(void)flow;
	return 1;
}

static void
on_warning(int severity, const char *text)
{
	(void)severity;
	(void)text;
	warnings++;
}

/* A byte moves for a while, then none. */
static void
check_deadline(void)
{
	static const struct flow_host host = {
		.strike = on_strike,
		.waits = is_waiting,
	};
	static const struct settings_guard settings = { .idle_timeout = 160 };
	struct end end;
	int64_t last_ms;
	int i;

	struck = BEVHOST_REASON_NONE;
	loop.host = &host;
	end_init(&end);
	end.drain_input = 1;
	ck_assert_int_eq(flow_guard_start(&end.flow, 0, &settings), 0);
	for (i = 0; i < 10; i++) {
		send_bytes(&end, 1);
		last_ms = clock_ms();
		/* The byte, and a look. */
		ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
		ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
	}
	ck_assert_int_eq(struck, BEVHOST_REASON_NONE);
	while (struck == BEVHOST_REASON_NONE)
		ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_int_eq(struck, BEVHOST_REASON_IDLE);
	ck_assert_int_ge(clock_ms() - last_ms, 160);
	end_clear(&end);
}

START_TEST(a_deadline_strikes_and_never_early)
{
	check_deadline();
}
END_TEST

/* libevent has 256 of them. */
START_TEST(a_deadline_needs_no_queue)
{
	int i;

	event_set_log_callback(on_warning);
	for (i = 1; i <= 256; i++) {
		const struct timeval other = { .tv_sec = i };

		ck_assert_ptr_nonnull(
		    event_base_init_common_timeout(base, &other));
	}
	ck_assert_int_eq(warnings, 0);
	check_deadline();
	ck_assert_int_eq(warnings, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("flow");
	TCase *tcase = tcase_create("flow");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, one_read_takes_what_one_callback_is_given);
	tcase_add_test(tcase, low_read_watermark_waits);
	tcase_add_test(tcase, high_read_watermark_is_never_passed);
	tcase_add_test(tcase, disabled_reading_reads_nothing);
	tcase_add_test(tcase, input_that_piles_up_is_held);
	tcase_add_test(
	    tcase, output_goes_in_the_same_turn_and_the_callback_says_so);
	tcase_add_test(tcase, low_write_watermark_calls_before_all_is_sent);
	tcase_add_test(tcase, get_enabled_tells_what_the_owner_set);
	tcase_add_test(tcase, backpressure_pauses_and_resumes);
	tcase_add_test(tcase, enabling_reading_does_not_end_backpressure);
	tcase_add_test(tcase, enabling_writing_calls_the_write_callback);
	tcase_add_test(tcase, the_largest_single_read_is_kept);
	tcase_add_test(tcase, end_of_file_and_error_are_reported_once);
	tcase_add_test(tcase, flushing_close_delivers_all_then_ends);
	tcase_add_test(
	    tcase, a_resetting_close_delivers_all_and_waits_for_no_end);
	tcase_add_test(tcase, an_end_of_the_output_comes_after_what_is_owed);
	tcase_add_test(tcase, what_came_before_a_failed_write_can_be_read);
	tcase_add_test(tcase, a_write_timeout_of_the_owner_ends_with_the_close);
	tcase_add_test(tcase, a_read_timeout_of_the_owner_ends_with_the_close);
	tcase_add_test(tcase, lingering_has_a_bound);
	tcase_add_test(tcase, close_in_a_callback_comes_after_it);
	tcase_add_test(tcase, close_now_drops_and_comes_from_the_turn);
	tcase_add_test(tcase, enabling_a_finished_flow_reaches_no_descriptor);
	tcase_add_test(tcase, what_nobody_hears_of_is_sent_whatever_it_is);
	tcase_add_test(tcase, what_nobody_hears_of_waits_for_a_full_socket);
	tcase_add_test(tcase, a_closing_flow_hears_its_writes);
	tcase_add_test(tcase, an_error_that_nobody_hears_of_is_an_event);
	tcase_add_test(tcase, a_deadline_strikes_and_never_early);
	tcase_add_test(tcase, a_deadline_needs_no_queue);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
