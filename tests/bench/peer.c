/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The start of every server that bevhost is compared with, from the command
 * line to the line that tells the port.
 */

#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

static void
peer_on_sigterm(int signal_number)
{
	(void)signal_number;

	/* Nothing is worth a check in the loop: the kernel closes it all. */
	_exit(0);
}

static void
peer_raise_files_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "setrlimit");
}

static void
peer_set_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_handler = peer_on_sigterm;
	if (sigaction(SIGTERM, &action, NULL) != 0)
		err(1, "sigaction");
	action.sa_handler = SIG_IGN;
	if (sigaction(SIGPIPE, &action, NULL) != 0)
		err(1, "sigaction");
}

static in_port_t
peer_parse_port(const char *text)
{
	char *end;
	long port;

	port = strtol(text, &end, 10);
	if (end == text || *end != '\0' || port < 0 || port > 65535)
		errx(1, "not a port: %s", text);
	return htons((uint16_t)port);
}

void
peer_init(
    int argc, char **argv, enum peer_mode *mode, struct sockaddr_in *address)
{
	if (argc != 3)
		errx(1, "usage: %s greeting|echo|chat PORT", argv[0]);
	if (strcmp(argv[1], "greeting") == 0)
		*mode = PEER_MODE_GREETING;
	else if (strcmp(argv[1], "echo") == 0)
		*mode = PEER_MODE_ECHO;
	else if (strcmp(argv[1], "chat") == 0)
		*mode = PEER_MODE_CHAT;
	else
		errx(1, "not a mode: %s", argv[1]);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address->sin_port = peer_parse_port(argv[2]);

	peer_raise_files_limit();
	peer_set_signals();
}

void
peer_announce(int listener_fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	if (getsockname(listener_fd, (struct sockaddr *)&address, &size) != 0)
		err(1, "getsockname");
	if (printf("%u\n", (unsigned int)ntohs(address.sin_port)) < 0 ||
	    fflush(stdout) != 0)
		err(1, "cannot print the port");
}
