/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a crash and a stall have to say: whose call it was, and the functions
 * that led there. Runs in signal handlers.
 */
#include "report.h"

#include <execinfo.h>
#include <stdint.h>
#include <string.h>

#include <bevhost/plugin.h>

#include "call.h"
#include "instance.h"
#include "safe.h"
#include "symbol.h"

#define REPORT_FRAMES_MAX 64

void
report_put_plugin(struct safe_text *text, const struct call *call)
{
	safe_put(text, "plugin ");
	safe_put(text, call->instance != NULL ? instance_name(call->instance)
					      : call->file);
}

void
report_put_conn(struct safe_text *text, const struct bevhost_conn *conn)
{
	if (conn == NULL)
		return;
	safe_put(text, ", connection ");
	safe_put_number(text, (int64_t)bevhost_conn_id(conn));
	safe_put(text, " from ");
	safe_put_addr(text, bevhost_conn_peer(conn, NULL));
}

void
report_put_call(struct safe_text *text, const struct call *call)
{
	safe_put(text, " in ");
	if (call->callback == NULL) {
		safe_put(text, "the host");
		return;
	}
	report_put_plugin(text, call);
	safe_put(text, ", callback ");
	safe_put(text, call->callback);
	report_put_conn(text, call->conn);
}

/* Where the signal came, and where the function that it came in was called
   from, if it came with its first instruction. 0: not known. */
struct report_place {
	uintptr_t pc, caller;
};

static struct report_place
report_place(const ucontext_t *context, int scan)
{
	struct report_place place = { 0, 0 };

#if defined(__x86_64__)
	place.pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
	if (scan && !symbol_is_known(place.pc))
		symbol_scan();
	/* A call to where no code is: the stack is as good as ever. */
	if (!symbol_is_known(place.pc))
		memcpy(&place.caller,
		    (const void *)context->uc_mcontext.gregs[REG_RSP],
		    sizeof(place.caller));
#elif defined(__aarch64__)
	place.pc = context->uc_mcontext.pc;
	if (scan && !symbol_is_known(place.pc))
		symbol_scan();
	if (!symbol_is_known(place.pc))
		place.caller = context->uc_mcontext.regs[30];
#else
	(void)context;
	(void)scan;
#endif
	return place;
}

static void
report_write_frame(int number, uintptr_t address)
{
	struct safe_text text = { .len = 0 };

	safe_put(&text, "  #");
	safe_put_number(&text, number);
	safe_put(&text, " ");
	symbol_put(&text, address);
	safe_write(&text);
}

/* The frames of the handler itself say nothing. */
void
report_write_backtrace(const ucontext_t *context, int scan)
{
	const struct report_place place = report_place(context, scan);
	void *frames[REPORT_FRAMES_MAX];
	int count, first = 0, number = 0;

	report_write_frame(number++, place.pc);
	if (place.caller != 0) {
		report_write_frame(number, place.caller - 1);
		return;
	}
	count = backtrace(frames, REPORT_FRAMES_MAX);
	while (first < count && (uintptr_t)frames[first] != place.pc)
		first++;
	first = first < count ? first + 1 : 0;
	/* A call returns behind itself: into the next line, or function. */
	for (; first < count; first++)
		report_write_frame(number++, (uintptr_t)frames[first] - 1);
}
