/* SPDX-License-Identifier: BSD-2-Clause */
/* When a listener accepts, and what becomes of those that wait meanwhile. */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "conns.h"
#include "log.h"
#include "sock_bind.h"
#include "tap.h"

static struct event_base *base;
static struct conns *set;
static struct listener listener;
static int opened;

static int
on_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	(void)self;
	(void)conn;
	(void)bev;
	(void)state;
	opened++;
	return 0;
}

static void
on_read(struct bufferevent *bev, void *state)
{
	(void)bev;
	(void)state;
}

static struct plugin plugin = {
	.def = { .name = "test", .open = on_open, .read = on_read },
};
static struct bevhost_instance instance;

static void
on_gone(void *arg)
{
	(void)arg;
	listener_retry(&listener);
}

static void
start(void)
{
	struct addr_spec spec;
	const char *why;
	struct sock sock;

	/* The errors are made, and need not be read. */
	log_set_level(BEVHOST_LOG_ERROR);
	base = event_base_new();
	ck_assert_int_eq(instance_init(&instance, &plugin), 0);
	set = conns_new(base, on_gone, NULL);
	ck_assert_ptr_nonnull(set);
	ck_assert_int_eq(addr_parse("127.0.0.1:0", &spec, &why), 0);
	ck_assert_int_eq(sock_open(&spec, "127.0.0.1:0", &sock, 1), 1);
	listener_init(&listener, &sock, &instance);
	ck_assert_int_eq(listener_start(&listener, set), 0);
	opened = 0;
}

static void
turn(int times)
{
	while (times-- > 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
stop(void)
{
	listener_clear(&listener);
	conns_cut(set);
	turn(3);
	conns_free(set);
	instance_clear(&instance);
	event_base_free(base);
}

static int
client(void)
{
	const struct addr *to = &listener.sock.bound;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, &to->u.sa, to->len), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* EAGAIN: it is open. */
static int
state_of(int fd)
{
	char byte;

	return read(fd, &byte, 1) < 0 ? errno : 0;
}

START_TEST(a_paused_one_keeps_its_clients_waiting)
{
	int one, two;

	start();
	listener_pause(&listener);
	listener_pause(&listener);
	one = client();
	turn(3);
	ck_assert_int_eq(opened, 0);
	ck_assert_int_eq(state_of(one), EAGAIN);
	listener_resume(&listener);
	two = client();
	turn(3);
	ck_assert_int_eq(opened, 2);
	close(one);
	close(two);
	stop();
}
END_TEST

START_TEST(what_ends_a_rest_does_not_end_a_pause)
{
	struct rlimit limit, none;
	int fd, other;

	start();
	fd = client();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn(3);
	ck_assert(event_pending(listener.resume, EV_TIMEOUT, NULL));
	if (_i == 0) {
		/* Its end is there, and has not been heard of yet. */
		listener_retry(&listener);
		listener_pause(&listener);
	} else {
		listener_pause(&listener);
		listener_retry(&listener);
		event_active(listener.resume, EV_TIMEOUT, 0);
	}
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* valgrind makes the error after an accept: the first one is lost. */
	other = client();
	turn(3);
	ck_assert_int_eq(opened, 0);
	listener_resume(&listener);
	turn(3);
	ck_assert_int_ge(opened, 1);
	close(fd);
	close(other);
	stop();
}
END_TEST

START_TEST(finishing_takes_those_that_wait)
{
	int fds[50], i;

	start();
	for (i = 0; i < 50; i++)
		fds[i] = client();
	listener_finish(&listener);
	listener_finish(&listener);
	ck_assert_int_eq(opened, 50);
	ck_assert_int_eq(listener.sock.fd, -1);
	turn(3);
	for (i = 0; i < 50; i++) {
		ck_assert_int_eq(state_of(fds[i]), EAGAIN);
		close(fds[i]);
	}
	stop();
}
END_TEST

START_TEST(finishing_a_paused_one_takes_nobody)
{
	int fd;

	start();
	listener_pause(&listener);
	fd = client();
	listener_finish(&listener);
	ck_assert_int_eq(opened, 0);
	ck_assert_int_eq(state_of(fd), ECONNRESET);
	close(fd);
	stop();
}
END_TEST

START_TEST(clearing_leaves_those_that_wait_to_who_has_the_socket_too)
{
	int fd, copy, taken;

	start();
	copy = dup(listener.sock.fd);
	ck_assert_int_ge(copy, 0);
	fd = client();
	listener_clear(&listener);
	turn(3);
	ck_assert_int_eq(opened, 0);
	ck_assert_int_eq(state_of(fd), EAGAIN);
	taken = accept(copy, NULL, NULL);
	ck_assert_int_ge(taken, 0);
	close(taken);
	close(copy);
	close(fd);
	stop();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("listener");
	TCase *tcase = tcase_create("listener");

	tcase_add_test(tcase, a_paused_one_keeps_its_clients_waiting);
	tcase_add_loop_test(tcase, what_ends_a_rest_does_not_end_a_pause, 0, 2);
	tcase_add_test(tcase, finishing_takes_those_that_wait);
	tcase_add_test(tcase, finishing_a_paused_one_takes_nobody);
	tcase_add_test(
	    tcase, clearing_leaves_those_that_wait_to_who_has_the_socket_too);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
