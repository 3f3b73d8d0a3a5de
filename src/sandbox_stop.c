/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A call that is not allowed raises SIGSYS instead of being made. Which it was
 * is said here; some are answered, as if the kernel did not have them.
 */
#include "sandbox_stop.h"

#include <errno.h>
#include <string.h>

#include "safe.h"
#include "sandbox_calls.h"
#include "sandbox_own.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

int
sandbox_is_stop(const siginfo_t *info)
{
	return info->si_signo == SIGSYS && info->si_code == SYS_SECCOMP;
}

/* The call was not made: it returns what is put here. */
static void
sandbox_fail_call(ucontext_t *context, int error)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = -error;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (unsigned long long)-(long long)error;
#else
	(void)context;
	(void)error;
#endif
}

int
sandbox_pass_unknown(const siginfo_t *info, ucontext_t *context)
{
	const char *name;

	if (!sandbox_is_stop(info))
		return 0;
	name = sandbox_seccomp_name(info->si_syscall);
	/* These ask what a device or a kernel can do. */
	if (name == NULL)
		sandbox_fail_call(context, ENOSYS);
	else if (strcmp(name, "ioctl") == 0)
		sandbox_fail_call(context, ENOTTY);
	else if (strcmp(name, "prctl") == 0)
		sandbox_fail_call(context, EINVAL);
	else
		return 0;
	return 1;
}

void
sandbox_put_call(struct safe_text *text, const siginfo_t *info)
{
	const char *name = sandbox_seccomp_name(info->si_syscall);

	safe_put(text, name != NULL ? name : "?");
	safe_put(text, "(2)");
}

void
sandbox_put_remedy(struct safe_text *text, const siginfo_t *info)
{
	const char *name = sandbox_seccomp_name(info->si_syscall);

	safe_put(text, ": ");
	safe_put(text, sandbox_calls_remedy(name != NULL ? name : "?"));
}
