/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process may do what one of its plugins declares: the kernel cannot tell
 * them apart. What breaks out is stopped by a signal, and the crash says whose
 * call ran; with sandbox=report it is said here instead.
 */
#include "confine.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "confine_report.h"
#include "copy.h"
#include "job.h"
#include "log.h"
#include "sandbox.h"
#include "settings_guard.h"

/* The report's thread looks at it as long as the process lives. */
static struct sandbox confine_sandbox;

/* What the host needs */

static int
confine_add_sockets(struct sandbox *sandbox, const struct settings *settings)
{
	const struct settings_handler *handler = settings->handlers;
	const char *text;
	int i, j;

	for (i = 0; i < settings->handler_count; i++, handler++)
		for (j = 0; j < handler->address_count; j++) {
			text = handler->addresses[j].text;
			if (strncmp(text, "unix:", 5) == 0 && text[5] != '@' &&
			    sandbox_add_folder(
				sandbox, SANDBOX_REMOVE, text + 5) < 0)
				return -1;
		}
	return 0;
}

/* At the end it removes what it made; and it opens its log anew. */
static int
confine_add_alone(struct sandbox *sandbox, const struct settings *settings)
{
	const char *copies = copy_folder();

	sandbox->may |= SANDBOX_CLEAN;
	if (settings->log_file != NULL)
		sandbox->may |= SANDBOX_FILES;
	if (sandbox_add_folder(sandbox, SANDBOX_ADD, settings->log_file) < 0 ||
	    sandbox_add_folder(sandbox, SANDBOX_REMOVE, settings->pidfile) < 0)
		return -1;
	if (copies[0] != '\0' &&
	    (sandbox_add(sandbox, SANDBOX_READ | SANDBOX_REMOVE, copies) < 0 ||
		sandbox_add_folder(sandbox, SANDBOX_REMOVE_DIR, copies) < 0))
		return -1;
	return confine_add_sockets(sandbox, settings);
}

static int
confine_add_all(struct sandbox *sandbox, const struct load *load,
    const struct confine_host *host)
{
	if (confine_manifests(sandbox, load) < 0)
		return -1;
	if (host->has_child)
		sandbox->may |= SANDBOX_CHILD;
	if (host->settings->record != NULL) {
		sandbox->may |= SANDBOX_FILES;
		if (sandbox_add(sandbox, SANDBOX_ADD, host->settings->record) <
		    0)
			return -1;
	}
	return host->alone ? confine_add_alone(sandbox, host->settings) : 0;
}

/* Entering */

/* Of plugins: each would have to ask for the sandbox itself. */
static int
confine_count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int count = -2;

	if (dir == NULL)
		return 1;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void
confine_enter(struct sandbox *sandbox, const struct confine_host *host)
{
	char missing[512];
	int others = confine_count_threads() - 1 -
		     job_call_threads(sandbox_enter_thread);
	int status = sandbox_enter(sandbox, missing, sizeof(missing));

	if (missing[0] != '\0' && !host->quiet)
		log_write(BEVHOST_LOG_WARNING, NULL, "the sandbox is %s: %s",
		    status < 0 ? "off" : "incomplete", missing);
	if (others > 0 && sandbox->on_report == NULL)
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "%d threads that plugins made in start are not held to "
		    "declared files: make them by jobs, or later",
		    others);
}

void
confine(const struct load *load, const struct confine_host *host)
{
	const char *hindrance = sandbox_hindrance();
	struct sandbox *sandbox = &confine_sandbox;

	if (host->settings->sandbox == SETTINGS_SANDBOX_OFF)
		return;
	if (hindrance != NULL) {
		log_write(BEVHOST_LOG_INFO, NULL,
		    "the sandbox is off: %s needs what it forbids", hindrance);
		return;
	}
	if (host->settings->sandbox == SETTINGS_SANDBOX_REPORT)
		sandbox->on_report = confine_report();
	if (confine_add_all(sandbox, load, host) < 0)
		log_write(BEVHOST_LOG_ERROR, NULL, "no sandbox: %m");
	else
		confine_enter(sandbox, host);
	/* A report looks into the paths. */
	if (sandbox->on_report == NULL)
		sandbox_clear(sandbox);
	if (!host->alone)
		copy_leave();
}
