/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which connections a drain closes, when, and in what order: over socket
 * pairs, without a listener and a worker.
 */
#include "drain.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include <bevhost/plugin.h>

#include "conn.h"
#include "conn_timer.h"
#include "conns.h"
#include "log.h"
#include "runtime.h"
#include "tap.h"

static struct event_base *base;
static struct conns *set;
static struct drain drain;
static int asked, closed;
static enum bevhost_reason reason;

static void
on_timer(struct bevhost_conn *conn, void *state)
{
	(void)conn;
	(void)state;
}

/* Half a line stays where it is. The letter that a line begins with does
   something, and an answer comes. */
static void
on_read(struct bufferevent *bev, void *state)
{
	struct bevhost_conn *conn = bevhost_conn_of(bev);
	struct bevhost_timer *timer;
	char line[16] = "";
	struct evbuffer *input = bufferevent_get_input(bev);

	(void)state;
	evbuffer_copyout(input, line, sizeof(line) - 1);
	if (strchr(line, '\n') == NULL)
		return;
	evbuffer_drain(input, strlen(line));
	bufferevent_write(bev, line, 1);
	if (line[0] == 't') {
		timer = conn_timer_new(conn, on_timer);
		ck_assert_ptr_nonnull(timer);
		ck_assert_int_eq(conn_timer_start(timer, 100), 0);
	} else if (line[0] == 'h') {
		conn_hold(conn);
	} else if (line[0] == 'd') {
		bufferevent_disable(bev, EV_READ);
	} else if (line[0] == 'c') {
		bufferevent_disable(bev, EV_WRITE);
	}
}

/* Hears of an end, and stays. */
static void
on_event(struct bufferevent *bev, short what, void *state)
{
	(void)bev;
	(void)what;
	(void)state;
}

static void
on_drain(void *state)
{
	(void)state;
	asked++;
}

static void
on_close(void *state, enum bevhost_reason why)
{
	(void)state;
	closed++;
	reason = why;
}

static struct plugin silent = {
	.def = { .name = "silent", .read = on_read, .close = on_close },
};
static struct plugin stays = {
	.def = { .name = "stays",
	    .read = on_read,
	    .event = on_event,
	    .close = on_close },
};
static struct plugin asks = {
	.def = { .name = "asks",
	    .read = on_read,
	    .drain = on_drain,
	    .close = on_close },
};
static struct bevhost_instance instance, asking, staying;

static void
on_gone(void *arg)
{
	(void)arg;
	drain_on_gone(&drain);
}

static void
start(int timeout_ms, int spread_ms)
{
	log_set_level(BEVHOST_LOG_ERROR);
	base = event_base_new();
	ck_assert_int_eq(instance_init(&instance, &silent), 0);
	ck_assert_int_eq(instance_init(&asking, &asks), 0);
	ck_assert_int_eq(instance_init(&staying, &stays), 0);
	set = conns_new(base, on_gone, NULL);
	ck_assert_ptr_nonnull(set);
	ck_assert_int_eq(runtime_init(base, 0, 1, 0, on_gone, NULL), 0);
	ck_assert_int_eq(
	    drain_init(&drain, base, set, timeout_ms, spread_ms), 0);
	asked = closed = 0;
	reason = BEVHOST_REASON_NONE;
}

static void
stop(void)
{
	drain_clear(&drain);
	runtime_clear();
	conns_free(set);
	instance_clear(&instance);
	instance_clear(&asking);
	instance_clear(&staying);
	event_base_free(base);
}

/* Returns the peer's end. */
static int
connect_to(struct bevhost_instance *to)
{
	struct sockaddr peer = { .sa_family = AF_UNIX };
	int fds[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	conns_accept(set, to, NULL, fds[0], &peer, sizeof(peer.sa_family));
	return fds[1];
}

static void
turn(int times)
{
	while (times-- > 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
say(int fd, const char *text)
{
	size_t len = strlen(text);

	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
}

/* Has the peer been told the end, after whatever came before? */
static int
is_ended(int fd)
{
	char buf[64];
	ssize_t len;

	do
		len = read(fd, buf, sizeof(buf));
	while (len > 0);
	return len == 0;
}

/* The drain closes it, which it must by itself, and the loop ends. */
static void
expect_end(int fd)
{
	int turns = 0;

	while (!is_ended(fd)) {
		ck_assert_int_lt(turns++, 1000000);
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	}
	close(fd);
	/* The end of the last one has ended a loop already. */
	if (drain_left(&drain) > 0)
		ck_assert_int_eq(event_base_dispatch(base), 0);
	ck_assert_uint_eq(drain_left(&drain), 0);
	ck_assert_int_eq(reason, BEVHOST_REASON_DRAIN);
}

/* Several looks of the drain. */
static void
wait_ms(int64_t ms)
{
	int64_t end = bevhost_now_ms() + ms;

	while (bevhost_now_ms() < end)
		event_base_loop(base, EVLOOP_ONCE);
}

START_TEST(without_connections_it_ends_at_once)
{
	start(30000, 0);
	drain_start(&drain);
	ck_assert_int_eq(event_base_dispatch(base), 0);
	stop();
}
END_TEST

START_TEST(an_idle_one_is_closed_at_once)
{
	int fd;

	start(30000, 0);
	fd = connect_to(&instance);
	say(fd, "x\n");
	turn(5);
	drain_start(&drain);
	turn(1);
	ck_assert(is_ended(fd));
	expect_end(fd);
	ck_assert_int_eq(closed, 1);
	stop();
}
END_TEST

START_TEST(what_is_unread_in_the_kernel_is_served)
{
	char buf[8];
	int fd;

	start(30000, 0);
	fd = connect_to(&instance);
	turn(3);
	say(fd, "x\n");
	drain_start(&drain);
	turn(3);
	ck_assert_int_eq(read(fd, buf, sizeof(buf)), 1);
	ck_assert_int_eq(buf[0], 'x');
	expect_end(fd);
	stop();
}
END_TEST

/* The first conn of the set, and its bev. */
static struct bevhost_conn *
first(void)
{
	return TAILQ_FIRST(&set->conns);
}

static void
finish_line(int fd)
{
	say(fd, " line\n");
}

static void
let_it_fire(int fd)
{
	(void)fd;
}

static void
release(int fd)
{
	(void)fd;
	conn_release(first());
}

static void
enable_reading(int fd)
{
	(void)fd;
	bufferevent_enable(first()->flow.bev, EV_READ);
}

static void
enable_writing(int fd)
{
	(void)fd;
	bufferevent_enable(first()->flow.bev, EV_WRITE);
}

/* What keeps it busy, and what ends that. */
static const struct {
	const char *busy;
	void (*idle)(int fd);
} works[] = {
	{ "some", finish_line },
	{ "timer\n", let_it_fire },
	{ "hold\n", release },
	{ "deaf\n", enable_reading },
	{ "cork\n", enable_writing },
};
#define WORKS (int)(sizeof(works) / sizeof(works[0]))

START_TEST(a_busy_one_is_closed_when_it_has_become_idle)
{
	int fd;

	start(30000, 0);
	fd = connect_to(&instance);
	say(fd, works[_i].busy);
	turn(5);
	drain_start(&drain);
	wait_ms(60);
	ck_assert(!is_ended(fd));
	ck_assert_int_eq(closed, 0);
	works[_i].idle(fd);
	expect_end(fd);
	stop();
}
END_TEST

START_TEST(a_busy_one_is_cut_at_the_deadline)
{
	int fd;

	start(80, 0);
	fd = connect_to(&instance);
	say(fd, "some");
	turn(5);
	drain_start(&drain);
	turn(3);
	ck_assert_int_eq(closed, 0);
	expect_end(fd);
	ck_assert_int_eq(closed, 1);
	stop();
}
END_TEST

START_TEST(after_the_end_of_the_input_it_is_busy)
{
	int fd;

	start(80, 0);
	fd = connect_to(&staying);
	shutdown(fd, SHUT_WR);
	turn(5);
	drain_start(&drain);
	turn(3);
	ck_assert(!is_ended(fd));
	expect_end(fd);
	stop();
}
END_TEST

START_TEST(who_can_be_asked_is_asked_once_and_cut_at_the_deadline)
{
	int fd;

	start(150, 0);
	fd = connect_to(&asking);
	turn(3);
	drain_start(&drain);
	drain_start(&drain);
	wait_ms(60);
	ck_assert(!is_ended(fd));
	expect_end(fd);
	ck_assert_int_eq(asked, 1);
	stop();
}
END_TEST

START_TEST(what_came_at_the_last_moment_may_say_its_first_word)
{
	char buf[8];
	int fd;

	start(30000, 0);
	drain_prepare(&drain);
	fd = connect_to(&instance);
	drain_start(&drain);
	wait_ms(60);
	say(fd, "x\n");
	turn(3);
	ck_assert_int_eq(read(fd, buf, sizeof(buf)), 1);
	expect_end(fd);
	stop();
}
END_TEST

/* Behind a balancer a client's first word comes after the connection. */
START_TEST(what_came_just_before_it_may_too)
{
	int fd;

	start(30000, 0);
	fd = connect_to(&instance);
	drain_prepare(&drain);
	drain_start(&drain);
	turn(3);
	ck_assert(!is_ended(fd));
	say(fd, "x\n");
	expect_end(fd);
	stop();
}
END_TEST

START_TEST(what_came_earlier_may_not)
{
	const struct timeval later = { 0, 600000 };
	int fd;

	start(30000, 0);
	fd = connect_to(&instance);
	event_base_loopexit(base, &later);
	event_base_dispatch(base);
	drain_prepare(&drain);
	drain_start(&drain);
	turn(3);
	ck_assert(is_ended(fd));
	expect_end(fd);
	stop();
}
END_TEST

START_TEST(but_not_for_ever)
{
	int fd;

	start(30000, 0);
	drain_prepare(&drain);
	fd = connect_to(&instance);
	drain_start(&drain);
	turn(3);
	ck_assert(!is_ended(fd));
	expect_end(fd);
	stop();
}
END_TEST

START_TEST(idle_ones_are_closed_over_the_spread_the_oldest_first)
{
	int fds[20], i, ended = 0, before = 0;
	int64_t begin, tenth = 0;

	start(30000, 500);
	for (i = 0; i < 20; i++)
		fds[i] = connect_to(i == 7 ? &asking : &instance);
	turn(3);
	begin = bevhost_now_ms();
	drain_start(&drain);
	turn(2);
	ck_assert(!is_ended(fds[19]));
	while (ended < 20) {
		event_base_loop(base, EVLOOP_ONCE);
		for (;
		     ended < 20 && (ended == 7 ? asked : is_ended(fds[ended]));
		     ended++)
			close(fds[ended]);
		if (tenth == 0 && ended >= 10)
			tenth = bevhost_now_ms() - begin;
		for (i = ended + 1; i < 20; i++)
			before += i != 7 && is_ended(fds[i]);
	}
	/* However slow the machine is, none comes before its time. */
	ck_assert_int_eq(before, 0);
	ck_assert_int_ge(tenth, 200);
	ck_assert_int_ge(bevhost_now_ms() - begin, 450);
	ck_assert_int_eq(event_base_dispatch(base), 0);
	stop();
}
END_TEST

START_TEST(retiring_asks_and_leaves_the_idle_alone)
{
	char buf[8];
	int fd, other;

	start(30000, 0);
	fd = connect_to(&instance);
	other = connect_to(&asking);
	turn(3);
	drain_retire(&drain, 30000);
	turn(3);
	ck_assert_int_eq(asked, 1);
	ck_assert(!is_ended(fd));
	say(fd, "x\n");
	turn(3);
	ck_assert_int_eq(read(fd, buf, sizeof(buf)), 1);
	turn(3);
	ck_assert(!is_ended(fd));
	close(other);
	close(fd);
	ck_assert_int_eq(event_base_dispatch(base), 0);
	ck_assert_int_eq(reason, BEVHOST_REASON_PEER);
	stop();
}
END_TEST

START_TEST(a_retirement_ends_with_the_idle_and_then_the_busy)
{
	int fd, other, busy;

	start(30000, 0);
	fd = connect_to(&instance);
	other = connect_to(&asking);
	busy = connect_to(&instance);
	say(busy, "some");
	turn(3);
	drain_retire(&drain, 60);
	turn(3);
	ck_assert(!is_ended(fd));
	while (!is_ended(fd))
		event_base_loop(base, EVLOOP_ONCE);
	close(fd);
	turn(2);
	ck_assert(is_ended(other));
	close(other);
	ck_assert(!is_ended(busy));
	expect_end(busy);
	ck_assert_int_eq(asked, 1);
	ck_assert_int_eq(closed, 3);
	stop();
}
END_TEST

START_TEST(a_drain_overtakes_a_retirement)
{
	int fd, other;

	start(30000, 0);
	fd = connect_to(&instance);
	other = connect_to(&asking);
	turn(3);
	drain_retire(&drain, 30000);
	turn(3);
	ck_assert(!is_ended(fd));
	drain_start(&drain);
	turn(1);
	ck_assert(is_ended(fd));
	close(fd);
	/* And nothing goes back. */
	drain_retire(&drain, 30000);
	ck_assert_int_eq(drain.phase, DRAIN_FINISH);
	ck_assert(!is_ended(other));
	ck_assert_int_eq(asked, 1);
	drain_cut(&drain);
	drain_start(&drain);
	ck_assert_int_eq(drain.phase, DRAIN_CUT);
	expect_end(other);
	stop();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("drain");
	TCase *tcase = tcase_create("drain");

	tcase_add_test(tcase, without_connections_it_ends_at_once);
	tcase_add_test(tcase, an_idle_one_is_closed_at_once);
	tcase_add_test(tcase, what_is_unread_in_the_kernel_is_served);
	tcase_add_loop_test(
	    tcase, a_busy_one_is_closed_when_it_has_become_idle, 0, WORKS);
	tcase_add_test(tcase, a_busy_one_is_cut_at_the_deadline);
	tcase_add_test(tcase, after_the_end_of_the_input_it_is_busy);
	tcase_add_test(
	    tcase, who_can_be_asked_is_asked_once_and_cut_at_the_deadline);
	tcase_add_test(
	    tcase, what_came_at_the_last_moment_may_say_its_first_word);
	tcase_add_test(tcase, what_came_just_before_it_may_too);
	tcase_add_test(tcase, what_came_earlier_may_not);
	tcase_add_test(tcase, but_not_for_ever);
	tcase_add_test(
	    tcase, idle_ones_are_closed_over_the_spread_the_oldest_first);
	tcase_add_test(tcase, retiring_asks_and_leaves_the_idle_alone);
	tcase_add_test(
	    tcase, a_retirement_ends_with_the_idle_and_then_the_busy);
	tcase_add_test(tcase, a_drain_overtakes_a_retirement);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
