/* SPDX-License-Identifier: BSD-2-Clause */
/* The endpoints of a test, and what is asked of them. */
#ifndef ENDPOINT_FIXTURE_H
#define ENDPOINT_FIXTURE_H

#include "endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>

static struct endpoints endpoints;

static void
done(struct endpoint *endpoint)
{
	endpoint_release(&endpoints, endpoint);
}

static int
number(void)
{
	const struct endpoint *endpoint;
	int count = 0;

	TAILQ_FOREACH (endpoint, &endpoints, entry)
		count++;
	return count;
}

static unsigned
port_of(const struct endpoint *endpoint)
{
	return ntohs(endpoint->socks[0].bound.u.in.sin_port);
}

static char *
text_with(const char *host, unsigned port)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s:%u", host, port);
	return text;
}

#endif
