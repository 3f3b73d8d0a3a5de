/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * finger: tells who a user is, as RFC 1288 says. One line comes in, a job
 * answers it, and the connection ends. Every other line is refused with one
 * that says why.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/manifest.h>
#include <bevhost/task.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <event2/buffer.h>

#include "finger.h"

#define FINGER_LINE_MAX 512 /* with its end */

struct finger {
	int64_t timeout_ms, plan, list;
};

static const struct bevhost_param finger_params[] = {
	{
	    .name = "timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "30s",
	    .min = 1,
	    .max = 24 * 60 * 60 * 1000,
	    .help = "how long the query may take to arrive",
	    .field = BEVHOST_FIELD(struct finger, timeout_ms),
	},
	{
	    .name = "plan",
	    .type = BEVHOST_PARAM_BOOL,
	    .value = "off",
	    .help = "show the file .plan of a user's home",
	    .field = BEVHOST_FIELD(struct finger, plan),
	},
	{
	    .name = "list",
	    .type = BEVHOST_PARAM_BOOL,
	    .value = "off",
	    .help = "answer an empty query with who is logged in",
	    .field = BEVHOST_FIELD(struct finger, list),
	},
	{ .name = NULL },
};

/* Cuts the line's end off. NULL, or what is wrong with the rest. */
static const char *
finger_check_line(char *line, size_t len)
{
	size_t i;

	len -= len > 1 && line[len - 2] == '\r' ? 2 : 1;
	for (i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] > '~')
			return "A query is printable ASCII.";
	line[len] = '\0';
	return NULL;
}

/* [/W] [USER], of which RFC 1288 has the grammar. NULL, or what is wrong. */
static const char *
finger_parse(char *line, struct finger_query *query)
{
	size_t len;

	line += strspn(line, " ");
	if (strncasecmp(line, "/W", 2) == 0 &&
	    (line[2] == ' ' || line[2] == '\0')) {
		query->verbose = 1;
		line += 2;
		line += strspn(line, " ");
	}
	if (strchr(line, '@') != NULL)
		return "Finger forwarding service denied.";
	if (line[0] == '/')
		return "The only switch is /W.";
	len = strcspn(line, " ");
	if (line[len + strspn(line + len, " ")] != '\0')
		return "Ask for one user at a time.";
	line[len] = '\0';
	query->user = line;
	return NULL;
}

static int
finger_refuse(struct bevhost_stream *stream, const char *text)
{
	struct evbuffer *output =
	    bufferevent_get_output(bevhost_stream_bev(stream));

	bevhost_conn_log(
	    bevhost_stream_conn(stream), BEVHOST_LOG_INFO, "refused: %s", text);
	return evbuffer_add_printf(output, "%s\r\n", text) < 0 ? -ENOMEM : 0;
}

/* The input ended or was too long or too late, or the connection failed. */
static int
finger_no_line(struct bevhost_stream *stream, int status)
{
	struct evbuffer *input =
	    bufferevent_get_input(bevhost_stream_bev(stream));

	switch (status) {
	case -EMSGSIZE:
		return finger_refuse(stream, "The query is too long.");
	case -ETIMEDOUT:
		return finger_refuse(stream, "The query took too long.");
	case -ENODATA:
		if (evbuffer_get_length(input) == 0)
			return 0;
		return finger_refuse(stream, "The query has no end of line.");
	default:
		return status;
	}
}

/* While the database is down every query fails: one line a second tells it to
   who does not ask for more. */
static enum bevhost_level
finger_level(void)
{
	static time_t said;
	time_t now = time(NULL);
	enum bevhost_level level =
	    now != said ? BEVHOST_LOG_WARNING : BEVHOST_LOG_INFO;

	said = now;
	return level;
}

static int
finger_reply(struct bevhost_stream *stream, struct finger_query *query)
{
	struct bevhost_conn *conn = bevhost_stream_conn(stream);
	int status, result;

	if (bevhost_log_enabled(BEVHOST_LOG_INFO))
		bevhost_conn_log(conn, BEVHOST_LOG_INFO, "asked for '%s'%s",
		    query->user, query->verbose ? " in full" : "");
	status = bevhost_run_job(finger_answer, query, &result);
	if (status == 0 && result == 0)
		status = bevhost_stream_write(
		    stream, query->answer, query->answer_len, -1);
	else if (status == 0) {
		errno = -result;
		bevhost_conn_log(conn, finger_level(),
		    "cannot look up '%s': %m", query->user);
		status = finger_refuse(stream, "Cannot look it up now.");
	}
	free(query->answer);
	return status;
}

static int
finger_run(struct bevhost_stream *stream, void *self)
{
	const struct finger *finger = self;
	struct finger_query query = { .with_plan = finger->plan != 0 };
	char line[FINGER_LINE_MAX];
	const char *refusal;
	ssize_t len;

	len = bevhost_stream_read_until(stream, "\n", 1, line, sizeof(line),
	    bevhost_after_ms(finger->timeout_ms));
	if (len < 0)
		return finger_no_line(stream, (int)len);
	refusal = finger_check_line(line, (size_t)len);
	if (refusal == NULL)
		refusal = finger_parse(line, &query);
	if (refusal == NULL && query.user[0] == '\0' && !finger->list)
		refusal = "Finger online user list denied.";
	if (refusal != NULL)
		return finger_refuse(stream, refusal);
	return finger_reply(stream, &query);
}

/* A user's home may be anywhere; what is read of it is for everyone. */
static const char *const finger_reads[] = { "/", NULL };
static const struct bevhost_manifest finger_manifest = {
	.struct_size = sizeof(finger_manifest),
	.flags = BEVHOST_MANIFEST_NAMES,
	.reads = finger_reads,
};

static struct bevhost_plugin finger_plugin = {
	.name = "finger",
	.version = PACKAGE_VERSION,
	.summary = "tells who a user is",
	.params = finger_params,
	.self_size = sizeof(struct finger),
	.run = finger_run,
	.manifest = &finger_manifest,
};
BEVHOST_PLUGIN(finger_plugin)
