/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams: a task's waiting view of a bufferevent. */
#ifndef STREAM_H
#define STREAM_H

#include <bevhost/plugin.h>

struct settings_guard;
struct task;

struct bevhost_stream {
	struct bufferevent *bev;
	struct bevhost_conn *conn; /* or NULL: an outbound stream */
	struct task *reader, *writer;
	size_t need;	/* the reader's: this much input */
	size_t allowed; /* the writer's: at most this much output */
	size_t scanned; /* no separator begins before this */
	size_t write_watermark;
	int error; /* of the connection, negative, or 0 */
	unsigned eof : 1;
	unsigned write_eof : 1; /* our side has been shut */
	unsigned gone : 1;	/* closed: nothing works any more */
};

void stream_init(struct bevhost_stream *stream, struct bufferevent *bev,
    struct bevhost_conn *conn);

/* The callbacks of its bufferevent; state is the stream. */
void stream_on_read(struct bufferevent *bev, void *state);
void stream_on_write(struct bufferevent *bev, void *state);
void stream_on_event(struct bufferevent *bev, short what, void *state);

/* An outbound stream of the running task over a connected socket. Takes fd,
   closing it on failure too. 0 or a negative errno. settings outlive it, or are
   NULL. */
int stream_open(int fd, const struct settings_guard *settings,
    struct bevhost_stream **stream) BEVHOST_MUST_CHECK;

/* A task has stopped waiting on it: the last one frees a stream that is closed.
   For stream.c. */
void stream_leave(struct bevhost_stream *stream);

#endif
