/* SPDX-License-Identifier: BSD-2-Clause */
/* A master's socket in a folder of its own, and clients that ask it. */
#ifndef CONTROL_FIXTURE_H
#define CONTROL_FIXTURE_H

#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "control_path.h"
#include "ipc.h"
#include "tap.h"

#define REQUESTS  128
#define PATH_SIZE 128

static char dir[64];	     /* a fresh folder for each test */
static char path[PATH_SIZE]; /* of the socket of this process */
static struct event_base *base;
static struct control control;
static struct control_request *requests[REQUESTS];
static int count;   /* of requests */
static int at_once; /* they are answered as they come */

static void
path_of(pid_t pid, char *buf)
{
	snprintf(buf, PATH_SIZE, "%s/%d.sock", dir, (int)pid);
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	setenv("RUNTIME_DIRECTORY", dir, 1);
	path_of(getpid(), path);
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	count = at_once = 0;
}

static void
teardown(void)
{
	control_clear(&control);
	event_base_free(base);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
on_request(void *arg, struct control_request *request)
{
	ck_assert_ptr_eq(arg, &count);
	ck_assert_int_lt(count, REQUESTS);
	requests[count++] = request;
	if (at_once)
		control_answer(request, 0, "generation 7 serves");
}

static void
serve(void)
{
	ck_assert_int_eq(control_init(&control, base, on_request, &count), 0);
}

/* What is to be done now is done; it waits for nothing. */
static void
turn(void)
{
	int i;

	for (i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int
client(void)
{
	int fd = control_connect(dir, getpid());

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
ask(int fd)
{
	const struct ipc_message message = { .type = IPC_RELOAD, .fd = -1 };

	ck_assert_int_eq(ipc_send(fd, &message), 0);
}

/* The loop runs until there is an answer, or the end of the connection. */
static int
answer(int fd, struct ipc_message *message)
{
	int status;

	while ((status = ipc_receive(fd, message)) == -EAGAIN ||
	       status == -ECONNRESET)
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	return status;
}

/* The one answer, and nothing after it. */
static void
expect(int fd, int exit_status, const char *text)
{
	struct ipc_message message;

	ck_assert_int_eq(answer(fd, &message), 1);
	ck_assert_int_eq(message.type, IPC_ANSWER);
	ck_assert_int_eq(message.numbers[0], exit_status);
	ck_assert_ptr_nonnull(strstr(message.text, text));
	ck_assert_int_eq(answer(fd, &message), 0);
	close(fd);
}

/* A client that does as it should is served whatever the others do. */
static void
expect_service(void)
{
	int fd = client(), before = at_once;

	at_once = 1;
	ask(fd);
	expect(fd, 0, "generation 7 serves");
	at_once = before;
}

static int
count_files(void)
{
	int fd, files = 0;

	for (fd = 0; fd < 1024; fd++)
		files += fcntl(fd, F_GETFD) >= 0;
	return files;
}

#endif
