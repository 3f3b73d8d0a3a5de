/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between processes of one host: whole, small and checked. */
#ifndef IPC_H
#define IPC_H

#include <stdint.h>

#include <bevhost/base.h>

#define IPC_TEXT_SIZE 1024 /* with the '\0' */
#define IPC_NUMBERS   2

enum ipc_type {
	/* From a worker */
	IPC_SAY = 1, /* text: a line of its log, while it starts */
	IPC_READY,   /* it could serve */

	/* From a worker that has loaded a plugin, and to those after it */
	IPC_CODE, /* descriptor, number, text: of a handler its plugin's file,
		     and where that was found */

	/* To a worker */
	IPC_SERVE,   /* accept */
	IPC_LEAVING, /* text: this address goes away when you retire */
	IPC_RETIRE,  /* numbers: finish within ms; the successor serves */
	IPC_DRAIN,   /* numbers: finish within ms, which closes in ms */
	IPC_STOP,    /* now */
	IPC_REOPEN,  /* descriptor: the log */
	IPC_PAUSE,   /* number: accept no more for this handler */
	IPC_LEND, /* descriptor, number: accept from it too, for this handler */
	IPC_SHARE, /* descriptor, number: give it so many of a hundred;
		      without a descriptor: no more */
	IPC_TAKE,  /* descriptor: take what comes from there */

	/* Between a worker and one of the next generation */
	IPC_OFFER, /* text: the address of a listener of the next */
	IPC_CONN,  /* descriptor, text: accepted at this address */

	/* Between bevhost --reload and a master */
	IPC_RELOAD,
	IPC_ANSWER, /* number: exit status; text */

	/* As IPC_OFFER; last, since others have their numbers */
	IPC_TAKEN, /* text: a connection from this address has a place there */

	IPC_TYPES
};

struct ipc_message {
	enum ipc_type type;
	int64_t numbers[IPC_NUMBERS];
	char text[IPC_TEXT_SIZE]; /* "" when there is none */
	int fd;			  /* the receiver's to close, or -1 */
};

/* Both ends non-blocking and close-on-exec. 0, or -1 with errno. */
int ipc_pair(int fds[2]) BEVHOST_MUST_CHECK;

/*
 * Sends a copy of what is in message, and of its descriptor. 0 or a negative
 * errno: -EAGAIN when the other side does not read, -EPIPE when it has gone.
 */
int ipc_send(int fd, const struct ipc_message *message) BEVHOST_MUST_CHECK;

/*
 * 1 and a message, 0 at the end, or a negative errno: -EAGAIN for nothing
 * there, -EPROTO for what no ipc_send() of this version has sent.
 */
int ipc_receive(int fd, struct ipc_message *message) BEVHOST_MUST_CHECK;

#endif
