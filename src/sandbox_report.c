/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread that hears of each call that is not allowed, and lets it go on.
 * Who called waits meanwhile, so what the call points to can be read. It makes
 * no call that it would have to hear of itself.
 */
#include "sandbox_own.h"

#include <errno.h>

#ifdef HAVE_SECCOMP

#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct sandbox *report_sandbox;
static int report_listener;
static pid_t report_main;

/* The text at an address of the caller, whatever is there. */
static int
report_read_text(pid_t thread, uint64_t address, char *text, size_t size)
{
	size_t page = 4096 - address % 4096, len = 0, part;
	struct iovec to, from;

	while (len < size - 1) {
		part = page < size - 1 - len ? page : size - 1 - len;
		to = (struct iovec){ text + len, part };
		from =
		    (struct iovec){ (void *)(uintptr_t)(address + len), part };
		if (process_vm_readv(thread, &to, 1, &from, 1, 0) !=
		    (ssize_t)part)
			return -1;
		if (memchr(text + len, '\0', part) != NULL)
			return 0;
		len += part;
		page = 4096;
	}
	return -1;
}

/* Without links; of what is not there yet, its folder. */
static void
report_resolve(pid_t thread, int dir, const char *name, char *real)
{
	char path[PATH_MAX + 64], *slash;

	if (name[0] == '/')
		snprintf(path, sizeof(path), "%s", name);
	else if (dir == AT_FDCWD)
		snprintf(
		    path, sizeof(path), "/proc/%d/cwd/%s", (int)thread, name);
	else
		snprintf(path, sizeof(path), "/proc/%d/fd/%d/%s", (int)thread,
		    dir, name);
	if (realpath(path, real) != NULL)
		return;
	slash = strrchr(path, '/');
	*slash = '\0';
	if (realpath(slash == path ? "/" : path, real) == NULL)
		snprintf(real, PATH_MAX, "%s", name);
}

static int
report_is_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	return strncmp(path, above, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/' || above[len - 1] == '/');
}

static int
report_may(const char *real, unsigned any)
{
	const struct sandbox_path *path = report_sandbox->paths;
	char above[PATH_MAX];

	for (; path != NULL; path = path->next)
		if ((path->may & any) && realpath(path->path, above) != NULL &&
		    report_is_below(real, above))
			return 1;
	return 0;
}

/* Is it an open of a file that may be opened so? Else its path is in real. */
static int
report_is_fine(const struct seccomp_notif *call, char *real)
{
	const __u64 *args = call->data.args;
	int at = call->data.nr == SYS_openat;
	char name[PATH_MAX];
	uint64_t flags;

	real[0] = '\0';
#ifdef SYS_open
	if (!at && call->data.nr != SYS_open)
		return 0;
#else
	if (!at)
		return 0;
#endif
	flags = args[1 + at];
	if (report_read_text((pid_t)call->pid, args[at], name, sizeof(name)) <
	    0)
		return 1; /* it will fail */
	report_resolve(
	    (pid_t)call->pid, at ? (int)args[0] : AT_FDCWD, name, real);
	if ((flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0)
		return report_may(real, SANDBOX_WRITE | SANDBOX_ADD);
	return (flags & O_PATH) != 0 ||
	       report_may(real, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_RUN);
}

static void
report_hear(const struct seccomp_notif *call)
{
	struct sandbox_report report = {
		.call = sandbox_seccomp_name(call->data.nr),
		.main_thread = (pid_t)call->pid == report_main,
	};
	char real[PATH_MAX];

	if (report.call == NULL || report_is_fine(call, real))
		return;
	report.path = real[0] != '\0' ? real : NULL;
	report_sandbox->on_report(&report);
}

static void *
report_thread(void *arg)
{
	struct seccomp_notif call;
	struct seccomp_notif_resp answer;

	(void)arg;
	for (;;) {
		memset(&call, 0, sizeof(call));
		if (ioctl(report_listener, SECCOMP_IOCTL_NOTIF_RECV, &call) <
		    0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			return NULL;
		}
		report_hear(&call);
		answer = (struct seccomp_notif_resp){
			.id = call.id,
			.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
		};
		(void)ioctl(report_listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

int
sandbox_report_start(const struct sandbox *sandbox, int listener)
{
	pthread_t thread;
	sigset_t all, before;
	int status;

	report_sandbox = sandbox;
	report_listener = listener;
	report_main = getpid();
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = -pthread_create(&thread, NULL, report_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status == 0)
		pthread_detach(thread);
	return status;
}

#else

int
sandbox_report_start(const struct sandbox *sandbox, int listener)
{
	(void)sandbox;
	(void)listener;
	return -ENOSYS;
}

#endif
