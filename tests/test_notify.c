/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notifications: what arrives at the manager's socket, what of the environment
 * is kept, and that a manager that is silent, slow or absent stops nothing.
 */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heard.h"
#include "tap.h"

static char dir[64];   /* a fresh folder for each test */
static char path[80];  /* of the manager's socket */
static char got[4096]; /* the datagram that came last */
static int manager;    /* its socket */

static void
manager_bind(const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(text);

	memcpy(address.sun_path, text, len);
	if (text[0] == '@')
		address.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(manager, 0);
	ck_assert_int_eq(
	    bind(manager, (const void *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-notify-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	manager_bind(path);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void
teardown(void)
{
	notify_clear();
	close(manager);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
init_with(const char *socket_text, const char *usec, const char *pid)
{
	if (socket_text != NULL)
		ck_assert_int_eq(setenv("NOTIFY_SOCKET", socket_text, 1), 0);
	if (usec != NULL)
		ck_assert_int_eq(setenv("WATCHDOG_USEC", usec, 1), 0);
	if (pid != NULL)
		ck_assert_int_eq(setenv("WATCHDOG_PID", pid, 1), 0);
	listen_to_stderr();
	notify_init();
	restore_stderr();
}

/* The next datagram; "" when there is none. */
static const char *
received(void)
{
	ssize_t len = recv(manager, got, sizeof(got) - 1, 0);

	if (len < 0)
		ck_assert_int_eq(errno, EAGAIN);
	got[len < 0 ? 0 : len] = '\0';
	return got;
}

static int
count_lines(const char *text)
{
	int count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

START_TEST(each_state_is_one_datagram)
{
	init_with(path, NULL, NULL);
	ck_assert_str_eq(heard, "");
	notify_ready();
	notify_stopping();
	notify_send("A=%d\nB=%s", 1, "two");
	ck_assert_str_eq(received(), "READY=1");
	ck_assert_str_eq(received(), "STOPPING=1");
	ck_assert_str_eq(received(), "A=1\nB=two");
	ck_assert_str_eq(received(), "");
}
END_TEST

START_TEST(reload_says_since_when_on_the_monotonic_clock)
{
	struct timespec before, after;
	long long us;

	init_with(path, NULL, NULL);
	clock_gettime(CLOCK_MONOTONIC, &before);
	notify_reloading();
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_eq(
	    sscanf(received(), "RELOADING=1\nMONOTONIC_USEC=%lld", &us), 1);
	ck_assert_int_ge(
	    us, (long long)before.tv_sec * 1000000 + before.tv_nsec / 1000);
	ck_assert_int_le(
	    us, (long long)after.tv_sec * 1000000 + after.tv_nsec / 1000);
}
END_TEST

START_TEST(abstract_socket_is_reached)
{
	char name[64];

	snprintf(name, sizeof(name), "@bevhost-test-%ld", (long)getpid());
	close(manager);
	manager_bind(name);
	init_with(name, NULL, NULL);
	notify_ready();
	ck_assert_str_eq(received(), "READY=1");
}
END_TEST

/* Else a status could say STOPPING=1. */
START_TEST(status_is_one_line_whatever_is_in_it)
{
	init_with(path, NULL, NULL);
	notify_status("%d workers\nSTOPPING=1", 3);
	ck_assert_str_eq(received(), "STATUS=3 workers STOPPING=1");
}
END_TEST

START_TEST(text_that_is_too_long_is_cut)
{
	char text[4000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	init_with(path, NULL, NULL);
	notify_status("%s", text);
	ck_assert_uint_eq(strlen(received()), 2047);
	ck_assert_int_eq(strncmp(got, "STATUS=xxx", 10), 0);
}
END_TEST

START_TEST(environment_keeps_none_of_the_variables)
{
	init_with(path, "1000000", "1");
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
}
END_TEST

START_TEST(without_a_socket_nothing_is_sent_or_said)
{
	init_with(NULL, NULL, NULL);
	listen_to_stderr();
	notify_ready();
	notify_status("nobody reads this");
	restore_stderr();
	ck_assert_str_eq(heard, "");
	ck_assert_str_eq(received(), "");
	ck_assert_int_eq(notify_watchdog_ms(), 0);
	ck_assert_int_eq(notify_export(), 0);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
}
END_TEST

START_TEST(socket_that_makes_no_sense_is_said_once_and_ignored)
{
	static const char *const texts[] = { "", "relative", "/", "@",
		"vsock:2:1234" };
	char text[128];
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		init_with(texts[i], NULL, NULL);
		snprintf(text, sizeof(text), "'%s'", texts[i]);
		ck_assert_ptr_nonnull(strstr(heard, text));
		ck_assert_int_eq(count_lines(heard), 1);
		ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
		notify_ready();
	}
	memset(text, 'p', 109);
	text[0] = '/';
	text[108] = '\0';
	init_with(text, NULL, NULL);
	ck_assert_ptr_nonnull(strstr(heard, "at most 107 bytes"));
	ck_assert_str_eq(received(), "");
}
END_TEST

START_TEST(manager_that_is_gone_is_logged_once)
{
	init_with(path, NULL, NULL);
	close(manager);
	listen_to_stderr();
	errno = ENOTTY;
	notify_ready();
	notify_ready();
	ck_assert_int_eq(errno, ENOTTY);
	restore_stderr();
	ck_assert_ptr_nonnull(strstr(heard, path));
	ck_assert_ptr_nonnull(strstr(heard, strerror(ECONNREFUSED)));
	ck_assert_int_eq(count_lines(heard), 1);
	unlink(path);
	manager_bind(path);
	notify_stopping();
	ck_assert_str_eq(received(), "STOPPING=1");
}
END_TEST

/* The test would hang if a send waited. */
START_TEST(manager_that_reads_nothing_is_not_waited_for)
{
	int i;

	init_with(path, NULL, NULL);
	listen_to_stderr();
	for (i = 0; i < 10000; i++)
		notify_ready();
	restore_stderr();
	ck_assert_int_eq(count_lines(heard), 1);
	ck_assert_str_eq(received(), "READY=1");
}
END_TEST

START_TEST(watchdog_is_ours_when_its_pid_is_ours_or_not_said)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	init_with(NULL, "3000000", NULL);
	ck_assert_int_eq(notify_watchdog_ms(), 3000);
	init_with(NULL, "2000999", pid);
	ck_assert_int_eq(notify_watchdog_ms(), 2000);
	snprintf(pid, sizeof(pid), "%ld", (long)getppid());
	init_with(NULL, "3000000", pid);
	ck_assert_int_eq(notify_watchdog_ms(), 0);
	init_with(NULL, "1", NULL);
	ck_assert_int_eq(notify_watchdog_ms(), 1);
}
END_TEST

START_TEST(child_of_the_watched_process_is_not_watched)
{
	char pid[32];
	int status;
	pid_t child;

	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	init_with(NULL, "3000000", pid);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(notify_watchdog_ms() == 0 ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(watchdog_that_makes_no_sense_is_said_once_and_ignored)
{
	static const struct {
		const char *usec, *pid, *bad;
	} cases[] = {
		{ "", NULL, "''" },
		{ "0", NULL, "'0'" },
		{ "-1", NULL, "'-1'" },
		{ "1s", NULL, "'1s'" },
		{ "99999999999999999999", NULL, "'99999999999999999999'" },
		{ "1000", "me", "'me'" },
		{ "1000", "-1", "'-1'" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		init_with(NULL, cases[i].usec, cases[i].pid);
		ck_assert_ptr_nonnull(strstr(heard, cases[i].bad));
		ck_assert_int_eq(count_lines(heard), 1);
		ck_assert_int_eq(notify_watchdog_ms(), 0);
	}
}
END_TEST

START_TEST(what_was_taken_can_be_put_back_and_taken_again)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	init_with(path, "3000000", pid);
	ck_assert_int_eq(notify_export(), 0);
	ck_assert_str_eq(getenv("NOTIFY_SOCKET"), path);
	ck_assert_str_eq(getenv("WATCHDOG_USEC"), "3000000");
	ck_assert_str_eq(getenv("WATCHDOG_PID"), pid);
	notify_init();
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_int_eq(notify_watchdog_ms(), 3000);
	notify_ready();
	ck_assert_str_eq(received(), "READY=1");
	notify_init();
	ck_assert_int_eq(notify_watchdog_ms(), 3000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("notify");
	TCase *tcase = tcase_create("notify");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_state_is_one_datagram);
	tcase_add_test(tcase, reload_says_since_when_on_the_monotonic_clock);
	tcase_add_test(tcase, abstract_socket_is_reached);
	tcase_add_test(tcase, status_is_one_line_whatever_is_in_it);
	tcase_add_test(tcase, text_that_is_too_long_is_cut);
	tcase_add_test(tcase, environment_keeps_none_of_the_variables);
	tcase_add_test(tcase, without_a_socket_nothing_is_sent_or_said);
	tcase_add_test(
	    tcase, socket_that_makes_no_sense_is_said_once_and_ignored);
	tcase_add_test(tcase, manager_that_is_gone_is_logged_once);
	tcase_add_test(tcase, manager_that_reads_nothing_is_not_waited_for);
	tcase_add_test(
	    tcase, watchdog_is_ours_when_its_pid_is_ours_or_not_said);
	tcase_add_test(tcase, child_of_the_watched_process_is_not_watched);
	tcase_add_test(
	    tcase, watchdog_that_makes_no_sense_is_said_once_and_ignored);
	tcase_add_test(tcase, what_was_taken_can_be_put_back_and_taken_again);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
