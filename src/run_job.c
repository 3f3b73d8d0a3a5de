/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bevhost_run_job(): a task waits for a job. What the job works on may stand
 * on the task's stack, so the task does not go on before it has ended.
 */
#include <errno.h>

#include <bevhost/task.h>

#include "call.h"
#include "job.h"
#include "task.h"

struct run_job {
	struct job job;
	struct task *task;
	int ended;
};

static void
run_job_on_end(struct job *job)
{
	struct run_job *run = job->owner;

	run->ended = 1;
	task_wake_now(run->task, 0);
}

int
bevhost_run_job(int (*fn)(void *arg), void *arg, int *result)
{
	struct run_job run = {
		.job = { .fn = fn,
		    .arg = arg,
		    .on_end = run_job_on_end,
		    .call = call_running },
		.task = task_current(),
	};
	int status = task_check();

	if (status < 0)
		return status;
	run.job.owner = &run;
	run.job.call.callback = "job";
	status = job_submit(&run.job);
	if (status < 0)
		return status;
	while (!run.ended && status == 0)
		status = task_wait(-1, "a job");
	/* One that no thread has taken yet need not be waited for. */
	if (!run.ended && job_withdraw(&run.job))
		return status;
	while (!run.ended)
		task_wait_shielded("a job");
	if (result != NULL)
		*result = run.job.result;
	return task_check();
}
