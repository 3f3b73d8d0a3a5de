/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log. A message is made in one buffer and written by one call, so that
 * lines of several processes do not mix; a peer's bytes cannot reach the
 * terminal as they are.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_MAX 2048

static enum bevhost_level log_level = BEVHOST_LOG_NOTICE;
static const char *log_where;
static int (*log_on_error)(const char *text);

void
log_set_level(enum bevhost_level level)
{
	log_level = level;
}

int
log_enabled(enum bevhost_level level)
{
	return level <= log_level;
}

const char *
log_set_where(const char *where)
{
	const char *before = log_where;

	log_where = where;
	return before;
}

/* Writes what stands for one byte, up to 4 characters. Returns how many. */
static size_t
log_escape_byte(char *out, unsigned char byte, int quote)
{
	static const char names[] = "abtnvfr"; /* 7 to 13 */
	static const char digits[] = "0123456789abcdef";

	if (byte == '\\' && quote) {
		memcpy(out, "\\\\", 2);
		return 2;
	}
	if (byte >= ' ' && byte < 0x7f) {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '\\';
	if (byte >= '\a' && byte <= '\r') {
		out[1] = names[byte - '\a'];
		return 2;
	}
	out[1] = 'x';
	out[2] = digits[byte >> 4];
	out[3] = digits[byte & 15];
	return 4;
}

size_t
log_escape(char *buf, size_t size, const void *bytes, size_t len, int quote)
{
	const unsigned char *in = bytes;
	size_t used = 0, room_for_dots = 0, i;

	for (i = 0; i < len; i++) {
		char out[4];
		size_t out_len = log_escape_byte(out, in[i], quote);

		if (used + out_len >= size) {
			if (size < 4)
				break;
			memcpy(buf + room_for_dots, "...", 3);
			used = room_for_dots + 3;
			break;
		}
		memcpy(buf + used, out, out_len);
		used += out_len;
		if (used + 4 <= size)
			room_for_dots = used;
	}
	buf[used] = '\0';
	return used;
}

/* A reader that has stopped must not stop the server: lines are lost then. */
static int
log_is_stuck(void)
{
	struct pollfd poll_fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&poll_fd, 1, 0) == 0;
}

static void
log_put(const char *line, size_t len)
{
	static unsigned long lost;
	char text[64];
	int text_len;

	if (log_is_stuck()) {
		lost++;
		return;
	}
	if (lost > 0) {
		text_len = snprintf(text, sizeof(text),
		    "bevhost: %lu lines of the log were lost\n", lost);
		if (write(STDERR_FILENO, text, (size_t)text_len) == text_len)
			lost = 0;
	}
	/* Nobody can be told that the log cannot be written. */
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		continue;
}

void
log_vwrite(enum bevhost_level level, const char *prefix, const char *format,
    va_list args)
{
	int saved_errno = errno, len, wanted;
	char text[LOG_MAX], line[LOG_MAX + 64];
	size_t used, room;

	if (!log_enabled(level))
		return;
	len = snprintf(text, sizeof(text), "%s%s%s%s",
	    log_where ? log_where : "", log_where ? ": " : "",
	    prefix ? prefix : "", prefix ? ": " : "");
	if (len < 0 || (size_t)len >= sizeof(text))
		len = 0;
	errno = saved_errno;
	room = sizeof(text) - (size_t)len;
	wanted = vsnprintf(text + len, room, format, args);
	if (wanted < 0)
		snprintf(text + len, room, "%s", format);
	else if ((size_t)wanted >= room)
		memcpy(text + sizeof(text) - 4, "...", 4);

	if (level == BEVHOST_LOG_ERROR && log_on_error != NULL &&
	    log_on_error(text)) {
		errno = saved_errno;
		return;
	}
	used = (size_t)snprintf(line, sizeof(line), "bevhost: ");
	used += log_escape(
	    line + used, sizeof(line) - used - 1, text, strlen(text), 0);
	line[used++] = '\n';
	log_put(line, used);
	errno = saved_errno;
}

void
log_set_listener(int (*on_error)(const char *text))
{
	log_on_error = on_error;
}

void
log_write_safe(const char *text, size_t len)
{
	static const char name[] = "bevhost: ";
	char line[LOG_MAX + 64];
	size_t used = sizeof(name) - 1;

	memcpy(line, name, used);
	used += log_escape(line + used, sizeof(line) - used - 1, text, len, 0);
	line[used++] = '\n';
	if (log_is_stuck())
		return;
	while (write(STDERR_FILENO, line, used) < 0 && errno == EINTR)
		continue;
}

void
log_write(enum bevhost_level level, const char *prefix, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(level, prefix, format, args);
	va_end(args);
}
