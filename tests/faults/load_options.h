/* SPDX-License-Identifier: BSD-2-Clause */
/* What the clients are to do. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/un.h>

#define LOAD_SIZE_MAX ((1 << 21) - 1)

struct load_options {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} server;
	socklen_t server_len;
	long connections; /* at a time */
	long rate;	  /* requests a second */
	long size;	  /* of a request at most, in bytes */
	long duration_s;  /* 0: until SIGTERM */
	long failures;	  /* that are printed */
	long pause_ms;	  /* between the halves of a request */
	int keepalive;
	uint64_t seed;
};

/* Exits when the command line is wrong. */
void load_options_read(struct load_options *options, int argc, char **argv);

#endif
