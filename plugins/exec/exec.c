/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec: runs a program for each connection, as inetd and the servers of UCSPI
 * do, with the connection as its standard input and output. Here are the
 * parameters, and a connection's way. See exec.h for the rest.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/task.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec.h"

#define EXEC_DAY_MS	    (INT64_C(24) * 60 * 60 * 1000)
#define EXEC_LEAST	    (INT64_C(1024) * 1024)
#define EXEC_MOST	    (INT64_C(1) << 50)
#define EXEC_PROCESSES_MOST (1 << 22)

static const char *const exec_errors_choices[] = { "log", "client", "none",
	NULL };

static const struct bevhost_param exec_params[] = {
	{
	    .name = "program",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REQUIRED,
	    .min = 1,
	    .max = 65536,
	    .help = "what is run: a path, or a name that PATH leads to",
	    .field = BEVHOST_FIELD(struct exec, program),
	},
	{
	    .name = "arg",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REPEAT,
	    .help = "one argument of it",
	},
	{
	    .name = "shell",
	    .type = BEVHOST_PARAM_BOOL,
	    .value = "off",
	    .help = "program is a command for /bin/sh",
	    .field = BEVHOST_FIELD(struct exec, shell),
	},
	{
	    .name = "env",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REPEAT,
	    .min = 1,
	    .max = 65536,
	    .help = "NAME=VALUE of its environment, or NAME as bevhost has it",
	},
	{
	    .name = "chdir",
	    .type = BEVHOST_PARAM_STRING,
	    .min = 1,
	    .max = 4095,
	    .help = "the folder that it works in",
	    .field = BEVHOST_FIELD(struct exec, folder),
	},
	{
	    .name = "user",
	    .type = BEVHOST_PARAM_STRING,
	    .min = 1,
	    .max = 255,
	    .help = "whom it runs as (as bevhost, unless set)",
	    .field = BEVHOST_FIELD(struct exec, user_name),
	},
	{
	    .name = "group",
	    .type = BEVHOST_PARAM_STRING,
	    .min = 1,
	    .max = 255,
	    .help = "its group (that of its user, unless set)",
	    .field = BEVHOST_FIELD(struct exec, group_name),
	},
	{
	    .name = "umask",
	    .type = BEVHOST_PARAM_STRING,
	    .min = 1,
	    .max = 4,
	    .help = "permissions that its files do not get, in octal",
	},
	{
	    .name = "stderr",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "log",
	    .choices = exec_errors_choices,
	    .help = "where its standard error goes",
	    .field = BEVHOST_FIELD(struct exec, errors),
	},
	{
	    .name = "max-time",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "0s",
	    .max = 365 * EXEC_DAY_MS,
	    .help = "how long it may run (0s: as long as it likes)",
	    .field = BEVHOST_FIELD(struct exec, max_time_ms),
	},
	{
	    .name = "max-cpu",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "0s",
	    .max = 365 * EXEC_DAY_MS,
	    .help = "the processor's time of each process (0s: no limit)",
	    .field = BEVHOST_FIELD(struct exec, max_cpu_ms),
	},
	{
	    .name = "max-memory",
	    .type = BEVHOST_PARAM_SIZE,
	    .value = "0",
	    .max = EXEC_MOST,
	    .help = "the memory of each process (0: no limit)",
	    .field = BEVHOST_FIELD(struct exec, max_memory),
	},
	{
	    .name = "max-processes",
	    .type = BEVHOST_PARAM_INT,
	    .value = "0",
	    .max = EXEC_PROCESSES_MOST,
	    .help = "how many its user may have before it forks (0: no limit)",
	    .field = BEVHOST_FIELD(struct exec, max_processes),
	},
	{
	    .name = "kill-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "5s",
	    .min = 1,
	    .max = EXEC_DAY_MS,
	    .help = "from SIGTERM to SIGKILL",
	    .field = BEVHOST_FIELD(struct exec, kill_ms),
	},
	{
	    .name = "nice",
	    .type = BEVHOST_PARAM_INT,
	    .value = "0",
	    .max = 19,
	    .help = "how far it stands back for others",
	    .field = BEVHOST_FIELD(struct exec, nice),
	},
	{
	    .name = "new-privileges",
	    .type = BEVHOST_PARAM_BOOL,
	    .value = "off",
	    .help = "setuid programs that it runs have their effect",
	    .field = BEVHOST_FIELD(struct exec, gains),
	},
	{ .name = NULL },
};

/* The instance */

static int
exec_create(struct bevhost_instance *instance, void **self)
{
	struct exec *exec = calloc(1, sizeof(*exec));

	(void)instance;
	if (exec == NULL) {
		bevhost_error("%m");
		return -1;
	}
	exec->umask = -1;
	*self = exec;
	return 0;
}

/* 27 is 027, and 0x1b is nothing. */
static int
exec_take_umask(struct exec *exec, const char *value)
{
	if (value[strspn(value, "01234567")] == '\0')
		exec->umask = (int)strtol(value, NULL, 8);
	if (exec->umask >= 0 && exec->umask <= 0777)
		return 0;
	bevhost_error("parameter 'umask': '%s' is no mask: give octal digits, "
		      "such as 027, 777 at most",
	    value);
	return -1;
}

static int
exec_take_param(void *self, const char *key, const char *value)
{
	struct exec *exec = self;
	int status = 0;

	if (strcmp(key, "env") == 0 && value[0] == '=') {
		bevhost_error("env '%s' has no name: write NAME=VALUE", value);
		return -1;
	}
	if (strcmp(key, "umask") == 0)
		return exec_take_umask(exec, value);
	if (strcmp(key, "arg") == 0)
		status = exec_words_add(&exec->args, value);
	else if (strcmp(key, "env") == 0)
		status = exec_words_add(&exec->env, value);
	if (status < 0)
		bevhost_error("%m");
	return status;
}

/* What less memory than this does is end each program at once. */
static int
exec_check_limits(const struct exec *exec)
{
	if (exec->max_memory == 0 || exec->max_memory >= EXEC_LEAST)
		return 0;
	bevhost_error("parameter 'max-memory' is %lld bytes, in which no "
		      "program starts: at least 1M, or 0 for no limit",
	    (long long)exec->max_memory);
	return -1;
}

static int
exec_ready(void *self)
{
	struct exec *exec = self;

	if (exec_check_limits(exec) < 0 || exec_config(exec) < 0 ||
	    exec_links_fork(exec) < 0)
		return -1;
	return exec->user.is_asked ? exec_links_become(exec, &exec->user) : 0;
}

/* Without a user of its own a program runs as the worker does. */
static int
exec_become_worker(struct exec *exec)
{
	struct exec_user *user = &exec->user;

	user->uid = geteuid();
	if (exec->group_name == NULL)
		user->gid = getegid();
	user->group_count = getgroups(EXEC_GROUPS_MAX, user->groups);
	if (user->group_count >= 0)
		return exec_links_become(exec, user);
	bevhost_error("more than %d groups: give user=", EXEC_GROUPS_MAX);
	return -1;
}

static int
exec_start_instance(void *self, struct event_base *base)
{
	struct exec *exec = self;

	exec->base = base;
	if (!exec->user.is_asked && exec_become_worker(exec) < 0)
		return -1;
	if (exec->max_processes > 0 && exec->user.uid == 0) {
		bevhost_error("max-processes does not hold root: give user=");
		return -1;
	}
	return exec_links_start(exec);
}

static void
exec_stop(void *self)
{
	exec_links_stop(self);
}

static void
exec_destroy(void *self)
{
	struct exec *exec = self;

	exec_links_stop(exec);
	exec_config_clear(exec);
	free(exec);
}

/* A connection */

/* The program has the client's socket itself. */
static int
exec_lend(struct exec *exec, struct bevhost_conn *conn, int fd)
{
	struct exec_child *child;
	int status;

	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	status = exec_child_new(exec, conn, fd, &child);
	if (status < 0)
		return status;
	status = exec_child_wait(child);
	exec_child_leave(child);
	return status;
}

static int
exec_run(struct bevhost_stream *client, void *self)
{
	struct bevhost_conn *conn = bevhost_stream_conn(client);
	int fd = bevhost_conn_lend(conn), status;

	if (fd >= 0)
		status = exec_lend(self, conn, fd);
	else if (fd == -ENOTSUP)
		status = exec_relay(self, client);
	else
		status = fd;
	if (status == 0 || status == -ECANCELED)
		return status;
	exec_child_set_reason(conn, -status);
	/* That there is nobody to run it has been said. */
	if (status != -ECONNREFUSED) {
		errno = -status;
		bevhost_conn_log(conn, BEVHOST_LOG_WARNING, "no program: %m");
	}
	return status;
}

static struct bevhost_plugin exec_plugin = {
	.name = "exec",
	.version = PACKAGE_VERSION,
	.summary = "runs a program for each connection (inetd, UCSPI)",
	.params = exec_params,
	.bare_param = "program",
	.create = exec_create,
	.config = exec_take_param,
	.ready = exec_ready,
	.start = exec_start_instance,
	.stop = exec_stop,
	.destroy = exec_destroy,
	.run = exec_run,
};
BEVHOST_PLUGIN(exec_plugin)
