/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The call into a plugin that runs now. A few stores around each call are all
 * that it costs; who wants to know looks when something has gone wrong.
 */
#include "call.h"

_Thread_local struct call call_running;

struct call
call_swap(struct call call)
{
	const struct call before = call_running;

	call_running = call;
	return before;
}
