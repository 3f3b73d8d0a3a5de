/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker may do once it serves: the kernel's two means together.
 * Landlock (sandbox_landlock.c) knows files, seccomp (sandbox_seccomp.c) knows
 * system calls, and each is there on some kernels only.
 */
#include "sandbox_own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||       \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANDBOX_SANITIZER "a sanitizer"
#else
#define SANDBOX_SANITIZER NULL
#endif

/* What is everybody's to read: libraries, locales, time zones. /proc shows of
   other processes what ps does, as Landlock forbids the rest. */
static const char *const sandbox_readable[] = { "/usr", "/lib", "/lib32",
	"/lib64", "/libx32", "/proc", "/sys/devices/system", "/dev/null",
	"/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
	/* Names, where another than /etc has them. */
	"/run/systemd/resolve", "/run/systemd/userdb", "/run/resolvconf",
	"/run/nscd", "/var/run/nscd", "/var/lib/sss/mc", "/var/db", NULL };

/* Of /etc, for root: there are secrets, too, which only root can read. */
static const char *const sandbox_etc[] = { "/etc/resolv.conf", "/etc/hosts",
	"/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
	"/etc/services", "/etc/protocols", "/etc/networks", "/etc/passwd",
	"/etc/group", "/etc/localtime", "/etc/timezone", "/etc/ld.so.cache",
	"/etc/ld.so.preload", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
	"/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies",
	"/etc/locale.alias", "/etc/hostname", "/etc/machine-id", NULL };

static const char *const sandbox_programs[] = { "/bin", "/sbin", "/usr", "/lib",
	"/lib32", "/lib64", "/libx32", "/opt", NULL };

int
sandbox_add(struct sandbox *sandbox, unsigned may, const char *name)
{
	size_t size;
	struct sandbox_path *path;

	if (name == NULL || name[0] == '\0')
		return 0;
	size = strlen(name) + 1;
	path = malloc(sizeof(*path) + size);
	if (path == NULL)
		return -1;
	path->may = may;
	memcpy(path->path, name, size);
	path->next = sandbox->paths;
	sandbox->paths = path;
	return 0;
}

void
sandbox_clear(struct sandbox *sandbox)
{
	struct sandbox_path *path;

	while ((path = sandbox->paths) != NULL) {
		sandbox->paths = path->next;
		free(path);
	}
}

static int
sandbox_add_list(
    struct sandbox *sandbox, unsigned may, const char *const *names)
{
	for (; *names != NULL; names++)
		if (sandbox_add(sandbox, may, *names) < 0)
			return -1;
	return 0;
}

/* A crash looks into what is loaded, wherever it came from. */
static int
sandbox_on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	return sandbox_add(arg, SANDBOX_READ, info->dlpi_name);
}

/* The folder of a file. */
int
sandbox_add_folder(struct sandbox *sandbox, unsigned may, const char *name)
{
	char folder[PATH_MAX], *slash;

	if (name == NULL || strlen(name) >= sizeof(folder))
		return 0;
	strcpy(folder, name);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		return sandbox_add(sandbox, may, ".");
	slash[slash == folder] = '\0';
	return sandbox_add(sandbox, may, folder);
}

/* The kernel writes it as this process, if it is wanted. Not below /, where
   everything is. */
static int
sandbox_add_core(struct sandbox *sandbox)
{
	char pattern[256], cwd[PATH_MAX];
	struct rlimit limit;
	ssize_t len;
	int fd;

	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur == 0)
		return 0;
	fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	len = fd >= 0 ? read(fd, pattern, sizeof(pattern) - 1) : -1;
	if (fd >= 0)
		close(fd);
	if (len <= 0 || pattern[0] == '|' || pattern[0] == '@')
		return 0;
	pattern[len] = '\0';
	if (pattern[0] != '/' &&
	    (getcwd(cwd, sizeof(cwd)) == NULL || strcmp(cwd, "/") == 0))
		return 0;
	return sandbox_add_folder(sandbox, SANDBOX_ADD, pattern);
}

static int
sandbox_add_common(struct sandbox *sandbox)
{
	static const char *const etc[] = { "/etc", NULL };

	if (sandbox_add_list(sandbox, SANDBOX_READ, sandbox_readable) < 0 ||
	    sandbox_add_list(sandbox, SANDBOX_READ,
		geteuid() == 0 ? sandbox_etc : etc) < 0 ||
	    sandbox_add(sandbox, SANDBOX_WRITE, "/dev/null") < 0 ||
	    sandbox_add(sandbox, SANDBOX_READ, "/proc/self/exe") < 0 ||
	    sandbox_add_core(sandbox) < 0)
		return -1;
	if ((sandbox->may & SANDBOX_EXEC) &&
	    sandbox_add_list(sandbox, SANDBOX_RUN, sandbox_programs) < 0)
		return -1;
	return dl_iterate_phdr(sandbox_on_object, sandbox);
}

static void
sandbox_lack(char *missing, size_t size, const char *what, int status)
{
	size_t used = strlen(missing);

	errno = -status;
	if (status == -ENOSYS || status == -EOPNOTSUPP)
		snprintf(missing + used, size - used, "%s%s",
		    used > 0 ? "; " : "", what);
	else
		snprintf(missing + used, size - used, "%s%s: %m",
		    used > 0 ? "; " : "", what);
}

/* Files first: with the filter in force no rule could be made. */
static int
sandbox_enter_files(const struct sandbox *sandbox, char *missing, size_t size)
{
	int abi, status = sandbox_landlock_enter(sandbox, &abi);

	if (status < 0)
		sandbox_lack(missing, size,
		    "no Landlock in this kernel (5.13; lsm=landlock), so files "
		    "are not held to what plugins declare",
		    status);
	return status;
}

static int
sandbox_enter_calls(const struct sandbox *sandbox, char *missing, size_t size)
{
	int listener, status = sandbox_seccomp_enter(sandbox, &listener);

#ifndef HAVE_SECCOMP
	static const char what[] =
	    "built without libseccomp (package libseccomp-dev), so system "
	    "calls are not";
#else
	static const char what[] = "no seccomp filters in this kernel, so "
				   "system calls are not";
#endif

	if (status < 0) {
		sandbox_lack(missing, size, what, status);
		return status;
	}
	if (sandbox->on_report == NULL)
		return 0;
	if (listener < 0)
		snprintf(missing, size,
		    "this kernel (before 5.7) passes no calls on: the report "
		    "is in its own log");
	else if (sandbox_report_start(sandbox, listener) < 0)
		return -EAGAIN;
	return 0;
}

int
sandbox_enter(struct sandbox *sandbox, char *missing, size_t size)
{
	int files = -1, calls;

	missing[0] = '\0';
	if (sandbox_add_common(sandbox) < 0) {
		snprintf(missing, size, "%m");
		return -1;
	}
	if (sandbox->on_report == NULL)
		files = sandbox_enter_files(sandbox, missing, size);
	calls = sandbox_enter_calls(sandbox, missing, size);
	return files < 0 && calls < 0 ? -1 : 0;
}

void
sandbox_enter_thread(void)
{
	sandbox_landlock_enter_thread();
}

const char *
sandbox_hindrance(void)
{
	return RUNNING_ON_VALGRIND ? "valgrind" : SANDBOX_SANITIZER;
}
