/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls, by libseccomp: a list of those that are allowed, some of them
 * with conditions on their arguments. What is not listed raises SIGSYS, which
 * says whose call it was; or, for a report, is told to a thread that lets it
 * go on. All threads of the process get the filter at once.
 */
#include "sandbox_own.h"

#include <errno.h>

#ifdef HAVE_SECCOMP

#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox_calls.h"

/* Of seccomp_api_get(): the kernel passes calls on, with all threads (5.7). */
#define SECCOMP_API_LISTEN 6
#define SECCOMP_NAMES	   600 /* calls that can be named */

/* For signal handlers, which cannot ask the library. */
static const char *seccomp_names[SECCOMP_NAMES];

static const int seccomp_prctls[] = { PR_SET_NAME, PR_GET_NAME,
	PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_GET_KEEPCAPS,
	PR_CAPBSET_READ, PR_GET_SECCOMP, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK,
	PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_THP_DISABLE,
	PR_GET_THP_DISABLE, 0x53564d41 /* PR_SET_VMA: names of mappings */ };

static const unsigned long seccomp_ioctls[] = { FIONREAD, FIONBIO, FIOCLEX,
	FIONCLEX, FIOASYNC, TCGETS, TIOCGWINSZ, TIOCOUTQ, TIOCGPGRP, SIOCATMARK,
	SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFINDEX, SIOCGIFNAME,
	SIOCGIFNETMASK, SIOCGIFMTU, SIOCGIFHWADDR };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The first error stays; what this machine does not have is no error. */
struct seccomp_rules {
	scmp_filter_ctx filter;
	int status;
};

static void
seccomp_add(struct seccomp_rules *rules, uint32_t action, const char *name,
    unsigned count, const struct scmp_arg_cmp *args)
{
	int number = seccomp_syscall_resolve_name(name), status;

	if (number < 0 || rules->status < 0)
		return;
	status =
	    seccomp_rule_add_array(rules->filter, action, number, count, args);
	if (status < 0 && status != -EEXIST)
		rules->status = status;
}

static void
seccomp_add_list(
    struct seccomp_rules *rules, uint32_t action, const char *const *names)
{
	for (; *names != NULL; names++)
		seccomp_add(rules, action, *names, 0, NULL);
}

/* When (argument & mask) == value. */
static void
seccomp_allow_if(struct seccomp_rules *rules, const char *name,
    unsigned argument, uint64_t mask, uint64_t value)
{
	const struct scmp_arg_cmp cmp = { argument, SCMP_CMP_MASKED_EQ, mask,
		value };

	seccomp_add(rules, SCMP_ACT_ALLOW, name, 1, &cmp);
}

static void
seccomp_add_options(struct seccomp_rules *rules)
{
	size_t i;

	for (i = 0; i < COUNT(seccomp_prctls); i++)
		seccomp_allow_if(
		    rules, "prctl", 0, UINT32_MAX, (unsigned)seccomp_prctls[i]);
	for (i = 0; i < COUNT(seccomp_ioctls); i++)
		seccomp_allow_if(
		    rules, "ioctl", 1, UINT32_MAX, seccomp_ioctls[i]);
}

/* Signals and limits: its own. */
static void
seccomp_add_own(struct seccomp_rules *rules, unsigned may)
{
	static const char *const names[] = { "kill", "tgkill",
		"rt_sigqueueinfo", "rt_tgsigqueueinfo", "prlimit64" };
	size_t i;

	seccomp_allow_if(rules, "prlimit64", 0, UINT32_MAX, 0);
	for (i = 0; i < COUNT(names); i++)
		seccomp_allow_if(
		    rules, names[i], 0, UINT32_MAX, (unsigned)getpid());
	if (may & SANDBOX_CHILD)
		seccomp_add(rules, SCMP_ACT_ALLOW, "kill", 0, NULL);
}

static void
seccomp_add_memory(struct seccomp_rules *rules, unsigned may)
{
	const struct scmp_arg_cmp library[] = {
		{ 2, SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC },
		{ 3, SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0 },
	};

	if (may & SANDBOX_CODE) {
		seccomp_add(rules, SCMP_ACT_ALLOW, "mmap", 0, NULL);
		seccomp_add(rules, SCMP_ACT_ALLOW, "mprotect", 0, NULL);
		return;
	}
	seccomp_allow_if(rules, "mmap", 2, PROT_EXEC, 0);
	seccomp_add(rules, SCMP_ACT_ALLOW, "mmap", 2, library);
	seccomp_allow_if(rules, "mprotect", 2, PROT_EXEC, 0);
}

/* A report looks at the path of each; else Landlock says which. */
static void
seccomp_add_open(struct seccomp_rules *rules, unsigned may, int report)
{
	static const uint64_t writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

	if (may & SANDBOX_CLEAN)
		seccomp_add_list(rules, SCMP_ACT_ALLOW, sandbox_calls_clean);
	if (report)
		return;
	if (may & SANDBOX_FILES) {
		seccomp_add(rules, SCMP_ACT_ALLOW, "open", 0, NULL);
		seccomp_add(rules, SCMP_ACT_ALLOW, "openat", 0, NULL);
		seccomp_add_list(rules, SCMP_ACT_ALLOW, sandbox_calls_files);
		return;
	}
	seccomp_allow_if(rules, "open", 1, writes, 0);
	seccomp_allow_if(rules, "openat", 2, writes, 0);
}

static void
seccomp_allow_socket(struct seccomp_rules *rules, int family)
{
	seccomp_allow_if(rules, "socket", 0, UINT32_MAX, (unsigned)family);
}

static void
seccomp_add_net(struct seccomp_rules *rules, unsigned may)
{
	const struct scmp_arg_cmp addresses[] = {
		{ 0, SCMP_CMP_EQ, AF_NETLINK, 0 },
		{ 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, NETLINK_ROUTE },
	};

	if (!(may & (SANDBOX_CONNECT | SANDBOX_NAMES | SANDBOX_LISTEN)))
		return;
	seccomp_add_list(rules, SCMP_ACT_ALLOW, sandbox_calls_net);
	seccomp_allow_socket(rules, AF_UNIX);
	seccomp_allow_socket(rules, AF_INET);
	seccomp_allow_socket(rules, AF_INET6);
	seccomp_add(rules, SCMP_ACT_ALLOW, "socket", 2, addresses);
}

static void
seccomp_fill(
    struct seccomp_rules *rules, const struct sandbox *sandbox, int report)
{
	seccomp_add_list(rules, SCMP_ACT_ALLOW, sandbox_calls_always);
	if (report)
		seccomp_add_list(rules, SCMP_ACT_ALLOW, sandbox_calls_report);
	if (sandbox->may & SANDBOX_EXEC) {
		seccomp_add_list(rules, SCMP_ACT_ALLOW, sandbox_calls_exec);
	} else {
		seccomp_allow_if(rules, "clone", 0, CLONE_THREAD, CLONE_THREAD);
		seccomp_add_own(rules, sandbox->may);
		seccomp_add_options(rules);
	}
	seccomp_add_memory(rules, sandbox->may);
	seccomp_add_open(rules, sandbox->may, report);
	seccomp_add_net(rules, sandbox->may);
	seccomp_add_list(rules, SCMP_ACT_ERRNO(ENOSYS), sandbox_calls_probes);
}

static void
seccomp_learn_names(void)
{
	int i;

	for (i = 0; i < SECCOMP_NAMES; i++)
		seccomp_names[i] =
		    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
}

/* Calls of another machine's kind (x32, i386) are no plugin's. */
static int
seccomp_set(scmp_filter_ctx filter)
{
	int status = seccomp_attr_set(
	    filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (status == 0)
		status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (status < 0)
		return status;
	/* Only faster. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	return 0;
}

/* What is not listed: programs that are run could not say it, and most of them
   do without. */
static uint32_t
seccomp_default(const struct sandbox *sandbox, int can_listen)
{
	if (sandbox->on_report != NULL)
		return can_listen ? SCMP_ACT_NOTIFY : SCMP_ACT_LOG;
	return sandbox->may & SANDBOX_EXEC ? SCMP_ACT_ERRNO(EPERM)
					   : SCMP_ACT_TRAP;
}

int
sandbox_seccomp_enter(const struct sandbox *sandbox, int *listener)
{
	int can_listen = seccomp_api_get() >= SECCOMP_API_LISTEN;
	struct seccomp_rules rules = {
		.filter = seccomp_init(seccomp_default(sandbox, can_listen)),
	};

	*listener = -1;
	if (rules.filter == NULL)
		return -ENOSYS;
	seccomp_learn_names();
	rules.status = seccomp_set(rules.filter);
	seccomp_fill(&rules, sandbox, sandbox->on_report != NULL);
	if (rules.status == 0)
		rules.status = seccomp_load(rules.filter);
	/* The library's own is closed with the filter. */
	if (rules.status == 0 && sandbox->on_report != NULL && can_listen)
		*listener =
		    fcntl(seccomp_notify_fd(rules.filter), F_DUPFD_CLOEXEC, 0);
	seccomp_release(rules.filter);
	return rules.status;
}

const char *
sandbox_seccomp_name(int number)
{
	return number >= 0 && number < SECCOMP_NAMES ? seccomp_names[number]
						     : NULL;
}

#else

int
sandbox_seccomp_enter(const struct sandbox *sandbox, int *listener)
{
	(void)sandbox;
	*listener = -1;
	return -ENOSYS;
}

const char *
sandbox_seccomp_name(int number)
{
	(void)number;
	return NULL;
}

#endif
