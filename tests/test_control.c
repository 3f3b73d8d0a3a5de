/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking a master for a reload. The master is this process; who asks with the
 * program's own client is a child.
 */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>

#include <event2/event.h>

#include "control_client.h"
#include "control_path.h"
#include "heard.h"
#include "ipc.h"

#define NOBODY 65534

static char dir[64];
static struct event_base *base;
static struct control control;
static struct control_request *asked[CONTROL_CLIENTS_MAX];
static int asked_count;

static void
on_request(void *arg, struct control_request *request)
{
	ck_assert_ptr_eq(arg, &control);
	asked[asked_count++] = request;
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	setenv("RUNTIME_DIRECTORY", dir, 1);
	setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
	base = event_base_new();
	asked_count = 0;
	ck_assert_int_eq(control_init(&control, base, on_request, &control), 0);
}

static void
teardown(void)
{
	control_clear(&control);
	event_base_free(base);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
turn(void)
{
	int i;

	for (i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int
connected(void)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(control_path(dir, getpid(), &addr), 0);
	ck_assert_int_eq(
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void
ask(int fd)
{
	const struct ipc_message message = { .type = IPC_RELOAD, .fd = -1 };

	ck_assert_int_eq(ipc_send(fd, &message), 0);
}

static void
must_answer(int fd, int exit_status, const char *text)
{
	struct ipc_message message;

	ck_assert_int_eq(ipc_receive(fd, &message), 1);
	ck_assert_int_eq(message.type, IPC_ANSWER);
	ck_assert_int_eq((int)message.numbers[0], exit_status);
	ck_assert_str_eq(message.text, text);
}

static int
is_ended(int fd)
{
	struct ipc_message message;
	int status = ipc_receive(fd, &message);

	return status == 0 || status == -ECONNRESET;
}

static int
clients(void)
{
	int i, count = 0;

	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		count += control.clients[i] != NULL;
	return count;
}

START_TEST(who_asks_is_answered)
{
	int fd = connected();

	ask(fd);
	turn();
	ck_assert_int_eq(asked_count, 1);
	ck_assert_int_eq(clients(), 1);
	control_answer(asked[0], 0, "generation 2 serves");
	must_answer(fd, 0, "generation 2 serves");
	ck_assert(is_ended(fd));
	ck_assert_int_eq(clients(), 0);
	close(fd);
}
END_TEST

START_TEST(answers_may_come_in_any_order)
{
	int one = connected(), two = connected();

	ask(one);
	turn();
	ask(two);
	turn();
	ck_assert_int_eq(asked_count, 2);
	control_answer(asked[1], 78, "the second");
	control_answer(asked[0], 0, "the first");
	must_answer(one, 0, "the first");
	must_answer(two, 78, "the second");
	close(one);
	close(two);
}
END_TEST

START_TEST(an_answer_is_cut_to_what_fits)
{
	char text[3 * IPC_TEXT_SIZE];
	struct ipc_message message;
	int fd = connected();

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ask(fd);
	turn();
	control_answer(asked[0], 1, text);
	ck_assert_int_eq(ipc_receive(fd, &message), 1);
	ck_assert_uint_eq(strlen(message.text), IPC_TEXT_SIZE - 1);
	close(fd);
}
END_TEST

START_TEST(who_has_gone_is_answered_all_the_same)
{
	int fd = connected();

	ask(fd);
	turn();
	close(fd);
	turn();
	/* Its place is kept until the answer is there. */
	ck_assert_int_eq(asked_count, 1);
	control_answer(asked[0], 0, "nobody hears this");
	ck_assert_int_eq(clients(), 0);
}
END_TEST

START_TEST(who_says_nothing_and_goes_is_forgotten)
{
	int fd = connected();

	turn();
	ck_assert_int_eq(clients(), 1);
	close(fd);
	turn();
	ck_assert_int_eq(clients(), 0);
	ck_assert_int_eq(asked_count, 0);
}
END_TEST

static const char unknown[] = "this is not a request that this version knows";

START_TEST(what_is_no_request_is_said_to_be_none)
{
	static char bytes[65536];
	struct ipc_message message = { .type = IPC_STOP, .fd = -1 };
	size_t sizes[] = { 1, 10, 1056, 4096, sizeof(bytes) };
	int fd = connected();

	memset(bytes, 'x', sizeof(bytes));
	if (_i < 5)
		ck_assert_int_eq(
		    write(fd, bytes, sizes[_i]), (ssize_t)sizes[_i]);
	else
		ck_assert_int_eq(ipc_send(fd, &message), 0);
	turn();
	must_answer(fd, EX_UNAVAILABLE, unknown);
	ck_assert(is_ended(fd));
	ck_assert_int_eq(clients(), 0);
	ck_assert_int_eq(asked_count, 0);
	close(fd);
}
END_TEST

START_TEST(a_descriptor_that_comes_along_is_closed)
{
	struct ipc_message message = { .type = IPC_RELOAD };
	int fd = connected(), low;

	turn();
	low = dup(STDERR_FILENO);
	close(low);
	message.fd = STDERR_FILENO;
	ck_assert_int_eq(ipc_send(fd, &message), 0);
	turn();
	ck_assert_int_eq(asked_count, 1);
	ck_assert_int_eq(fcntl(low, F_GETFD), -1);
	control_answer(asked[0], 0, "");
	close(fd);
}
END_TEST

START_TEST(asking_twice_ends_it_and_asks_once)
{
	int fd = connected();

	ask(fd);
	turn();
	ask(fd);
	turn();
	ck_assert_int_eq(asked_count, 1);
	must_answer(fd, EX_UNAVAILABLE, unknown);
	ck_assert(is_ended(fd));
	control_answer(asked[0], 0, "too late");
	close(fd);
}
END_TEST

START_TEST(more_clients_than_places_are_sent_away)
{
	int fds[CONTROL_CLIENTS_MAX + 1], i;

	for (i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		fds[i] = connected();
		turn();
	}
	ck_assert_int_eq(clients(), CONTROL_CLIENTS_MAX);
	ck_assert(is_ended(fds[CONTROL_CLIENTS_MAX]));
	close(fds[0]);
	turn();
	close(fds[CONTROL_CLIENTS_MAX]);
	fds[0] = connected();
	ask(fds[0]);
	turn();
	ck_assert_int_eq(asked_count, 1);
	control_answer(asked[0], 0, "place");
	must_answer(fds[0], 0, "place");
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	turn();
	ck_assert_int_eq(clients(), 0);
}
END_TEST

static struct event *limited; /* what has a time limit */
static int limited_count;

static int
on_event(const struct event_base *of, const struct event *event, void *arg)
{
	(void)of;
	(void)arg;
	if (event_pending(event, EV_TIMEOUT, NULL)) {
		limited = (struct event *)(uintptr_t)event;
		limited_count++;
	}
	return 0;
}

/* The time limit is brought about, not waited for. */
START_TEST(who_says_nothing_is_cut_but_who_asked_waits)
{
	int silent = connected(), asking;

	turn();
	asking = connected();
	ask(asking);
	turn();
	ck_assert_int_eq(asked_count, 1);
	ck_assert_int_eq(clients(), 2);
	limited_count = 0;
	event_base_foreach_event(base, on_event, NULL);
	ck_assert_int_eq(limited_count, 1);
	event_active(limited, EV_TIMEOUT, 0);
	turn();
	ck_assert(is_ended(silent));
	ck_assert_int_eq(clients(), 1);
	control_answer(asked[0], 0, "waited");
	must_answer(asking, 0, "waited");
	close(silent);
	close(asking);
}
END_TEST

/* The program's own client */

static int answer_status;
static const char *answer_text;

static void
on_request_answer(void *arg, struct control_request *request)
{
	(void)arg;
	asked_count++;
	control_answer(request, answer_status, answer_text);
}

/* In a child, as uid; returns its exit status, and what it said is heard. */
static int
reload(pid_t pid, uid_t uid)
{
	int status;
	pid_t child;

	listen_to_stderr();
	child = fork();
	if (child == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		if (uid != 0 && setresuid(uid, uid, uid) < 0)
			_exit(99);
		status = control_client_reload(pid);
		fflush(stdout);
		_exit(status);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
	restore_stderr();
	ck_assert_msg(WIFEXITED(status), "%s", heard);
	return WEXITSTATUS(status);
}

START_TEST(the_client_prints_the_answer_and_ends_with_it)
{
	control.on_request = on_request_answer;
	answer_status = 0;
	answer_text = "generation 2 serves";
	ck_assert_int_eq(reload(_i == 0 ? 0 : getpid(), 0), 0);
	ck_assert_str_eq(heard, "generation 2 serves\n");
	answer_status = 78;
	answer_text = "x.conf:3: no such thing";
	ck_assert_int_eq(reload(_i == 0 ? 0 : getpid(), 0), 78);
	ck_assert_str_eq(heard, "bevhost: x.conf:3: no such thing\n");
	ck_assert_int_eq(asked_count, 2);
}
END_TEST

/* As when a service's own folder is the system's. */
START_TEST(a_master_in_two_places_is_one)
{
	char session[80], link[96];

	snprintf(session, sizeof(session), "%s", dir);
	snprintf(link, sizeof(link), "%s/bevhost", dir);
	control.on_request = on_request_answer;
	answer_status = 0;
	answer_text = "ok";
	if (geteuid() == 0) {
		/* Root's second folder is none that a test may have. */
		ck_assert_int_eq(chmod(dir, 0755), 0);
		ck_assert_int_eq(chown(dir, NOBODY, NOBODY), 0);
	}
	ck_assert_int_eq(symlink(dir, link), 0);
	setenv("XDG_RUNTIME_DIR", session, 1);
	/* Refused as a foreigner, but found as one. */
	if (geteuid() == 0) {
		ck_assert_int_eq(
		    reload(_i == 0 ? 0 : getpid(), NOBODY), EX_NOPERM);
		ck_assert_msg(strstr(heard, "only root and the user") != NULL,
		    "%s", heard);
	} else {
		ck_assert_int_eq(reload(_i == 0 ? 0 : getpid(), 0), 0);
	}
	unlink(link);
}
END_TEST

START_TEST(another_user_is_told_that_he_may_not)
{
	int i;

	ck_assert_int_eq(chmod(dir, 0755), 0);
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(reload(getpid(), NOBODY), EX_NOPERM);
		ck_assert_str_eq(heard,
		    "bevhost: only root and the user that runs the master may "
		    "ask it\n");
	}
	ck_assert_int_eq(asked_count, 0);
	ck_assert_int_eq(clients(), 0);
}
END_TEST

START_TEST(another_user_may_ask_nothing_where_he_may_not_look)
{
	ck_assert_int_eq(chmod(dir, 0700), 0);
	ck_assert_int_eq(reload(getpid(), NOBODY), EX_NOPERM);
	ck_assert_msg(strstr(heard, "cannot be asked") != NULL, "%s", heard);
}
END_TEST

START_TEST(without_a_master_the_client_says_so)
{
	control_clear(&control);
	ck_assert_int_eq(reload(getpid(), 0), EX_UNAVAILABLE);
	ck_assert_msg(strstr(heard, "is no bevhost that can be asked") != NULL,
	    "%s", heard);
	ck_assert_int_eq(control_init(&control, base, on_request, &control), 0);
}
END_TEST

/* Sockets of two processes that live: this one, and a child. */
START_TEST(with_several_masters_the_client_asks_which)
{
	struct sockaddr_un addr;
	pid_t pid = fork();
	int fd, status;
	char text[64];

	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(control_path(dir, pid, &addr), 0);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(reload(0, 0), EX_USAGE);
	snprintf(text, sizeof(text), "%d", (int)pid);
	ck_assert_msg(strstr(heard, text) != NULL, "%s", heard);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	ck_assert_msg(strstr(heard, text) != NULL, "%s", heard);
	ck_assert_msg(strstr(heard, "--reload=PID") != NULL, "%s", heard);
	close(fd);
	unlink(addr.sun_path);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}
END_TEST

/* After it has accepted and read, or before it has read. */
START_TEST(a_master_that_goes_is_said_to_have_gone)
{
	int status, fd;
	pid_t pid;

	listen_to_stderr();
	pid = fork();
	if (pid == 0)
		_exit(control_client_reload(getppid()));
	/* It has asked. */
	if (_i == 0) {
		while (asked_count == 0)
			event_base_loop(base, EVLOOP_NONBLOCK);
		for (fd = 3; fd < 100; fd++) {
			struct ucred peer;
			socklen_t size = sizeof(peer);

			if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer,
				&size) == 0 &&
			    peer.pid == pid)
				shutdown(fd, SHUT_RDWR);
		}
	} else {
		struct pollfd ready = { control_fd(&control), POLLIN, 0 };

		ck_assert_int_eq(poll(&ready, 1, -1), 1);
		fd = accept4(control_fd(&control), NULL, NULL, SOCK_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		ready.fd = fd;
		ck_assert_int_eq(poll(&ready, 1, -1), 1);
		close(fd); /* with its request unread */
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	restore_stderr();
	ck_assert_int_eq(WEXITSTATUS(status), EX_UNAVAILABLE);
	ck_assert_msg(
	    strstr(heard, "has gone without an answer") != NULL, "%s", heard);
	if (_i == 0)
		control_answer(asked[0], 0, "");
}
END_TEST

/* Files of the folder */

static void
put(const char *name)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fclose(file);
}

/* Removes it too. */
static int
is_there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return unlink(path) == 0;
}

START_TEST(sockets_of_the_dead_are_swept_and_nothing_else)
{
	char dead[32], alive[32];
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	snprintf(dead, sizeof(dead), "%d.sock", (int)pid);
	snprintf(alive, sizeof(alive), "%d.sock", (int)getppid());
	put(dead);
	put(alive);
	put("state");
	put("99999999.socket");
	put("-5.sock");
	control_clear(&control);
	ck_assert_int_eq(control_init(&control, base, on_request, &control), 0);
	ck_assert(!is_there(dead));
	ck_assert(is_there(alive));
	ck_assert(is_there("state"));
	ck_assert(is_there("99999999.socket"));
	ck_assert(is_there("-5.sock"));
}
END_TEST

START_TEST(a_socket_of_an_earlier_process_of_this_number_is_replaced)
{
	char own[32];

	snprintf(own, sizeof(own), "%d.sock", (int)getpid());
	control_clear(&control);
	ck_assert(!is_there(own));
	put(own);
	ck_assert_int_eq(control_init(&control, base, on_request, &control), 0);
	close(connected());
	turn();
}
END_TEST

START_TEST(the_socket_is_adopted_and_removed_by_who_has_it)
{
	struct control next;
	int fd = fcntl(control_fd(&control), F_DUPFD_CLOEXEC, 3), client;
	char own[32];

	client = connected();
	ask(client);
	ck_assert_int_eq(
	    control_adopt(&next, base, on_request, &control, fd), 0);
	ck_assert_int_eq(control_fd(&next), fd);
	ck_assert_str_eq(next.path, control.path);
	event_del(control.event);
	turn();
	ck_assert_int_eq(asked_count, 1);
	control_answer(asked[0], 0, "by the next");
	must_answer(client, 0, "by the next");
	close(client);
	control_clear(&next);
	control_clear(&next);
	ck_assert_int_eq(control_fd(&next), -1);
	snprintf(own, sizeof(own), "%d.sock", (int)getpid());
	ck_assert(!is_there(own));
}
END_TEST

START_TEST(what_cannot_be_adopted_is_closed)
{
	struct control next;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(
	    control_adopt(&next, base, on_request, &control, fd), -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	control_clear(&next);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
	    control_adopt(&next, base, on_request, &control, fd), -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	control_clear(&next);
}
END_TEST

START_TEST(who_was_not_answered_may_be_after_the_end)
{
	int waiting = connected(), silent = connected();

	ask(waiting);
	turn();
	control_clear(&control);
	ck_assert(is_ended(silent));
	control_answer(asked[0], 70, "the host stops");
	must_answer(waiting, 70, "the host stops");
	close(waiting);
	close(silent);
	ck_assert_int_eq(control_init(&control, base, on_request, &control), 0);
}
END_TEST

START_TEST(a_folder_that_others_may_write_to_has_no_socket)
{
	control_clear(&control);
	ck_assert_int_eq(chmod(dir, _i == 0 ? 0777 : 0770), 0);
	listen_to_stderr();
	ck_assert_int_eq(
	    control_init(&control, base, on_request, &control), -1);
	restore_stderr();
	ck_assert_msg(
	    strstr(heard, "others may write to it") != NULL, "%s", heard);
	ck_assert_int_eq(control_fd(&control), -1);
}
END_TEST

START_TEST(a_folder_that_is_no_folder_has_no_socket)
{
	char path[96];

	control_clear(&control);
	put("file");
	snprintf(path, sizeof(path), "%s/%s", dir,
	    _i == 0   ? "file"
	    : _i == 1 ? "no/such"
		      : "link");
	if (_i == 2)
		ck_assert_int_eq(symlink(dir, path), 0);
	setenv("RUNTIME_DIRECTORY", path, 1);
	listen_to_stderr();
	ck_assert_int_eq(
	    control_init(&control, base, on_request, &control), -1);
	restore_stderr();
	ck_assert_msg(strstr(heard, path) != NULL, "%s", heard);
	if (_i == 2)
		unlink(path);
	ck_assert(is_there("file"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("control");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, who_asks_is_answered);
	tcase_add_test(tcase, answers_may_come_in_any_order);
	tcase_add_test(tcase, an_answer_is_cut_to_what_fits);
	tcase_add_test(tcase, who_has_gone_is_answered_all_the_same);
	tcase_add_test(tcase, who_says_nothing_and_goes_is_forgotten);
	tcase_add_loop_test(tcase, what_is_no_request_is_said_to_be_none, 0, 6);
	tcase_add_test(tcase, a_descriptor_that_comes_along_is_closed);
	tcase_add_test(tcase, asking_twice_ends_it_and_asks_once);
	tcase_add_test(tcase, more_clients_than_places_are_sent_away);
	tcase_add_test(tcase, who_says_nothing_is_cut_but_who_asked_waits);
	tcase_add_loop_test(
	    tcase, the_client_prints_the_answer_and_ends_with_it, 0, 2);
	tcase_add_loop_test(tcase, a_master_in_two_places_is_one, 0, 2);
	if (geteuid() == 0) {
		tcase_add_test(tcase, another_user_is_told_that_he_may_not);
		tcase_add_test(
		    tcase, another_user_may_ask_nothing_where_he_may_not_look);
	}
	tcase_add_test(tcase, without_a_master_the_client_says_so);
	tcase_add_test(tcase, with_several_masters_the_client_asks_which);
	tcase_add_loop_test(
	    tcase, a_master_that_goes_is_said_to_have_gone, 0, 2);
	tcase_add_test(tcase, sockets_of_the_dead_are_swept_and_nothing_else);
	tcase_add_test(
	    tcase, a_socket_of_an_earlier_process_of_this_number_is_replaced);
	tcase_add_test(tcase, the_socket_is_adopted_and_removed_by_who_has_it);
	tcase_add_test(tcase, what_cannot_be_adopted_is_closed);
	tcase_add_test(tcase, who_was_not_answered_may_be_after_the_end);
	tcase_add_loop_test(
	    tcase, a_folder_that_others_may_write_to_has_no_socket, 0, 2);
	tcase_add_loop_test(
	    tcase, a_folder_that_is_no_folder_has_no_socket, 0, 3);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
