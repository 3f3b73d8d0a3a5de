/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says good bye when it is asked to, and counts the seconds beside that.
 * Planted: when the client ends without a word, the one who counts is
 * forgotten, whose memory is that of a function that returns.
 */
#include <bevhost/task.h>

static int
abandoned_count(void *arg)
{
	int *seconds = arg;

	while (bevhost_task_sleep(bevhost_after_ms(1000)) == 0)
		(*seconds)++;
	return 0;
}

static int
abandoned_run(struct bevhost_stream *stream, void *self)
{
	char line[80];
	int seconds = 0, status = 0;
	int64_t id = bevhost_task_spawn(abandoned_count, &seconds);
	ssize_t len;

	(void)self;
	if (id < 0)
		return (int)id;
	len = bevhost_stream_read_line(stream, line, sizeof(line), -1);
	if (PLANTED && len < 0)
		return 0;
	bevhost_task_cancel(id);
	bevhost_task_await(id, NULL, -1);
	if (len >= 0)
		status = bevhost_stream_write(stream, "bye\n", 4, -1);
	return status < 0 ? status : 0;
}
BEVHOST_COROUTINE("abandoned", abandoned_run)
