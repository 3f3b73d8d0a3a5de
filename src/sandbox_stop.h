/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that the sandbox has stopped, for the signal handler that hears it. */
#ifndef SANDBOX_STOP_H
#define SANDBOX_STOP_H

#include <signal.h>
#include <ucontext.h>

struct safe_text;

/* Is the signal from a call that was stopped? */
int sandbox_is_stop(const siginfo_t *info);
/* One that this library does not know: fails as on a kernel without it. 0: it
   is none. */
int sandbox_pass_unknown(const siginfo_t *info, ucontext_t *context);
/* NAME(2) */
void sandbox_put_call(struct safe_text *text, const siginfo_t *info);
/* What a manifest would need for it, as text after a colon. */
void sandbox_put_remedy(struct safe_text *text, const siginfo_t *info);

#endif
