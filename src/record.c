/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is recorded is kept until there is enough of it, and then appended: a
 * connection that is recorded has no descriptor more than another. The loop
 * waits for the disk: this is for finding out, not for every day.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "clock.h"
#include "instance.h"
#include "instance_value.h"
#include "log.h"
#include "reason.h"
#include "script_text.h"
#include "seldom.h"

#define RECORD_SAY_MS 1000

#define RECORD_KEEP    65536		  /* bytes, before they are written */
#define RECORD_MAX     (64 * 1024 * 1024) /* of a file */
#define RECORD_WAIT_MS 100		  /* a shorter pause is none */
#define RECORD_BUCKETS 256

struct recording {
	LIST_ENTRY(recording) entry;
	uint64_t id;
	const struct bevhost_instance *instance;
	struct evbuffer *text; /* that is not written yet */
	int64_t last_ms;
	size_t written;
	char name[128];
	char sign;	/* of the bytes that come next */
	int made, over; /* the file is; nothing more is recorded */
};

int record_is_on;
static int record_fd = -1;
static LIST_HEAD(, recording) record_all[RECORD_BUCKETS];

int
record_open(const char *folder)
{
	record_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (record_fd >= 0 &&
	    faccessat(record_fd, ".", W_OK | X_OK, AT_EACCESS) == 0) {
		record_is_on = 1;
		return 0;
	}
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "record '%s': %m: it is a folder that workers can write to",
	    folder);
	record_close();
	return -1;
}

void
record_close(void)
{
	if (record_fd >= 0)
		close(record_fd);
	record_fd = -1;
	record_is_on = 0;
}

static struct recording *
record_find(uint64_t id)
{
	struct recording *recording;

	LIST_FOREACH (recording, &record_all[id % RECORD_BUCKETS], entry)
		if (recording->id == id)
			return recording;
	return NULL;
}

/* A disk that is full is so for every connection. */
static void
record_give_up(struct recording *recording, const char *why)
{
	static struct seldom said;
	char more[SELDOM_MORE_SIZE];

	if (seldom_may(&said, RECORD_SAY_MS, more))
		log_write(BEVHOST_LOG_WARNING,
		    instance_name(recording->instance),
		    "%s is not recorded further: %s%s", recording->name, why,
		    more);
	recording->over = 1;
	evbuffer_drain(recording->text, evbuffer_get_length(recording->text));
}

static int
record_file(struct recording *recording)
{
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC;

	if (!recording->made)
		flags |= O_CREAT | O_EXCL;
	return openat(record_fd, recording->name, flags, 0600);
}

static void
record_flush(struct recording *recording)
{
	int fd, len = 0;

	if (evbuffer_get_length(recording->text) == 0)
		return;
	fd = record_file(recording);
	recording->made |= fd >= 0;
	while (fd >= 0 && evbuffer_get_length(recording->text) > 0) {
		len = evbuffer_write(recording->text, fd);
		if (len <= 0)
			break;
		recording->written += (size_t)len;
	}
	if (fd < 0 || evbuffer_get_length(recording->text) > 0)
		record_give_up(recording, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void
record_add(struct recording *recording, const char *text, size_t len)
{
	if (recording->over)
		return;
	if (evbuffer_add(recording->text, text, len) < 0)
		record_give_up(recording, strerror(ENOMEM));
	else if (recording->written > RECORD_MAX)
		record_give_up(recording, "it has become too long");
	else if (evbuffer_get_length(recording->text) > RECORD_KEEP)
		record_flush(recording);
}

static void
record_line(struct recording *recording, const char *word, const char *rest)
{
	record_add(recording, word, strlen(word));
	record_add(recording, rest, strlen(rest));
	record_add(recording, "\n", 1);
}

/* A pause before what comes now is written down too. */
static void
record_pause(struct recording *recording)
{
	int64_t now = clock_ms(), pause = now - recording->last_ms;
	char text[32];

	recording->last_ms = now;
	if (pause < RECORD_WAIT_MS)
		return;
	snprintf(text, sizeof(text), "%lldms", (long long)pause);
	record_line(recording, "wait ", text);
}

/* As far as a name of a file may have it. */
static void
record_name(struct recording *recording)
{
	char plugin[64], when[32];
	time_t now = time(NULL);
	struct tm tm;
	size_t i;

	snprintf(
	    plugin, sizeof(plugin), "%s", instance_name(recording->instance));
	for (i = 0; plugin[i] != '\0'; i++)
		if (plugin[i] == '/' || plugin[i] < '!' || plugin[i] > '~')
			plugin[i] = '_';
	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm) == 0)
		snprintf(when, sizeof(when), "%lld", (long long)now);
	snprintf(recording->name, sizeof(recording->name),
	    "%s-%s-%ld-%llu.conv", plugin, when, (long)getpid(),
	    (unsigned long long)recording->id);
}

/* What it was played with. */
static void
record_words(struct recording *recording)
{
	const struct bevhost_param *param = recording->instance->plugin->params;
	const char *value;
	int at;

	for (; param != NULL && param->name != NULL; param++)
		for (at = 0; (value = instance_value(recording->instance,
				  param->name, at)) != NULL;
		     at++) {
			record_add(recording, "with ", 5);
			record_add(recording, param->name, strlen(param->name));
			record_line(recording, "=", value);
			if (!(param->flags & BEVHOST_PARAM_REPEAT))
				break;
		}
}

static void
record_put(const char *line, void *arg)
{
	struct recording *recording = arg;
	char sign[2] = { recording->sign, '\0' };

	record_line(recording, sign, line);
}

/* What was added last is at the end. Lines go on from piece to piece. */
static char *
record_copy(struct evbuffer *buffer, size_t len)
{
	size_t total = evbuffer_get_length(buffer), at = 0;
	struct evbuffer_iovec piece;
	struct evbuffer_ptr from;
	char *bytes = malloc(len);

	while (bytes != NULL && at < len) {
		if (evbuffer_ptr_set(buffer, &from, total - len + at,
			EVBUFFER_PTR_SET) < 0 ||
		    evbuffer_peek(
			buffer, (ev_ssize_t)(len - at), &from, &piece, 1) < 1 ||
		    piece.iov_len == 0) {
			free(bytes);
			return NULL;
		}
		if (piece.iov_len > len - at)
			piece.iov_len = len - at;
		memcpy(bytes + at, piece.iov_base, piece.iov_len);
		at += piece.iov_len;
	}
	return bytes;
}

static void
record_bytes(
    struct recording *recording, struct evbuffer *buffer, size_t len, char sign)
{
	char *bytes;

	if (recording->over || len == 0 || len > evbuffer_get_length(buffer))
		return;
	bytes = record_copy(buffer, len);
	if (bytes == NULL) {
		record_give_up(recording, strerror(ENOMEM));
		return;
	}
	record_pause(recording);
	recording->sign = sign;
	script_text_lines(bytes, len, "\n", record_put, recording);
	free(bytes);
}

static void
record_on_input(
    struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	record_bytes(arg, buffer, info->n_added, '>');
}

static void
record_on_output(
    struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	record_bytes(arg, buffer, info->n_added, '<');
}

void
record_begin(uint64_t id, const struct bevhost_instance *instance,
    struct bufferevent *bev)
{
	struct recording *recording = calloc(1, sizeof(*recording));
	static struct seldom said;
	char more[SELDOM_MORE_SIZE];

	if (recording != NULL)
		recording->text = evbuffer_new();
	if (recording == NULL || recording->text == NULL ||
	    evbuffer_add_cb(bufferevent_get_input(bev), record_on_input,
		recording) == NULL) {
		if (seldom_may(&said, RECORD_SAY_MS, more))
			log_write(BEVHOST_LOG_WARNING, instance_name(instance),
			    "a connection is not recorded: %s%s",
			    strerror(ENOMEM), more);
		if (recording != NULL && recording->text != NULL)
			evbuffer_free(recording->text);
		free(recording);
		return;
	}
	recording->id = id;
	recording->instance = instance;
	recording->last_ms = clock_ms();
	record_name(recording);
	LIST_INSERT_HEAD(&record_all[id % RECORD_BUCKETS], recording, entry);
	/* Of a file for sendfile the bytes are not to be seen. */
	evbuffer_clear_flags(
	    bufferevent_get_output(bev), EVBUFFER_FLAG_DRAINS_TO_FD);
	if (evbuffer_add_cb(bufferevent_get_output(bev), record_on_output,
		recording) == NULL)
		record_give_up(recording, strerror(ENOMEM));
	record_line(recording, "# recorded of ", instance_name(instance));
	record_words(recording);
}

void
record_eof(uint64_t id)
{
	struct recording *recording = record_find(id);

	if (recording == NULL)
		return;
	record_pause(recording);
	record_line(recording, "end", "");
}

void
record_end(uint64_t id, enum bevhost_reason reason)
{
	struct recording *recording = record_find(id);

	if (recording == NULL)
		return;
	record_pause(recording);
	/* Who was first, when both sides end, is for the network to say. */
	if (reason == BEVHOST_REASON_RESET)
		record_line(recording, "reset", "");
	else if (reason == BEVHOST_REASON_PEER ||
		 reason == BEVHOST_REASON_HANDLER)
		record_line(recording, "closed", "");
	else
		record_line(recording,
		    reason == BEVHOST_REASON_DRAIN ? "drain\nclosed "
						   : "closed ",
		    reason_name(reason));
	record_flush(recording);
	LIST_REMOVE(recording, entry);
	evbuffer_free(recording->text);
	free(recording);
}
