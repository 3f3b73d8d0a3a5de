/* SPDX-License-Identifier: BSD-2-Clause */
/* bevhost_connect(): a task waits for a dial. */
#include <errno.h>

#include <bevhost/task.h>

#include "dial.h"
#include "instance.h"
#include "stream.h"
#include "task.h"

struct connect {
	struct task *task;
	int result; /* of the dial; -EINPROGRESS until then */
};

static void
connect_on_done(void *arg, int result)
{
	struct connect *wait = arg;

	wait->result = result;
	task_wake_now(wait->task, 0);
}

/* A descriptor or a negative errno. */
static int
connect_dial(const char *host, unsigned port, int64_t deadline)
{
	struct connect wait = { task_current(), -EINPROGRESS };
	struct dial *dial = dial_start(host, port, -1, connect_on_done, &wait);
	int status;

	if (dial == NULL)
		return -ENOMEM;
	status = dial_take(dial);
	if (status != -EINPROGRESS)
		return status;
	status = 0;
	while (wait.result == -EINPROGRESS && status == 0)
		status = task_wait(deadline, "a connection");
	if (wait.result != -EINPROGRESS)
		return wait.result;
	dial_cancel(dial);
	return status;
}

int
bevhost_connect(const char *host, unsigned port, int64_t deadline,
    struct bevhost_stream **stream)
{
	int status = task_check(), fd;

	*stream = NULL;
	if (status < 0)
		return status;
	fd = connect_dial(host, port, deadline);
	return fd >= 0
		   ? stream_open(fd, task_current()->instance->guard, stream)
		   : fd;
}
