/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket on which a master is asked for a reload. */
#ifndef CONTROL_H
#define CONTROL_H

#include <sys/types.h>

#include <bevhost/base.h>

struct control_request;
struct event;
struct event_base;

#define CONTROL_CLIENTS_MAX 64

struct control {
	struct event_base *base;
	struct event *event; /* of the listening socket; NULL: there is none */
	struct event *pause; /* ends one in which nobody is accepted */
	uid_t uid;	     /* that may ask, as root may */
	char *path;
	dev_t device;
	ino_t inode;
	struct control_request *clients[CONTROL_CLIENTS_MAX];
	void (*on_request)(void *arg, struct control_request *request);
	void *arg;
};

/*
 * Listens; on_request is called for each reload that is asked for by root or by
 * the user that this process runs as, and must be answered. Returns 0, or -1
 * having logged why there is no such socket.
 */
int control_init(struct control *control, struct event_base *base,
    void (*on_request)(void *arg, struct control_request *request),
    void *arg) BEVHOST_MUST_CHECK;

/*
 * The same with the socket of the program before this one. Takes fd. Returns 0,
 * or -1 when it is none that can be found by this process's id; logs nothing.
 */
int control_adopt(struct control *control, struct event_base *base,
    void (*on_request)(void *arg, struct control_request *request), void *arg,
    int fd) BEVHOST_MUST_CHECK;

/* The listening socket, or -1. */
int control_fd(const struct control *control);

/* Once for each request, whether its client is still there or not. */
void control_answer(
    struct control_request *request, int exit_status, const char *text);

/* Removes the socket. Requests that were not answered must be before. */
void control_clear(struct control *control);

#endif
