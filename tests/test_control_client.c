/* SPDX-License-Identifier: BSD-2-Clause */
/* bevhost --reload: which master it asks, what it prints, how it ends. */
#include "control_client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "control_path.h"
#include "ipc.h"
#include "tap.h"

#define NOBODY 65534

static char dir[64];	 /* a fresh folder for each test */
static char heard[4096]; /* what the client printed */
static int master = -1;	 /* listens as process asked */
static pid_t asked;
static uid_t user; /* that asks */

static int
listen_as(pid_t pid)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(control_path(dir, pid, &addr), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(chmod(addr.sun_path, 0600), 0);
	ck_assert_int_eq(chown(addr.sun_path, user, (gid_t)-1), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	return fd;
}

static void
forget(pid_t pid)
{
	struct sockaddr_un addr;

	ck_assert_int_eq(control_path(dir, pid, &addr), 0);
	ck_assert_int_eq(unlink(addr.sun_path), 0);
}

/* Not root, who would find masters of the system besides. */
static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	user = geteuid() == 0 ? NOBODY : geteuid();
	ck_assert_int_eq(chown(dir, user, (gid_t)-1), 0);
	setenv("RUNTIME_DIRECTORY", dir, 1);
	setenv("XDG_RUNTIME_DIR", dir, 1);
	asked = getpid();
	master = listen_as(asked);
}

static void
teardown(void)
{
	close(master);
	forget(asked);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
run_client(pid_t pid, int output)
{
	int status = 99;

	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (geteuid() != 0 || setresuid(user, user, user) == 0)
		status = control_client_reload(pid);
	fflush(stdout);
	_exit(status);
}

/* Serves one client, with no answer when it is NULL; others have only looked.
 */
static void
serve(const struct ipc_message *answer)
{
	struct ipc_message message;
	int fd, status;

	do {
		fd = accept4(master, NULL, NULL, SOCK_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		while ((status = ipc_receive(fd, &message)) < 0)
			continue;
		if (status == 0)
			close(fd);
	} while (status == 0);
	ck_assert_int_eq(message.type, IPC_RELOAD);
	if (answer != NULL)
		ck_assert_int_eq(ipc_send(fd, answer), 0);
	close(fd);
}

/* The exit status of a client, which is served if it is to be. */
static int
reload(pid_t pid, int served, const struct ipc_message *answer)
{
	int memory = memfd_create("output", MFD_CLOEXEC), status;
	pid_t child;
	ssize_t len;

	fflush(stdout);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		run_client(pid, memory);
	if (served)
		serve(answer);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	len = pread(memory, heard, sizeof(heard) - 1, 0);
	close(memory);
	ck_assert_int_ge(len, 0);
	heard[len] = '\0';
	return WEXITSTATUS(status);
}

static int
reload_for(pid_t pid, int exit_status, const char *text)
{
	struct ipc_message answer = {
		.type = IPC_ANSWER, .numbers = { exit_status }, .fd = -1
	};

	snprintf(answer.text, sizeof(answer.text), "%s", text);
	return reload(pid, 1, &answer);
}

START_TEST(answer_is_printed)
{
	ck_assert_int_eq(reload_for(asked, 0, "generation 7 serves"), 0);
	ck_assert_str_eq(heard, "generation 7 serves\n");
}
END_TEST

START_TEST(refusal_is_logged_and_gives_its_exit_status)
{
	ck_assert_int_eq(reload_for(asked, 78, "bevhost.conf:3: no"), 78);
	ck_assert_str_eq(heard, "bevhost: bevhost.conf:3: no\n");
}
END_TEST

/* As one folder that two variables name. */
START_TEST(only_master_is_found_without_its_pid)
{
	ck_assert_int_eq(reload_for(0, 0, "generation 7 serves"), 0);
	ck_assert_str_eq(heard, "generation 7 serves\n");
}
END_TEST

START_TEST(of_several_masters_one_must_be_named)
{
	char pids[2][32];
	int second = listen_as(getppid());

	ck_assert_int_eq(reload(0, 0, NULL), EX_USAGE);
	snprintf(pids[0], sizeof(pids[0]), "%d", (int)asked);
	snprintf(pids[1], sizeof(pids[1]), "%d", (int)getppid());
	ck_assert_ptr_nonnull(strstr(heard, pids[0]));
	ck_assert_ptr_nonnull(strstr(heard, pids[1]));
	ck_assert_ptr_nonnull(strstr(heard, "--reload=PID"));
	ck_assert_int_eq(reload_for(asked, 0, "yes"), 0);
	close(second);
	forget(getppid());
}
END_TEST

START_TEST(process_that_is_no_master_is_said_with_the_folder)
{
	ck_assert_int_eq(reload(getppid(), 0, NULL), EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(heard, "is no bevhost"));
	ck_assert_ptr_nonnull(strstr(heard, dir));
}
END_TEST

START_TEST(socket_on_which_nobody_listens_is_no_master)
{
	close(master);
	ck_assert_int_eq(reload(asked, 0, NULL), EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(heard, "is no bevhost"));
}
END_TEST

START_TEST(master_that_goes_without_an_answer_is_said)
{
	ck_assert_int_eq(reload(asked, 1, NULL), EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(heard, "gone without an answer"));
}
END_TEST

START_TEST(answer_that_is_no_exit_status_is_no_success)
{
	ck_assert_int_eq(reload_for(asked, 256, "yes"), EX_UNAVAILABLE);
	ck_assert_int_eq(reload_for(asked, -1, "yes"), EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(heard, "does not know"));
}
END_TEST

START_TEST(master_of_another_user_cannot_be_asked)
{
	struct sockaddr_un addr;

	ck_assert_int_eq(control_path(dir, asked, &addr), 0);
	ck_assert_int_eq(chown(addr.sun_path, 0, (gid_t)-1), 0);
	ck_assert_int_eq(reload(asked, 0, NULL), EX_NOPERM);
	ck_assert_ptr_nonnull(strstr(heard, "only root and the user"));
}
END_TEST

START_TEST(folder_that_others_may_write_to_is_passed_over)
{
	ck_assert_int_eq(chmod(dir, 0777), 0);
	ck_assert_int_eq(reload(asked, 0, NULL), EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(heard, "is passed over"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control_client");
	TCase *tcase = tcase_create("control_client");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, answer_is_printed);
	tcase_add_test(tcase, refusal_is_logged_and_gives_its_exit_status);
	tcase_add_test(tcase, only_master_is_found_without_its_pid);
	tcase_add_test(tcase, of_several_masters_one_must_be_named);
	tcase_add_test(
	    tcase, process_that_is_no_master_is_said_with_the_folder);
	tcase_add_test(tcase, socket_on_which_nobody_listens_is_no_master);
	tcase_add_test(tcase, master_that_goes_without_an_answer_is_said);
	tcase_add_test(tcase, answer_that_is_no_exit_status_is_no_success);
	if (geteuid() == 0)
		tcase_add_test(tcase, master_of_another_user_cannot_be_asked);
	tcase_add_test(tcase, folder_that_others_may_write_to_is_passed_over);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
