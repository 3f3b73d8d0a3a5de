/* SPDX-License-Identifier: BSD-2-Clause */
/* How a worker leaves: its listeners, and the end of its run. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "listener.h"
#include "log.h"
#include "sock_bind.h"
#include "tap.h"

static void
on_read(struct bufferevent *bev, void *state)
{
	(void)state;
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static struct plugin plugin = {
	.def = { .name = "test", .read = on_read },
};
static struct bevhost_instance instance;
static struct listener listeners[2];
static struct worker worker;

static void
start(int timeout_ms)
{
	const struct worker_settings settings = {
		.job_threads = 1,
		.drain_timeout_ms = timeout_ms,
	};
	struct addr_spec spec;
	const char *why;
	struct sock sock;
	int i;

	log_set_level(BEVHOST_LOG_ERROR);
	ck_assert_int_eq(instance_init(&instance, &plugin), 0);
	ck_assert_int_eq(addr_parse("127.0.0.1:0", &spec, &why), 0);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(sock_open(&spec, "127.0.0.1:0", &sock, 1), 1);
		listener_init(&listeners[i], &sock, &instance);
	}
	ck_assert_int_eq(
	    worker_init(&worker, &settings, &instance, 1, listeners, 2), 0);
}

static void
turn(int times)
{
	while (times-- > 0)
		event_base_loop(worker.base, EVLOOP_NONBLOCK);
}

static void
stop(void)
{
	ck_assert_int_eq(worker_clear(&worker), 0);
	instance_clear(&instance);
}

/* One that has sent a byte. */
static int
client(int index)
{
	const struct addr *to = &listeners[index].sock.bound;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, &to->u.sa, to->len), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	return fd;
}

static int
is_answered(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

static int
is_ended(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

START_TEST(draining_serves_those_that_wait_and_ends_the_run)
{
	int one, two;

	start(30000);
	one = client(0);
	two = client(1);
	worker_drain(&worker);
	worker_drain(&worker);
	ck_assert_int_eq(listeners[0].sock.fd, -1);
	ck_assert_int_eq(listeners[1].sock.fd, -1);
	turn(2);
	ck_assert(is_answered(one));
	ck_assert(is_answered(two));
	close(one);
	close(two);
	ck_assert_int_eq(worker_run(&worker), 0);
	stop();
}
END_TEST

START_TEST(retiring_leaves_its_sockets_to_another_but_those_that_leave)
{
	int one, two, copy, taken;

	start(30000);
	copy = dup(listeners[0].sock.fd);
	ck_assert_int_ge(copy, 0);
	listeners[1].leaving = 1;
	one = client(0);
	two = client(1);
	worker_retire(&worker, 30000);
	turn(3);
	ck_assert(!is_answered(one));
	ck_assert_int_eq(errno, EAGAIN);
	taken = accept(copy, NULL, NULL);
	ck_assert_int_ge(taken, 0);
	close(taken);
	close(copy);
	close(one);
	/* It stays, until it is told to drain. */
	ck_assert(is_answered(two));
	turn(3);
	ck_assert(!is_ended(two));
	worker_drain(&worker);
	turn(1);
	ck_assert(is_ended(two));
	close(two);
	ck_assert_int_eq(worker_run(&worker), 0);
	stop();
}
END_TEST

START_TEST(retiring_ends_with_its_last_connection)
{
	int fd;

	start(30000);
	fd = client(0);
	turn(3);
	ck_assert(is_answered(fd));
	worker_retire(&worker, 30000);
	turn(3);
	ck_assert_int_eq(write(fd, "y", 1), 1);
	turn(3);
	ck_assert(is_answered(fd));
	close(fd);
	ck_assert_int_eq(worker_run(&worker), 0);
	stop();
}
END_TEST

START_TEST(stopping_cuts)
{
	int fd;

	start(30000);
	fd = client(0);
	turn(3);
	ck_assert(is_answered(fd));
	if (_i > 0)
		worker_retire(&worker, 30000);
	if (_i > 1)
		worker_drain(&worker);
	worker_stop(&worker);
	worker_stop(&worker);
	ck_assert_int_eq(worker_run(&worker), 0);
	ck_assert(is_ended(fd));
	close(fd);
	stop();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tcase = tcase_create("worker");

	tcase_add_test(tcase, draining_serves_those_that_wait_and_ends_the_run);
	tcase_add_test(
	    tcase, retiring_leaves_its_sockets_to_another_but_those_that_leave);
	tcase_add_test(tcase, retiring_ends_with_its_last_connection);
	tcase_add_loop_test(tcase, stopping_cuts, 0, 3);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
