/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process says before it dies, when it exits and when it stalls, and
 * that it dies of what it died of, whatever the report meets.
 */
#include "crash.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bevhost/task.h>

#include "call.h"
#include "instance.h"
#include "tap.h"

#define WHO "worker 1 (generation 7, pid 123)"

static struct plugin plugin = { .def = { .name = "mine" } };
static struct bevhost_instance instance = { .plugin = &plugin, .number = 3 };
/* Shared with the child, as with a worker. */
static struct crash_note *note;
static char said[16384];

/*
 * Runs fn in a child that is a worker with this clock (or NULL). What it
 * writes comes into said, which a full pipe does not let it. Returns the
 * status of its end.
 */
static int
die_in(void (*fn)(void), const volatile int64_t *beat, int full)
{
	struct rlimit no_core = { 0, 0 };
	int fds[2], status;
	size_t used = 0;
	ssize_t len;
	pid_t child;

	note = mmap(NULL, sizeof(*note), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(note, MAP_FAILED);
	ck_assert_int_eq(pipe(fds), 0);
	fflush(NULL);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(fds[1], STDERR_FILENO);
		if (full) {
			fcntl(fds[1], F_SETFL, O_NONBLOCK);
			while (write(fds[1], said, 1) > 0)
				continue;
			fcntl(fds[1], F_SETFL, 0);
		}
		if (crash_init(WHO, note, beat) < 0)
			_exit(99);
		fn();
		_exit(0);
	}
	close(fds[1]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	while ((len = read(fds[0], said + used, sizeof(said) - 1 - used)) > 0)
		used += (size_t)len;
	said[used] = '\0';
	close(fds[0]);
	return status;
}

static void
check_signal(int status, int number)
{
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == number,
	    "status %x: %s", (unsigned)status, said);
}

static void
check_said(const char *line)
{
	ck_assert_msg(strstr(said, line) == said, "%s", said);
}

START_TEST(a_crash_of_the_host_says_who_it_is)
{
	check_signal(die_in(abort, NULL, 0), SIGABRT);
	check_said("bevhost: " WHO ": SIGABRT in the host\nbevhost:   #0 ");
	ck_assert_int_eq(note->signal, SIGABRT);
	ck_assert_int_eq(note->handler, -1);
}
END_TEST

static void
abort_in_read(void)
{
	call_enter(&instance, "read", NULL);
	abort();
}

START_TEST(the_note_has_the_signal_and_the_handler)
{
	check_signal(die_in(abort_in_read, NULL, 0), SIGABRT);
	check_said("bevhost: " WHO ": SIGABRT in plugin mine, callback read\n");
	ck_assert_int_eq(note->signal, SIGABRT);
	ck_assert_int_eq(note->handler, 2);
}
END_TEST

static void
abort_after_read(void)
{
	call_leave(call_enter(&instance, "read", NULL));
	abort();
}

START_TEST(a_call_that_has_returned_is_not_blamed)
{
	check_signal(die_in(abort_after_read, NULL, 0), SIGABRT);
	check_said("bevhost: " WHO ": SIGABRT in the host\n");
	ck_assert_int_eq(note->handler, -1);
}
END_TEST

static void
exit_in_read(void)
{
	call_enter(&instance, "read", NULL);
	exit(3);
}

START_TEST(an_exit_has_a_note_without_a_signal)
{
	int status = die_in(exit_in_read, NULL, 0);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 3);
	check_said("bevhost: " WHO
		   ": plugin mine called exit(3) in callback read: a plugin "
		   "must not end the process\n");
	ck_assert_int_eq(note->signal, 0);
	ck_assert_int_eq(note->handler, 2);
}
END_TEST

static void
nothing(void)
{
}

START_TEST(an_end_without_a_crash_leaves_the_note_empty)
{
	ck_assert_int_eq(die_in(nothing, NULL, 0), 0);
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(note->signal, 0);
	ck_assert_int_eq(note->handler, -1);
}
END_TEST

static void
stall_in_read(void)
{
	call_enter(&instance, "read", NULL);
	errno = ENOTDIR;
	raise(CRASH_STALL_SIGNAL);
	if (errno != ENOTDIR)
		_exit(98);
}

START_TEST(a_stall_says_for_how_long_and_goes_on)
{
	volatile int64_t beat = bevhost_now_ms() - 1500;
	long long ms;
	char rest[80];

	ck_assert_int_eq(die_in(stall_in_read, &beat, 0), 0);
	ck_assert_int_eq(
	    sscanf(said,
		"bevhost: " WHO ": stalled for %lld ms in plugin %79[^\n]", &ms,
		rest),
	    2);
	ck_assert_int_ge(ms, 1500);
	ck_assert_str_eq(rest, "mine, callback read");
	ck_assert_ptr_nonnull(strstr(said, "stall_in_read"));
	ck_assert_int_eq(note->handler, -1);
}
END_TEST

static void *
stall_thread(void *arg)
{
	(void)arg;
	raise(CRASH_STALL_SIGNAL);
	return NULL;
}

static void
stall_in_a_thread(void)
{
	pthread_t thread;

	call_enter(&instance, "read", NULL);
	if (pthread_create(&thread, NULL, stall_thread, NULL) != 0)
		_exit(97);
	pthread_join(thread, NULL);
}

START_TEST(a_stall_is_the_loops_whichever_thread_hears_of_it)
{
	ck_assert_int_eq(die_in(stall_in_a_thread, NULL, 0), 0);
	check_said("bevhost: " WHO ": stalled in plugin mine, callback read\n");
	ck_assert_ptr_nonnull(strstr(said, "stall_in_a_thread"));
}
END_TEST

static void
abort_in_nobody(void)
{
	static const struct bevhost_instance *volatile nobody =
	    (const void *)16;

	call_enter(nobody, "read", NULL);
	abort();
}

START_TEST(a_crash_of_the_report_changes_nothing)
{
	check_signal(die_in(abort_in_nobody, NULL, 0), SIGABRT);
	ck_assert_str_eq(said, "bevhost: " WHO ": SIGABRT in plugin \n");
	ck_assert_int_eq(note->signal, SIGABRT);
}
END_TEST

START_TEST(a_log_that_nobody_reads_holds_up_no_crash)
{
	check_signal(die_in(abort_in_read, NULL, 1), SIGABRT);
}
END_TEST

#if !defined(SANITIZERS) /* their report would wait too */

static volatile sig_atomic_t is_locked;

static int
keep_lock(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	(void)arg;
	is_locked = 1;
	for (;;)
		pause();
	return 0;
}

static void *
lock_thread(void *arg)
{
	dl_iterate_phdr(keep_lock, arg);
	return NULL;
}

/* The report looks for code there, and needs the loader's lock for it. */
static void
call_nothing_under_a_lock(void)
{
	static void (*volatile nothing_there)(void);
	pthread_t thread;

	if (pthread_create(&thread, NULL, lock_thread, NULL) != 0)
		_exit(97);
	while (!is_locked)
		sched_yield();
	nothing_there();
}

START_TEST(a_lock_that_is_never_given_back_holds_up_no_crash)
{
	check_signal(die_in(call_nothing_under_a_lock, NULL, 0), SIGSEGV);
	check_said("bevhost: " WHO ": SIGSEGV at 0x0 in the host\n");
}
END_TEST

#endif

int
main(void)
{
	Suite *suite = suite_create("crash");
	TCase *tcase = tcase_create("crash");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_crash_of_the_host_says_who_it_is);
	tcase_add_test(tcase, the_note_has_the_signal_and_the_handler);
	tcase_add_test(tcase, a_call_that_has_returned_is_not_blamed);
	tcase_add_test(tcase, an_exit_has_a_note_without_a_signal);
	tcase_add_test(tcase, an_end_without_a_crash_leaves_the_note_empty);
	tcase_add_test(tcase, a_stall_says_for_how_long_and_goes_on);
	tcase_add_test(
	    tcase, a_stall_is_the_loops_whichever_thread_hears_of_it);
	tcase_add_test(tcase, a_crash_of_the_report_changes_nothing);
	tcase_add_test(tcase, a_log_that_nobody_reads_holds_up_no_crash);
#if !defined(SANITIZERS)
	tcase_add_test(
	    tcase, a_lock_that_is_never_given_back_holds_up_no_crash);
#endif
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
