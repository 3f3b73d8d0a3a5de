/* SPDX-License-Identifier: BSD-2-Clause */
/* libevent, set up as every process of the host needs it. */
#include "loop.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "log.h"
#include "seldom.h"

#define LOOP_SAY_MS 100

/* Some warnings come as often as the kernel refuses something. */
static void
loop_on_libevent(int severity, const char *message)
{
	static struct seldom said[EVENT_LOG_ERR + 1];
	char more[SELDOM_MORE_SIZE] = "";
	static const enum bevhost_level levels[] = {
		[EVENT_LOG_DEBUG] = BEVHOST_LOG_DEBUG,
		[EVENT_LOG_MSG] = BEVHOST_LOG_INFO,
		[EVENT_LOG_WARN] = BEVHOST_LOG_WARNING,
		[EVENT_LOG_ERR] = BEVHOST_LOG_ERROR,
	};

	if (severity < EVENT_LOG_DEBUG || severity > EVENT_LOG_ERR)
		severity = EVENT_LOG_ERR;
	if (severity == EVENT_LOG_MSG || severity == EVENT_LOG_WARN)
		if (!seldom_may(&said[severity], LOOP_SAY_MS, more))
			return;
	log_write(levels[severity], "libevent", "%s%s", message, more);
}

/* libevent would call exit(), which runs handlers of a broken process. */
static void
loop_on_fatal(int error)
{
	log_write(BEVHOST_LOG_ERROR, "libevent", "fatal error %d", error);
	abort();
}

static struct event_base *
loop_make(const char *method)
{
	static const char *const methods[] = { "epoll", "poll", "select" };
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;
	size_t i;

	if (config == NULL)
		return NULL;
	/* The environment must not turn on the changelist, which loses
	   descriptors; no thread but ours touches the base. */
	if (event_config_set_flag(config,
		EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NOLOCK) < 0)
		goto out;
	for (i = 0; method != NULL && i < 3; i++)
		if (strcmp(methods[i], method) != 0 &&
		    event_config_avoid_method(config, methods[i]) < 0)
			goto out;
	base = event_base_new_with_config(config);
out:
	event_config_free(config);
	return base;
}

struct event_base *
loop_new(const char *method)
{
	/* libevent writes without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(loop_on_libevent);
	event_set_fatal_callback(loop_on_fatal);
	return loop_make(method);
}
