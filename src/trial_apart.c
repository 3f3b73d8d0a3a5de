/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A crash or an endless loop ends the process that was made for it, and what it
 * was doing stands in memory that both share.
 */
#include "trial_apart.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "copy.h"
#include "plugin_load.h"
#include "rig_where.h"
#include "safe.h"
#include "script.h"
#include "trial.h"

#define TRIAL_LOOK_NS  2000000
#define TRIAL_WHERE_S  5		 /* for saying where it hangs */
#define TRIAL_SAID_MAX ((off_t)16 << 20) /* bytes on standard error */

static size_t
trial_read_part(int fd, char *buf, size_t size, off_t from)
{
	ssize_t len = pread(fd, buf, size, from);

	return len > 0 ? (size_t)len : 0;
}

/* A sanitizer's report is read from its beginning, a log from its end. Zero
   bytes would end the text. */
static void
trial_read_said(int fd, struct trial_result *result)
{
	static const char gap[] = "\n[...]\n";
	size_t room = sizeof(result->said) - 1, head = room * 3 / 4, len, i;
	off_t end = lseek(fd, 0, SEEK_END);
	off_t tail = end - (off_t)(room - head - (sizeof(gap) - 1));

	if (end <= (off_t)room) {
		len = trial_read_part(fd, result->said, room, 0);
	} else {
		len = trial_read_part(fd, result->said, head, 0);
		memcpy(result->said + len, gap, sizeof(gap) - 1);
		len += sizeof(gap) - 1;
		len +=
		    trial_read_part(fd, result->said + len, room - len, tail);
	}
	for (i = 0; i < len; i++)
		if (result->said[i] == '\0')
			result->said[i] = '?';
	result->said[len] = '\0';
}

/* To who looks at one way alone, all of it. */
static void
trial_echo(int fd)
{
	char buf[4096];
	off_t at = 0;
	size_t len;

	while ((len = trial_read_part(fd, buf, sizeof(buf), at)) > 0) {
		fwrite(buf, 1, len, stderr);
		at += (off_t)len;
	}
}

/* Who never stops talking does not fill the memory: what was said goes. */
static void
trial_limit_said(int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) == 0 && stat.st_size > TRIAL_SAID_MAX)
		(void)!ftruncate(fd, 0);
}

static int
trial_wait(pid_t pid, int said, const struct trial_options *options,
    const struct trial_result *shared)
{
	struct timespec look = { .tv_nsec = TRIAL_LOOK_NS };
	int status, looks = 0;

	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		nanosleep(&look, NULL);
		trial_limit_said(said);
		if (++looks % 100 == 0 && options->on_progress != NULL)
			options->on_progress(shared->cut.kind, shared->tried);
	}
}

/* What a sanitizer says in one line, or -1: it was none that ended it. */
static int
trial_judge_report(
    const struct script *script, const char *said, char *why, size_t size)
{
	static const char *const marks[] = { "==ERROR: ", "runtime error: " };
	const char *at = NULL;
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]) && at == NULL; i++) {
		at = strstr(said, marks[i]);
		if (at != NULL)
			snprintf(why, size, "%s: %.*s", script->path,
			    (int)strcspn(at + strlen(marks[i]), "\n"),
			    at + strlen(marks[i]));
	}
	return at != NULL ? 0 : -1;
}

/* A process that ended by itself has said why, or nothing of it is known. */
static void
trial_judge(int status, const struct trial_options *options,
    const struct script *script, struct trial_result *result)
{
	char *why = result->play.why;
	size_t size = sizeof(result->play.why);

	/* valgrind ends with another status, when it has found something. */
	if (WIFEXITED(status) && result->done &&
	    (WEXITSTATUS(status) == 0 || result->failed))
		return;
	result->failed = 1;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
		result->has_before = 0; /* it would take as long again */
		snprintf(why, size,
		    "%s: it hangs: it takes more than %d second%s",
		    script->path, options->seconds,
		    options->seconds == 1 ? "" : "s");
	} else if (trial_judge_report(script, result->said, why, size) == 0)
		return;
	else if (WIFSIGNALED(status))
		snprintf(why, size, "%s: it crashed with SIG%s", script->path,
		    sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(why, size, "%s: it ended the process, with status %d",
		    script->path, WEXITSTATUS(status));
}

/* What it does when it hangs for ever is said before it ends. */
static void
trial_on_alarm(int number, siginfo_t *info, void *context)
{
	static const char text[] = "it hangs here:\n";

	(void)info;
	signal(number, SIG_DFL);
	alarm(TRIAL_WHERE_S);
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	rig_where(context);
	raise(number);
}

static void
trial_apart_child(
    const struct trial_apart *apart, struct trial_result *result, int said)
{
	const struct sigaction on_alarm = {
		.sa_sigaction = trial_on_alarm,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	/* What hangs does not outlive who waits for it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	/* A task's stack may be too small. */
	(void)safe_stack_start();
	sigaction(SIGALRM, &on_alarm, NULL);
	apart->run(apart->work, result);
	plugin_remove_copies();
	result->done = 1;
	_exit(0);
}

int
trial_apart(const struct trial_apart *apart, struct trial_result *result)
{
	struct trial_result *shared;
	int said = memfd_create("said", MFD_CLOEXEC);
	pid_t pid;

	if (said < 0)
		return -1;
	(void)!fcntl(said, F_SETFL, O_APPEND);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		close(said);
		return -1;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		trial_apart_child(apart, shared, said);
	if (pid > 0) {
		int status = trial_wait(pid, said, apart->options, shared);

		*result = *shared;
		trial_read_said(said, result);
		trial_judge(status, apart->options, apart->script, result);
		if (apart->echoes) {
			trial_echo(said);
			result->said[0] = '\0';
		}
		copy_remove_of(pid);
	}
	munmap(shared, sizeof(*shared));
	close(said);
	return pid > 0 ? 0 : -1;
}
