/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork and exec. vfork: the launcher is a copy of a worker, whose memory need
 * not be copied for what execve forgets at once. Until then the child has the
 * launcher's memory, and changes nothing in it but one number.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exec.h"

/* As programs expect it: select() knows no more. */
#define EXEC_FILES 1024

/* What is limited already is not loosened. */
static const struct rlimit *
exec_tighten(struct rlimit *limit, rlim_t soft, rlim_t hard)
{
	if (hard < limit->rlim_max)
		limit->rlim_max = hard;
	if (soft < limit->rlim_cur)
		limit->rlim_cur = soft;
	if (limit->rlim_cur > limit->rlim_max)
		limit->rlim_cur = limit->rlim_max;
	return limit;
}

/* SIGXCPU, and a second later SIGKILL. */
static int
exec_limit_all(const struct exec *exec)
{
	rlim_t seconds = (rlim_t)(exec->max_cpu_ms + 999) / 1000;
	rlim_t memory = (rlim_t)exec->max_memory;
	rlim_t processes = (rlim_t)exec->max_processes;
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) < 0 ||
	    setrlimit(RLIMIT_NOFILE,
		exec_tighten(&now, EXEC_FILES, RLIM_INFINITY)) < 0)
		return -1;
	if (seconds > 0 && (getrlimit(RLIMIT_CPU, &now) < 0 ||
			       setrlimit(RLIMIT_CPU, exec_tighten(&now, seconds,
							 seconds + 1)) < 0))
		return -1;
	if (memory > 0 &&
	    (getrlimit(RLIMIT_AS, &now) < 0 ||
		setrlimit(RLIMIT_AS, exec_tighten(&now, memory, memory)) < 0))
		return -1;
	if (processes > 0 &&
	    (getrlimit(RLIMIT_NPROC, &now) < 0 ||
		setrlimit(RLIMIT_NPROC,
		    exec_tighten(&now, processes, processes)) < 0))
		return -1;
	return 0;
}

/* In the child. Returns when it failed, with errno. */
static void
exec_replace(
    const struct exec *exec, int fd, int errors, char *const *environment)
{
	sigset_t none;

	sigemptyset(&none);
	/* The launcher ends those that it has; if it is killed, the kernel. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (setsid() < 0 || dup2(errors, 2) < 0 || dup2(fd, 0) < 0 ||
	    dup2(fd, 1) < 0 || exec_limit_all(exec) < 0)
		return;
	if (exec->nice != 0 &&
	    setpriority(PRIO_PROCESS, 0, (int)exec->nice) < 0)
		return;
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(exec->path, exec->argv.words, environment);
}

/* Apart, so that nothing of its caller is in the frame that both share. */
static pid_t __attribute__((noinline)) exec_fork(const struct exec *exec,
    int fd, int errors, char *const *environment, volatile int *error)
{
	pid_t pid = vfork();

	if (pid == 0) {
		exec_replace(exec, fd, errors, environment);
		*error = errno;
		_exit(127);
	}
	return pid;
}

pid_t
exec_start(const struct exec *exec, int fd, int errors, char *const *vars,
    size_t var_count)
{
	size_t more = exec->environment.count + 1;
	char **environment = malloc((var_count + more) * sizeof(*environment));
	volatile int error = 0;
	pid_t pid;

	if (environment == NULL)
		return -ENOMEM;
	/* Descriptor 1 is /dev/null here. */
	if (errors < 0)
		errors = exec->errors == EXEC_ERRORS_CLIENT ? fd : 1;
	memcpy(environment, vars, var_count * sizeof(*vars));
	memcpy(environment + var_count, exec->environment.words,
	    more * sizeof(*environment));
	pid = exec_fork(exec, fd, errors, environment, &error);
	if (pid < 0)
		error = errno;
	free(environment);
	/* One that failed has ended, and is waited for with the others. */
	return error != 0 ? -error : pid;
}
