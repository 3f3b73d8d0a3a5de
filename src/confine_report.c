/* SPDX-License-Identifier: BSD-2-Clause */
/* One line for each call and file, by the thread that lets them go on. */
#include "confine_report.h"

#include <stdint.h>

#include "call.h"
#include "report.h"
#include "safe.h"
#include "sandbox_calls.h"
#include "seldom.h"

#define CONFINE_SAID 256 /* reports that are not said twice */

/* Beyond those, once in so long: clients may choose what files a plugin looks
   for. */
#define CONFINE_SAY_MS 100

static const struct call *confine_main_call;

/* Not the same twice; the oldest are forgotten. */
static int
confine_report_was_said(
    const struct sandbox_report *report, char more[SELDOM_MORE_SIZE])
{
	static uint32_t said[CONFINE_SAID];
	static struct seldom later;
	static size_t next;
	uint32_t hash = 2166136261u;
	const char *byte;
	size_t i;

	for (byte = report->call; *byte != '\0'; byte++)
		hash = (hash ^ (unsigned char)*byte) * 16777619u;
	for (byte = report->path; byte != NULL && *byte != '\0'; byte++)
		hash = (hash ^ (unsigned char)*byte) * 16777619u;
	for (i = 0; i < CONFINE_SAID; i++)
		if (said[i] == hash)
			return 1;
	if (next >= CONFINE_SAID && !seldom_may(&later, CONFINE_SAY_MS, more))
		return 1;
	said[next++ % CONFINE_SAID] = hash;
	return 0;
}

/* On the report's own thread. */
static void
confine_report_on(const struct sandbox_report *report)
{
	struct safe_text text = { .len = 0 };
	char more[SELDOM_MORE_SIZE] = "";

	if (confine_report_was_said(report, more))
		return;
	safe_put(&text, "the sandbox would stop ");
	safe_put(&text, report->call);
	safe_put(&text, "(2)");
	if (report->path != NULL) {
		safe_put(&text, " of '");
		safe_put(&text, report->path);
		safe_put(&text, "'");
	}
	if (report->main_thread)
		report_put_call(&text, confine_main_call);
	else
		safe_put(&text, " on another thread");
	if (report->path == NULL) {
		safe_put(&text, ": ");
		safe_put(&text, sandbox_calls_remedy(report->call));
	} else {
		safe_put(&text, ": no manifest here has that file");
	}
	safe_put(&text, more);
	safe_write(&text);
}

void (*confine_report(void))(const struct sandbox_report *report)
{
	confine_main_call = &call_running;
	return confine_report_on;
}
