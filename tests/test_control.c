/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who asks a master is answered what, and clients that say nothing, nonsense
 * or goodbye stop nobody.
 */
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "control_fixture.h"

#define NOBODY 65534

START_TEST(request_waits_for_its_answer)
{
	struct ipc_message message;
	int fd;

	serve();
	fd = client();
	ask(fd);
	turn();
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(ipc_receive(fd, &message), -EAGAIN);
	control_answer(requests[0], 78, "bevhost.conf:3: no");
	expect(fd, 78, "bevhost.conf:3: no");
}
END_TEST

START_TEST(answer_that_is_too_long_is_cut)
{
	char text[IPC_TEXT_SIZE * 2];
	struct ipc_message message;
	int fd;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	serve();
	fd = client();
	ask(fd);
	turn();
	control_answer(requests[0], 1, text);
	ck_assert_int_eq(answer(fd, &message), 1);
	ck_assert_uint_eq(strlen(message.text), IPC_TEXT_SIZE - 1);
	close(fd);
}
END_TEST

START_TEST(client_that_left_before_the_answer_is_no_trouble)
{
	int files, fd;

	serve();
	files = count_files();
	fd = client();
	ask(fd);
	turn();
	close(fd);
	turn();
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(count_files(), files);
	control_answer(requests[0], 0, "nobody reads this");
	expect_service();
}
END_TEST

START_TEST(client_that_left_unseen_before_the_answer_is_no_trouble)
{
	int fd;

	serve();
	fd = client();
	ask(fd);
	turn();
	close(fd);
	control_answer(requests[0], 0, "nobody reads this");
	expect_service();
}
END_TEST

START_TEST(garbage_is_answered_with_an_error)
{
	static const size_t sizes[] = { 1, 4, 31, 32, 33, 1000, 60000 };
	static char bytes[60000];
	size_t i, j;
	int fd;

	serve();
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + 3);
	for (j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
		fd = client();
		ck_assert_int_eq(
		    send(fd, bytes, sizes[j], MSG_NOSIGNAL), (ssize_t)sizes[j]);
		expect(fd, EX_UNAVAILABLE, "not a request");
	}
	ck_assert_int_eq(count, 0);
	expect_service();
}
END_TEST

START_TEST(message_that_is_no_request_is_answered_with_an_error)
{
	struct ipc_message message = { .type = IPC_STOP, .fd = -1 };
	int fd;

	serve();
	fd = client();
	ck_assert_int_eq(ipc_send(fd, &message), 0);
	expect(fd, EX_UNAVAILABLE, "not a request");
	ck_assert_int_eq(count, 0);
}
END_TEST

START_TEST(descriptor_with_a_request_is_not_kept)
{
	struct ipc_message message = { .type = IPC_RELOAD, .fd = 0 };
	int files, fd;

	serve();
	fd = client();
	files = count_files();
	ck_assert_int_eq(ipc_send(fd, &message), 0);
	turn();
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(count_files(), files + 1); /* its connection */
	control_answer(requests[0], 0, "yes");
	expect(fd, 0, "yes");
}
END_TEST

START_TEST(second_request_of_a_client_is_an_error)
{
	int fd;

	serve();
	fd = client();
	ask(fd);
	ask(fd);
	expect(fd, EX_UNAVAILABLE, "not a request");
	ck_assert_int_eq(count, 1);
	control_answer(requests[0], 0, "nobody reads this");
}
END_TEST

START_TEST(client_that_says_nothing_is_not_waited_for)
{
	int silent;

	serve();
	silent = client();
	turn();
	expect_service();
	/* Until the master is tired of it. */
	expect(silent, EX_UNAVAILABLE, "too long");
	ck_assert_int_eq(count, 1);
}
END_TEST

START_TEST(more_clients_than_places_are_told_so)
{
	int fds[100], i;

	serve();
	for (i = 0; i < 100; i++) {
		fds[i] = client();
		turn();
	}
	for (i = CONTROL_CLIENTS_MAX; i < 100; i++)
		expect(fds[i], EX_UNAVAILABLE, "too many");
	close(fds[0]);
	turn();
	expect_service();
	for (i = 1; i < CONTROL_CLIENTS_MAX; i++)
		ask(fds[i]);
	turn();
	ck_assert_int_eq(count, CONTROL_CLIENTS_MAX);
	for (i = 1; i < CONTROL_CLIENTS_MAX; i++)
		control_answer(requests[i], 0, "yes");
	for (i = 1; i < CONTROL_CLIENTS_MAX; i++)
		expect(fds[i], 0, "yes");
}
END_TEST

START_TEST(hundred_clients_one_after_the_other_leave_nothing)
{
	int files, i;

	serve();
	files = count_files();
	for (i = 0; i < 100; i++)
		expect_service();
	ck_assert_int_eq(count_files(), files);
}
END_TEST

/* The loop sleeps in a pause; it would come round at once if it spun. */
START_TEST(without_descriptors_it_pauses_and_then_goes_on)
{
	struct rlimit before, none;
	int fd;

	serve();
	fd = client();
	ask(fd);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert(!event_pending(control.event, EV_READ, NULL));
	ck_assert(event_pending(control.pause, EV_TIMEOUT, NULL));
	close(fd); /* valgrind's idea of the limit has ended it */
	expect_service();
}
END_TEST

/* With a socket that lets it connect, for it is still known who it is. */
static int
ask_as_nobody(void)
{
	struct ipc_message message;
	struct pollfd poll_fd = { .events = POLLIN };
	int fd, status;

	if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return 1;
	fd = control_connect(dir, getppid());
	if (fd < 0)
		return 2;
	poll_fd.fd = fd;
	do {
		poll(&poll_fd, 1, -1);
		status = ipc_receive(fd, &message);
	} while (status == -EAGAIN || status == -ECONNRESET);
	close(fd);
	return status == 1 && message.numbers[0] == EX_NOPERM &&
		       strstr(message.text, "only root") != NULL
		   ? 0
		   : 3;
}

/* Its exit status; the loop runs meanwhile. */
static int
run_child(int (*run)(void))
{
	pid_t child = fork(), done;
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(run());
	while ((done = waitpid(child, &status, WNOHANG)) == 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(done, child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(another_user_is_refused_and_told_why)
{
	serve();
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(run_child(ask_as_nobody), 0);
	ck_assert_int_eq(count, 0);
	expect_service();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("control");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, request_waits_for_its_answer);
	tcase_add_test(tcase, answer_that_is_too_long_is_cut);
	tcase_add_test(tcase, client_that_left_before_the_answer_is_no_trouble);
	tcase_add_test(
	    tcase, client_that_left_unseen_before_the_answer_is_no_trouble);
	tcase_add_test(tcase, garbage_is_answered_with_an_error);
	tcase_add_test(
	    tcase, message_that_is_no_request_is_answered_with_an_error);
	tcase_add_test(tcase, descriptor_with_a_request_is_not_kept);
	tcase_add_test(tcase, second_request_of_a_client_is_an_error);
	tcase_add_test(tcase, client_that_says_nothing_is_not_waited_for);
	tcase_add_test(tcase, more_clients_than_places_are_told_so);
	tcase_add_test(
	    tcase, hundred_clients_one_after_the_other_leave_nothing);
	tcase_add_test(tcase, without_descriptors_it_pauses_and_then_goes_on);
	if (geteuid() == 0)
		tcase_add_test(tcase, another_user_is_refused_and_told_why);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
