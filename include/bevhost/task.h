/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks and streams: a handler as a straight line of calls that wait. The
 * plugin's `run` is called on a stack of its own for each connection; when it
 * returns, the connection is flushed and closed. Names are asyncio's where
 * the meaning is.
 *
 *	static int
 *	hello_run(struct bevhost_stream *stream, void *self)
 *	{
 *		char line[512];
 *		ssize_t len;
 *
 *		while ((len = bevhost_stream_read_line(stream, line,
 *			    sizeof(line), bevhost_after_ms(60000))) >= 0)
 *			bevhost_stream_write(stream, line, (size_t)len, -1);
 *		return 0;
 *	}
 *	BEVHOST_COROUTINE("hello", hello_run)
 *
 * Deadlines are absolute, in milliseconds of bevhost_now_ms(): -1 waits for
 * ever, 0 only tries. A wait returns 0 or a count, or a negative errno:
 *
 *	-ETIMEDOUT	the deadline has passed
 *	-ECANCELED	the task was cancelled, its connection closes, or the
 *			host stops; every further wait returns it too, until
 *			the function has left by its own error path
 *	-EPERM		it was called outside of a task
 *
 * and what is said with each. A task must not keep a lock or anything else
 * that belongs to a thread across a wait, and must not block: what blocks is
 * for bevhost_run_job().
 */
#ifndef BEVHOST_TASK_H
#define BEVHOST_TASK_H

#include <sys/types.h>

#include <bevhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* A whole plugin from a name and one function. In C++, initializers would be
   told by warnings of each field that they leave out. */
#define BEVHOST_COROUTINE(plugin_name, function)                        \
	static struct bevhost_plugin bevhost_coroutine_plugin;          \
	BEVHOST_PLUGIN(*(bevhost_coroutine_plugin.name = (plugin_name), \
	    bevhost_coroutine_plugin.run = (function),                  \
	    &bevhost_coroutine_plugin))

/*
 * Streams. One task at a time may read from a stream and one may write: a
 * second gets -EBUSY. Besides the errors above, a stream's functions return
 * -ECONNRESET and the like when the connection has failed.
 */

/* 1 to size bytes. 0 is the end of the input. */
ssize_t bevhost_stream_read(
    struct bevhost_stream *stream, void *buf, size_t size, int64_t deadline);

/*
 * Exactly size bytes, at most 8 MiB (else -EMSGSIZE). Returns size, or
 * -ENODATA when the input ends before; what there is stays unread.
 */
ssize_t bevhost_stream_read_exactly(
    struct bevhost_stream *stream, void *buf, size_t size, int64_t deadline);

/*
 * To the end of the separator. Returns the length with it. -EMSGSIZE when
 * there is none in the first size bytes, -ENODATA when the input ends before
 * one: nothing is taken then.
 */
ssize_t
bevhost_stream_read_until(struct bevhost_stream *stream, const void *separator,
    size_t separator_len, void *buf, size_t size, int64_t deadline);

/*
 * A line without its \n or \r\n, ended by '\0' in buf. Returns its length. A
 * last line may lack its end; -ENODATA after the last. -EMSGSIZE when the line
 * has size bytes or more before its \n: nothing is taken then.
 */
ssize_t bevhost_stream_read_line(
    struct bevhost_stream *stream, char *buf, size_t size, int64_t deadline);

/*
 * All of it, copied. Waits only while more than the write watermark (1 MiB)
 * is owed. Returns 0. After a deadline the bytes are still sent.
 */
int bevhost_stream_write(struct bevhost_stream *stream, const void *data,
    size_t len, int64_t deadline);

/*
 * Where bevhost_stream_write() waits, in bytes, and where reading from the
 * same stream pauses: 1 MiB unless set. 0 turns the pause off, for those who
 * move bytes both ways at once and wait themselves; write waits at 1 MiB then.
 */
void
bevhost_stream_set_write_watermark(struct bevhost_stream *stream, size_t bytes);

/* Until the socket has taken everything. Returns 0. */
int bevhost_stream_drain(struct bevhost_stream *stream, int64_t deadline);

/* Drains, then tells the peer that no more comes. Reading goes on. */
int bevhost_stream_write_eof(struct bevhost_stream *stream, int64_t deadline);

/*
 * Waits until input is added to what there is at the call, for those who work
 * on the buffers themselves: what came while they waited for something else is
 * there already. Returns the length of the input, 0 at its end.
 */
ssize_t bevhost_stream_wait(struct bevhost_stream *stream, int64_t deadline);

/*
 * The bufferevent underneath, for work on its evbuffers without copying, and
 * for its address by bufferevent_getfd. Its callbacks are the stream's.
 */
struct bufferevent *bevhost_stream_bev(const struct bevhost_stream *stream);

/* The connection, or NULL for a stream of bevhost_connect(). */
struct bevhost_conn *bevhost_stream_conn(const struct bevhost_stream *stream);

/*
 * Closes, as bevhost_conn_close() does. A stream of bevhost_connect() is gone
 * then; it is closed at the latest when the task ends that opened it.
 */
void
bevhost_stream_close(struct bevhost_stream *stream, enum bevhost_close how);

/*
 * Connects to a name or address and a port, or to "unix:/PATH" (port 0). The
 * addresses of a name, which may be some seconds old (bevhost(8), name-cache),
 * are tried as RFC 8305 says. Returns 0 and the stream,
 * or -ENOENT for a name that has no address, -EAGAIN when that cannot be told
 * now, -EINVAL for a port above 65535 or a path that is none, or the errno of
 * the attempt that came furthest.
 */
int bevhost_connect(const char *host, unsigned port, int64_t deadline,
    struct bevhost_stream **stream) BEVHOST_MUST_CHECK;

/*
 * Tasks. A child ends before its parent: a function that returns while
 * children run has them cancelled and waited for, and its result is -ECHILD.
 * Its own stack frame is gone by then: a function whose children use what is
 * in it awaits them before it returns, on its error paths too. Awaiting ends
 * them then: when the caller is cancelled, await, gather and race cancel the
 * children they name, wait for them and return -ECANCELED. gather and race do
 * so with every error but -ETIMEDOUT, after which all still run.
 */

/* Starts fn(arg) as a child of the calling task; it runs at the next wait.
   Returns its number, or -ENOMEM, or -EAGAIN when there are too many. */
int64_t bevhost_task_spawn(int (*fn)(void *arg), void *arg);

/*
 * Waits for a child and takes what it returned. -EDEADLK for the caller's own
 * number, -ECHILD for one that is no child, or was awaited already. After
 * -ETIMEDOUT it still runs.
 */
int bevhost_task_await(int64_t task, int *result, int64_t deadline);

/* Waits for all of count; results may be NULL. Like await. */
int bevhost_task_gather(
    const int64_t *tasks, size_t count, int *results, int64_t deadline);

/* Waits for the first, then cancels and awaits the others. Returns its index;
   like await. */
int bevhost_task_race(
    const int64_t *tasks, size_t count, int *result, int64_t deadline);

/* Every wait of the child returns -ECANCELED from now on. 0 or -ECHILD. */
int bevhost_task_cancel(int64_t task);

/* Waits until the deadline. Returns 0. */
int bevhost_task_sleep(int64_t deadline);

/* Lets everything else that is ready run. Returns 0. */
int bevhost_task_yield(void);

/* fn(arg) runs when the calling task ends, whatever happens; the last that
   was deferred first. It must not wait. Returns 0 or -ENOMEM. */
int bevhost_task_defer(void (*fn)(void *arg), void *arg);

/*
 * Starts a task that is no connection's: from the instance's start or later.
 * When the host stops, it is cancelled after the last connection has gone: a
 * loop that looks at the results of its waits needs no other sign. Returns 0 or
 * a negative errno.
 */
int bevhost_task_start(struct bevhost_instance *instance, int (*fn)(void *arg),
    void *arg) BEVHOST_MUST_CHECK;

/*
 * Runs fn(arg) on a thread of the pool and waits for it. Returns 0 and what
 * fn returned. A job that runs cannot be stopped: a cancelled task still
 * waits for its end, then gets -ECANCELED. There is no deadline.
 */
int bevhost_run_job(int (*fn)(void *arg), void *arg, int *result);

/*
 * Between the tasks of one worker. Free them when nobody waits.
 */

/* An event is set or not; wait returns 0 once it is. */
struct bevhost_event *bevhost_event_new(void) BEVHOST_MUST_CHECK;
void bevhost_event_free(struct bevhost_event *event);
void bevhost_event_set(struct bevhost_event *event);
void bevhost_event_clear(struct bevhost_event *event);
int bevhost_event_wait(struct bevhost_event *event, int64_t deadline);

/* A queue holds up to capacity items, in order. 0 or as every wait. */
struct bevhost_queue *bevhost_queue_new(size_t capacity) BEVHOST_MUST_CHECK;
void bevhost_queue_free(struct bevhost_queue *queue);
int
bevhost_queue_put(struct bevhost_queue *queue, void *item, int64_t deadline);
int
bevhost_queue_get(struct bevhost_queue *queue, void **item, int64_t deadline);
size_t bevhost_queue_length(const struct bevhost_queue *queue);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* BEVHOST_TASK_H */
