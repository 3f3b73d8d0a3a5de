/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of a master's socket: made, taken over, left alone and removed. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "control_fixture.h"

static char heard[4096]; /* what was printed while listened to */
static int saved[2], memory;

static void
listen_to_output(void)
{
	int i;

	memory = memfd_create("output", MFD_CLOEXEC);
	ck_assert_int_ge(memory, 0);
	fflush(stdout);
	for (i = 0; i < 2; i++) {
		saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 3);
		ck_assert_int_eq(dup2(memory, i + 1), i + 1);
	}
}

static void
restore_output(void)
{
	ssize_t len;
	int i;

	fflush(stdout);
	for (i = 0; i < 2; i++) {
		dup2(saved[i], i + 1);
		close(saved[i]);
	}
	len = pread(memory, heard, sizeof(heard) - 1, 0);
	close(memory);
	ck_assert_int_ge(len, 0);
	heard[len] = '\0';
}

/* A socket as a dead process leaves it; one that listens if asked to. */
static int
leave_socket(pid_t pid, int listens)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(control_path(dir, pid, &addr), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (listens)
		ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static pid_t
dead_pid(void)
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	return child;
}

START_TEST(folder_that_is_not_safe_is_said_and_nothing_left)
{
	ck_assert_int_eq(chmod(dir, 0777), 0);
	listen_to_output();
	ck_assert_int_eq(control_init(&control, base, on_request, &count), -1);
	restore_output();
	ck_assert_ptr_nonnull(strstr(heard, dir));
	ck_assert_ptr_nonnull(strstr(heard, "others may write to it"));
	ck_assert_int_eq(control_fd(&control), -1);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(socket_of_the_dead_is_removed)
{
	char left[PATH_SIZE];
	pid_t pid = dead_pid();

	close(leave_socket(pid, 0));
	path_of(pid, left);
	serve();
	ck_assert_int_ne(access(left, F_OK), 0);
}
END_TEST

START_TEST(old_socket_of_a_process_that_is_no_master_is_removed)
{
	static const struct timespec old[2] = { { .tv_sec = 1 },
		{ .tv_sec = 1 } };
	char left[PATH_SIZE];

	close(leave_socket(getppid(), 0));
	path_of(getppid(), left);
	ck_assert_int_eq(utimensat(AT_FDCWD, left, old, 0), 0);
	serve();
	ck_assert_int_ne(access(left, F_OK), 0);
}
END_TEST

START_TEST(socket_that_somebody_is_about_to_listen_on_is_kept)
{
	char left[PATH_SIZE];
	int fd = leave_socket(getppid(), 0);

	path_of(getppid(), left);
	serve();
	ck_assert_int_eq(unlink(left), 0);
	close(fd);
}
END_TEST

START_TEST(socket_that_is_answered_is_kept_whoever_has_the_pid)
{
	char left[PATH_SIZE];
	pid_t pid = dead_pid();
	int fd = leave_socket(pid, 1);

	path_of(pid, left);
	serve();
	ck_assert_int_eq(unlink(left), 0);
	close(fd);
}
END_TEST

START_TEST(own_path_of_an_earlier_process_is_taken_over)
{
	close(leave_socket(getpid(), 0));
	serve();
	expect_service();
}
END_TEST

START_TEST(clear_removes_the_socket)
{
	serve();
	control_clear(&control);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(control_fd(&control), -1);
	control_clear(&control);
}
END_TEST

START_TEST(clear_leaves_a_socket_that_is_not_ours)
{
	int fd;

	serve();
	ck_assert_int_eq(unlink(path), 0);
	fd = leave_socket(getpid(), 1);
	control_clear(&control);
	ck_assert_int_eq(unlink(path), 0);
	close(fd);
}
END_TEST

START_TEST(request_can_be_answered_after_clear)
{
	int asked, silent;
	struct ipc_message message;

	serve();
	asked = client();
	silent = client();
	ask(asked);
	turn();
	control_clear(&control);
	ck_assert_int_eq(answer(silent, &message), 0);
	close(silent);
	control_answer(requests[0], 69, "the host stops");
	expect(asked, 69, "the host stops");
}
END_TEST

/* As over an exec: the descriptor is all that is left. */
START_TEST(adopted_socket_goes_on_at_the_same_path)
{
	int fd, waiting;

	serve();
	fd = fcntl(control_fd(&control), F_DUPFD, 3);
	ck_assert_int_ge(fd, 0);
	waiting = client();
	ask(waiting);
	close(control_fd(&control));
	event_free(control.event);
	event_free(control.pause);
	free(control.path);
	at_once = 1;
	ck_assert_int_eq(
	    control_adopt(&control, base, on_request, &count, fd), 0);
	ck_assert_int_eq(control_fd(&control), fd);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	expect(waiting, 0, "generation 7 serves");
	expect_service();
	control_clear(&control);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(what_is_no_listening_socket_is_not_adopted)
{
	int fds[2], files = count_files();

	ck_assert_int_eq(pipe(fds), 0);
	close(fds[1]);
	ck_assert_int_eq(
	    control_adopt(&control, base, on_request, &count, fds[0]), -1);
	ck_assert_int_eq(ipc_pair(fds), 0);
	close(fds[1]);
	ck_assert_int_eq(
	    control_adopt(&control, base, on_request, &count, fds[0]), -1);
	ck_assert_int_eq(control_fd(&control), -1);
	ck_assert_int_eq(count_files(), files);
}
END_TEST

START_TEST(socket_is_for_its_user_alone)
{
	struct stat st;

	serve();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(
	    fcntl(control_fd(&control), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control_socket");
	TCase *tcase = tcase_create("control_socket");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, folder_that_is_not_safe_is_said_and_nothing_left);
	tcase_add_test(tcase, socket_of_the_dead_is_removed);
	tcase_add_test(
	    tcase, old_socket_of_a_process_that_is_no_master_is_removed);
	tcase_add_test(
	    tcase, socket_that_somebody_is_about_to_listen_on_is_kept);
	tcase_add_test(
	    tcase, socket_that_is_answered_is_kept_whoever_has_the_pid);
	tcase_add_test(tcase, own_path_of_an_earlier_process_is_taken_over);
	tcase_add_test(tcase, clear_removes_the_socket);
	tcase_add_test(tcase, clear_leaves_a_socket_that_is_not_ours);
	tcase_add_test(tcase, request_can_be_answered_after_clear);
	tcase_add_test(tcase, adopted_socket_goes_on_at_the_same_path);
	tcase_add_test(tcase, what_is_no_listening_socket_is_not_adopted);
	tcase_add_test(tcase, socket_is_for_its_user_alone);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
