/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of the clients. */
#include "load_options.h"

#include <arpa/inet.h>
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* HOST:PORT or unix:PATH */
static void
load_options_address(struct load_options *options, const char *text)
{
	char host[64];
	int port;

	if (strncmp(text, "unix:", 5) == 0) {
		options->server.un.sun_family = AF_UNIX;
		snprintf(options->server.un.sun_path,
		    sizeof(options->server.un.sun_path), "%s", text + 5);
		options->server_len = sizeof(options->server.un);
		return;
	}
	if (sscanf(text, "%63[0-9.]:%d", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &options->server.in.sin_addr) != 1)
		errx(64, "%s: no address", text);
	options->server.in.sin_family = AF_INET;
	options->server.in.sin_port = htons((uint16_t)port);
	options->server_len = sizeof(options->server.in);
}

void
load_options_read(struct load_options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{ "connections", required_argument, NULL, 'c' },
		{ "rate", required_argument, NULL, 'r' },
		{ "size", required_argument, NULL, 's' },
		{ "duration", required_argument, NULL, 'd' },
		{ "failures", required_argument, NULL, 'f' },
		{ "pause", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 'S' },
		{ "keepalive", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	long *const numbers[] = { ['c'] = &options->connections,
		['r'] = &options->rate,
		['s'] = &options->size,
		['d'] = &options->duration_s,
		['f'] = &options->failures,
		['p'] = &options->pause_ms };
	int option;

	*options = (struct load_options){ .connections = 50,
		.rate = 300,
		.size = 4096,
		.failures = 10,
		.seed = 1 };
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == '?')
			exit(64);
		if (option == 'k')
			options->keepalive = 1;
		else if (option == 'S')
			options->seed = strtoull(optarg, NULL, 10) | 1;
		else
			*numbers[option] = atol(optarg);
	}
	if (optind != argc - 1 || options->connections < 1 ||
	    options->rate < 1 || options->size < 1 ||
	    options->size > LOAD_SIZE_MAX)
		errx(64, "usage: load [--connections=N] [--rate=N] [--size=N] "
			 "[--keepalive] [--pause=MS] [--duration=S] "
			 "[--failures=N] [--seed=N] ADDRESS");
	load_options_address(options, argv[optind]);
}
