/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A task that runs out of its stack touches the guard below it. The handler
 * runs on a stack of its own, says whose task it was, and lets the signal do
 * its work, so that there is a core dump.
 */
#include "overflow.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coro.h"
#include "instance.h"
#include "log.h"
#include "task.h"

#define OVERFLOW_STACK (64u * 1024)

/* The process is about to die: a call that is not safe in a handler, but
   needs no lock that the overflowing code can hold, is worth its risk. */
static void
overflow_say(const struct task *task)
{
	char client[BEVHOST_ADDRESS_SIZE] = "a task of its own";

	if (task->conn != NULL)
		bevhost_conn_client_text(task->conn, client, sizeof(client));
	log_write(BEVHOST_LOG_ERROR, instance_name(task->instance),
	    "%s: its stack of %zu bytes overflowed: raise .stack_size or "
	    "--stack-size, or keep large objects elsewhere",
	    client, coro_stack_size(task->coro));
}

static void
overflow_on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (task_current() != NULL && coro_overflowed(info->si_addr))
		overflow_say(task_current());
	/* Reset by SA_RESETHAND: the instruction faults again. */
	if (info->si_code <= 0)
		raise(number);
}

int
overflow_catch(void)
{
	static char *stack;
	stack_t alternate = { .ss_size = OVERFLOW_STACK };
	struct sigaction action = {
		.sa_sigaction = overflow_on_signal,
		.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND),
	};

	if (stack == NULL)
		stack = malloc(OVERFLOW_STACK);
	if (stack == NULL)
		return -1;
	alternate.ss_sp = stack;
	sigemptyset(&action.sa_mask);
	if (sigaltstack(&alternate, NULL) < 0 ||
	    sigaction(SIGBUS, &action, NULL) < 0)
		return -1;
	return sigaction(SIGSEGV, &action, NULL);
}
