/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program as the worker sees it: from the order to run it to the report of
 * its end. It holds its connection, and outlives the task of that when the
 * connection closes first.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"

/* What was only to be sent. */
static void
exec_child_drop(struct exec_child *child)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (child->fds[i] >= 0)
			close(child->fds[i]);
		child->fds[i] = -1;
	}
	free(child->vars);
	child->vars = NULL;
}

static void
exec_child_free(struct exec_child *child)
{
	exec_child_drop(child);
	if (child->ended != NULL)
		bevhost_event_free(child->ended);
	free(child);
}

/* The pipe for what it says on its standard error. 0 or a negative errno. */
static int
exec_child_hear(struct exec_child *child)
{
	int fds[2];

	if (child->exec->errors != EXEC_ERRORS_LOG)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	child->fds[1] = fds[1];
	child->lines = exec_lines_new(child->exec, child->conn, fds[0]);
	return child->lines == NULL ? -ENOMEM : 0;
}

static int
exec_child_begin(struct exec_child *child)
{
	int status;

	child->ended = bevhost_event_new();
	child->vars = exec_vars(child->conn, &child->vars_size);
	if (child->ended == NULL || child->vars == NULL)
		return -ENOMEM;
	status = exec_child_hear(child);
	if (status < 0)
		return status;
	status = exec_link_join(child->exec, child);
	if (status < 0 && child->lines != NULL)
		exec_lines_end(child->lines);
	return status;
}

int
exec_child_new(struct exec *exec, struct bevhost_conn *conn, int fd,
    struct exec_child **made)
{
	struct exec_child *child = calloc(1, sizeof(*child));
	int status;

	*made = NULL;
	if (child == NULL) {
		close(fd);
		return -ENOMEM;
	}
	child->exec = exec;
	child->conn = conn;
	child->fds[0] = fd;
	child->fds[1] = -1;
	child->began_ms = bevhost_now_ms();
	status = exec_child_begin(child);
	if (status < 0) {
		exec_child_free(child);
		return status;
	}
	bevhost_conn_hold(conn);
	*made = child;
	exec_link_tell(child);
	return 0;
}

void
exec_child_sent(struct exec_child *child)
{
	child->is_sent = 1;
	exec_child_drop(child);
}

int
exec_child_wait(struct exec_child *child)
{
	return bevhost_event_wait(child->ended, -1);
}

void
exec_child_leave(struct exec_child *child)
{
	child->is_left = 1;
	if (child->is_over) {
		exec_child_free(child);
		return;
	}
	child->is_doomed = 1;
	exec_link_tell(child);
}

/* Its end */

/* Which limit it has met, where that can be told. */
static const char *
exec_child_limit(
    const struct exec_child *child, const struct exec_report *report)
{
	if (report->what == EXEC_LATE)
		return ": max-time is over";
	if (child->exec->max_cpu_ms > 0 && WIFSIGNALED(report->status) &&
	    WTERMSIG(report->status) == SIGXCPU)
		return ": max-cpu is over";
	return "";
}

static void
exec_child_log_end(
    const struct exec_child *child, const struct exec_report *report)
{
	double seconds = (double)(bevhost_now_ms() - child->began_ms) / 1000;
	const char *limit = exec_child_limit(child, report), *signal_name;
	int status = report->status;
	char how[32];

	if (WIFEXITED(status)) {
		snprintf(how, sizeof(how), "ended with status %d",
		    WEXITSTATUS(status));
	} else {
		signal_name = sigabbrev_np(WTERMSIG(status));
		if (signal_name != NULL)
			snprintf(how, sizeof(how), "was ended by SIG%s",
			    signal_name);
		else
			snprintf(how, sizeof(how), "was ended by signal %d",
			    WTERMSIG(status));
	}
	bevhost_conn_log(child->conn,
	    limit[0] == '\0' && (WIFEXITED(status) ? WEXITSTATUS(status) == 0
						   : child->is_doomed)
		? BEVHOST_LOG_INFO
		: BEVHOST_LOG_NOTICE,
	    "%s (process %lld) %s after %.3f s%s", child->exec->name,
	    (long long)report->pid, how, seconds, limit);
}

void
exec_child_set_reason(struct bevhost_conn *conn, int error)
{
	int is_scarce = error == ENOMEM || error == EMFILE || error == ENFILE ||
			error == EAGAIN || error == ETOOMANYREFS;

	bevhost_conn_set_reason(conn,
	    is_scarce ? BEVHOST_REASON_OVERLOAD : BEVHOST_REASON_ERROR, NULL);
}

static void
exec_child_log_failure(const struct exec_child *child, int error)
{
	/* Its connection was closed before it was told to run. */
	if (error == 0)
		return;
	errno = error;
	bevhost_conn_log(child->conn, BEVHOST_LOG_WARNING,
	    error == ENOEXEC
		? "cannot run %s: %m: a script's first line names what runs "
		  "it, as in #!/bin/sh"
		: "cannot run %s: %m",
	    child->exec->path);
	exec_child_set_reason(child->conn, error);
}

static void
exec_child_tell_end(
    const struct exec_child *child, const struct exec_report *report)
{
	switch (report->what) {
	case EXEC_FAILED:
		exec_child_log_failure(child, report->status);
		break;
	case EXEC_LOST:
		bevhost_conn_log(child->conn, BEVHOST_LOG_INFO,
		    "%s has ended with the process that ran it",
		    child->exec->name);
		exec_child_set_reason(child->conn, 0);
		break;
	case EXEC_LATE:
		bevhost_conn_set_reason(
		    child->conn, BEVHOST_REASON_TIMEOUT, NULL);
		/* fall through */
	default:
		exec_child_log_end(child, report);
	}
}

void
exec_child_report(struct exec_child *child, const struct exec_report *report)
{
	struct bevhost_conn *conn = child->conn;

	LIST_REMOVE(child, entry);
	if (child->is_queued)
		TAILQ_REMOVE(&child->link->queue, child, waiting);
	child->is_queued = 0;
	child->is_over = 1;
	if (child->lines != NULL)
		exec_lines_end(child->lines);
	child->lines = NULL;
	exec_child_tell_end(child, report);
	if (child->is_left)
		exec_child_free(child);
	else
		bevhost_event_set(child->ended);
	bevhost_conn_release(conn);
}
