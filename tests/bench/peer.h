/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the servers that bevhost is compared with have in common: the command
 * line `PROGRAM MODE PORT`, the limits, SIGTERM and the line that tells the
 * port.  Nothing here runs once a server is serving.
 */

#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <netinet/in.h>

#define PEER_GREETING	    "Hello World!"
#define PEER_GREETING_BYTES (sizeof(PEER_GREETING) - 1)
#define PEER_BACKLOG	    4096

enum peer_mode {
	PEER_MODE_GREETING, /* answers each chunk with PEER_GREETING */
	PEER_MODE_ECHO,	    /* answers each chunk with itself */
	PEER_MODE_CHAT	    /* of bench_chat_epoll alone */
};

/*
 * Reads the command line and sets up the process: as many files as the hard
 * limit allows, no SIGPIPE, SIGTERM exits with 0.  Fills in the mode and the
 * loopback address to listen on.  Exits with a message when it can't.
 */
void peer_init(
    int argc, char **argv, enum peer_mode *mode, struct sockaddr_in *address);

/* Prints the port that the listening socket has got, on a line of its own. */
void peer_announce(int listener_fd);

#endif
