/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last words of a process, and what it says when it hangs. All but
 * crash_init() runs in signal handlers, on a stack of their own: it takes no
 * lock that it could wait for longer than the alarm lets it.
 */
#include "crash.h"

#include <errno.h>
#include <execinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <bevhost/task.h>

#include "call.h"
#include "coro.h"
#include "instance.h"
#include "report.h"
#include "safe.h"
#include "sandbox_stop.h"
#include "symbol.h"
#include "task.h"

#define CRASH_WHO_MAX 128

/* How long the report may take: what crashed may hold a lock. */
#define CRASH_REPORT_SECONDS 3

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
	SIGSYS, SIGTRAP };
#define CRASH_SIGNALS (sizeof(crash_signals) / sizeof(crash_signals[0]))

static struct {
	char who[CRASH_WHO_MAX];
	struct crash_note *note;
	const volatile int64_t *beat;
	const struct call *main_call; /* of the loop's thread */
	pid_t pid;
	/* What was there before us: a sanitizer's, or the default. */
	struct sigaction before[CRASH_SIGNALS];
	volatile sig_atomic_t number; /* of the crash that is being said */
	pid_t thread;		      /* which says it, or 0 */
	struct safe_text line;
	int said; /* the line */
} crash;

/* Crashes */

static void
crash_put_who(struct safe_text *text)
{
	safe_put(text, crash.who);
	if (crash.who[0] != '\0')
		safe_put(text, ": ");
}

static void
crash_put_signal(struct safe_text *text, const siginfo_t *info)
{
	const char *name = sigabbrev_np(info->si_signo);

	safe_put(text, "SIG");
	safe_put(text, name != NULL ? name : "?");
	if (sandbox_is_stop(info)) {
		safe_put(text, ": the sandbox stopped ");
		sandbox_put_call(text, info);
	} else if (info->si_code > 0 && info->si_signo != SIGABRT &&
		   info->si_signo != SIGSYS) {
		safe_put(text, " at ");
		safe_put_hex(text, (uintptr_t)info->si_addr);
	} else if (info->si_code <= 0 && info->si_pid != crash.pid) {
		safe_put(text, " sent by process ");
		safe_put_number(text, info->si_pid);
	}
}

static void
crash_put_overflow(struct safe_text *text, const siginfo_t *info)
{
	const struct task *task = task_current();

	if ((info->si_signo != SIGSEGV && info->si_signo != SIGBUS) ||
	    info->si_code <= 0 || task == NULL ||
	    !coro_overflowed(info->si_addr))
		return;
	safe_put(text, ": its stack of ");
	safe_put_number(text, (int64_t)coro_stack_size(task->coro));
	safe_put(text,
	    " bytes overflowed: raise .stack_size or --stack-size, or keep "
	    "large objects elsewhere");
}

static void
crash_note_handler(const struct call *call)
{
	if (crash.note != NULL && call->callback != NULL &&
	    call->instance != NULL)
		crash.note->handler = call->instance->number - 1;
}

/* Ends the process by its signal, whatever thread it is. */
static _Noreturn void
crash_die(int number)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	_exit(128 + number);
}

static void
crash_on_alarm(int number)
{
	(void)number;
	crash_die(crash.number);
}

static void
crash_set_alarm(void)
{
	struct sigaction action = { .sa_handler = crash_on_alarm };
	sigset_t set;

	sigemptyset(&action.sa_mask);
	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	alarm(CRASH_REPORT_SECONDS);
}

/*
 * One report for a process. A crash of the report itself ends it at once,
 * with what the line has by then; another thread that crashes meanwhile waits
 * for the end.
 */
static void
crash_begin(int number)
{
	pid_t own = (pid_t)syscall(SYS_gettid), none = 0;

	if (__atomic_compare_exchange_n(&crash.thread, &none, own, 0,
		__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		crash.number = number;
		return;
	}
	if (none == own) {
		if (!crash.said++)
			safe_write(&crash.line);
		crash_die(crash.number);
	}
	for (;;)
		pause();
}

static const struct sigaction *
crash_before(int number)
{
	size_t i = 0;

	while (crash_signals[i] != number)
		i++;
	return &crash.before[i];
}

static int
crash_is_default(const struct sigaction *action)
{
	return !(action->sa_flags & SA_SIGINFO) &&
	       (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN);
}

/* Does the instruction fault again when the handler returns? */
static int
crash_repeats(const siginfo_t *info)
{
	return info->si_code > 0 && info->si_signo != SIGABRT &&
	       info->si_signo != SIGSYS && info->si_signo != SIGTRAP;
}

static void
crash_on_signal(int number, siginfo_t *info, void *context)
{
	const struct sigaction *before = crash_before(number);
	const struct call *call = &call_running;
	struct safe_text *line = &crash.line;

	if (sandbox_pass_unknown(info, context))
		return;
	crash_begin(number);
	crash_set_alarm();
	if (crash.note != NULL)
		crash.note->signal = number;
	crash_put_who(line);
	crash_put_signal(line, info);
	report_put_call(line, call);
	crash_put_overflow(line, info);
	if (sandbox_is_stop(info))
		sandbox_put_remedy(line, info);
	crash.said = 1;
	safe_write(line);
	crash_note_handler(call);
	/* A sanitizer has a backtrace of its own, and more. */
	if (!crash_is_default(before)) {
		alarm(0);
		crash.thread = 0;
		sigaction(number, before, NULL);
		if (!crash_repeats(info))
			raise(number);
		return;
	}
	report_write_backtrace(context, 1);
	if (!crash_repeats(info))
		crash_die(number);
	/* The core dump is of the instruction itself. */
	alarm(0);
	signal(number, SIG_DFL);
}

/* Stalls */

static void
crash_on_stall(int number, siginfo_t *info, void *context)
{
	struct safe_text text = { .len = 0 };
	int saved_errno = errno;

	(void)info;
	/* A thread of a plugin's own took it. */
	if ((pid_t)syscall(SYS_gettid) != crash.pid) {
		syscall(SYS_tgkill, crash.pid, crash.pid, number);
		errno = saved_errno;
		return;
	}
	crash_put_who(&text);
	safe_put(&text, "stalled");
	if (crash.beat != NULL) {
		safe_put(&text, " for ");
		safe_put_number(&text, bevhost_now_ms() - *crash.beat);
		safe_put(&text, " ms");
	}
	report_put_call(&text, crash.main_call);
	safe_write(&text);
	report_write_backtrace(context, 0);
	errno = saved_errno;
}

/* Ends of a plugin's making */

static void
crash_on_exit(void)
{
	const struct call *call = &call_running;
	struct safe_text text = { .len = 0 };

	if (call->callback == NULL || getpid() != crash.pid)
		return;
	crash_note_handler(call);
	crash_put_who(&text);
	report_put_plugin(&text, call);
	safe_put(&text, " called exit(3) in callback ");
	safe_put(&text, call->callback);
	report_put_conn(&text, call->conn);
	safe_put(&text, ": a plugin must not end the process");
	safe_write(&text);
}

static int
crash_catch(void)
{
	struct sigaction action = {
		.sa_sigaction = crash_on_signal,
		.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_NODEFER),
	};
	size_t i;

	/* All wait but those of a crash of the report itself, and the alarm. */
	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGALRM);
	for (i = 0; i < CRASH_SIGNALS; i++)
		sigdelset(&action.sa_mask, crash_signals[i]);
	for (i = 0; i < CRASH_SIGNALS; i++)
		if (sigaction(crash_signals[i], &action, &crash.before[i]) < 0)
			return -1;
	action.sa_sigaction = crash_on_stall;
	action.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESTART);
	return sigaction(CRASH_STALL_SIGNAL, &action, NULL);
}

int
crash_init(
    const char *who, struct crash_note *note, const volatile int64_t *beat)
{
	void *frame;

	memset(&crash, 0, sizeof(crash));
	strncpy(crash.who, who, sizeof(crash.who) - 1);
	crash.note = note;
	crash.beat = beat;
	crash.main_call = &call_running;
	crash.pid = getpid();
	if (note != NULL)
		*note = (struct crash_note){ .handler = -1 };
	safe_stack_start();
	/* Its first call loads a library. */
	backtrace(&frame, 1);
	symbol_scan();
	if (atexit(crash_on_exit) != 0)
		return -1;
	return crash_catch();
}
