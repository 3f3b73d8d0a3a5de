/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program says on its standard error, line by line into the log. One
 * that says more than the log is to have in a second waits: its pipe is not
 * read, and nothing is lost but when it ends meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec.h"

#define EXEC_LINE_SIZE	  1024 /* what is longer is cut into pieces */
#define EXEC_LINES_MAX	  50   /* in a second */
#define EXEC_LINES_LAST	  50   /* when it has ended */
#define EXEC_LINES_SECOND 1000

struct exec_lines {
	const struct exec *exec;
	const struct bevhost_conn *conn;
	int fd;
	struct event *readable, *again;
	int64_t second_ms; /* when this second began */
	unsigned count;	   /* lines in it */
	size_t len;
	char line[EXEC_LINE_SIZE];
};

static void
exec_lines_free(struct exec_lines *lines)
{
	if (lines->readable != NULL)
		event_free(lines->readable);
	if (lines->again != NULL)
		event_free(lines->again);
	close(lines->fd);
	free(lines);
}

static void
exec_lines_log(struct exec_lines *lines, size_t len)
{
	char *nul;

	lines->count++;
	/* It would be the end of what is logged. */
	while ((nul = memchr(lines->line, '\0', len)) != NULL)
		*nul = '?';
	if (len > 0)
		bevhost_conn_log(lines->conn, BEVHOST_LOG_NOTICE, "%s: %.*s",
		    lines->exec->name, (int)len, lines->line);
}

/* The first line in the buffer, or all of a full one. 0 when there is none. */
static int
exec_lines_take(struct exec_lines *lines)
{
	const char *end = memchr(lines->line, '\n', lines->len);
	size_t len = end != NULL ? (size_t)(end - lines->line) : lines->len;
	size_t used = end != NULL ? len + 1 : len;

	if (end == NULL && len < sizeof(lines->line))
		return 0;
	if (end != NULL && len > 0 && lines->line[len - 1] == '\r')
		len--;
	exec_lines_log(lines, len);
	lines->len -= used;
	memmove(lines->line, lines->line + used, lines->len);
	return 1;
}

/* So many lines more. Returns 1 when there are more still, 0 when there are
   none for now, -1 when there will be none. */
static int
exec_lines_move(struct exec_lines *lines, unsigned max)
{
	ssize_t len;

	while (lines->count < max) {
		if (exec_lines_take(lines))
			continue;
		len = read(lines->fd, lines->line + lines->len,
		    sizeof(lines->line) - lines->len);
		if (len <= 0)
			return len < 0 && errno == EAGAIN ? 0 : -1;
		lines->len += (size_t)len;
	}
	return 1;
}

static void
exec_lines_pause(struct exec_lines *lines, int64_t now_ms)
{
	int64_t left_ms = lines->second_ms + EXEC_LINES_SECOND - now_ms;
	const struct timeval left = {
		.tv_usec = (suseconds_t)(left_ms % EXEC_LINES_SECOND * 1000),
	};

	event_del(lines->readable);
	event_add(lines->again, &left);
}

static void
exec_lines_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct exec_lines *lines = arg;
	int64_t now_ms = bevhost_now_ms();
	int status;

	(void)fd;
	(void)what;
	if (now_ms - lines->second_ms >= EXEC_LINES_SECOND) {
		lines->second_ms = now_ms;
		lines->count = 0;
	}
	status = exec_lines_move(lines, EXEC_LINES_MAX);
	if (status < 0)
		event_del(lines->readable);
	else if (status > 0)
		exec_lines_pause(lines, now_ms);
}

static void
exec_lines_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct exec_lines *lines = arg;

	event_add(lines->readable, NULL);
	exec_lines_on_readable(fd, what, arg);
}

struct exec_lines *
exec_lines_new(struct exec *exec, struct bevhost_conn *conn, int fd)
{
	struct exec_lines *lines = calloc(1, sizeof(*lines));

	if (lines == NULL) {
		close(fd);
		return NULL;
	}
	lines->exec = exec;
	lines->conn = conn;
	lines->fd = fd;
	lines->readable = event_new(exec->base, fd, EV_READ | EV_PERSIST,
	    exec_lines_on_readable, lines);
	lines->again = evtimer_new(exec->base, exec_lines_on_again, lines);
	if (lines->readable != NULL && lines->again != NULL &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
	    event_add(lines->readable, NULL) == 0)
		return lines;
	exec_lines_free(lines);
	return NULL;
}

void
exec_lines_end(struct exec_lines *lines)
{
	lines->count = 0;
	if (exec_lines_move(lines, EXEC_LINES_LAST) > 0)
		bevhost_conn_log(lines->conn, BEVHOST_LOG_NOTICE,
		    "%s: what else it said at its end is not logged",
		    lines->exec->name);
	else if (lines->len > 0)
		exec_lines_log(lines, lines->len);
	exec_lines_free(lines);
}
