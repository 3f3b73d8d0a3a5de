/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * With TCP_USER_TIMEOUT the kernel no longer counts its probes: it gives up
 * when one of them is due and the time has passed. So there are two, and what
 * is between them is long enough that the second one meets the time.
 */
#include "sock_keepalive.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

#define SOCK_KEEPALIVE_PROBES 2
#define SOCK_KEEPALIVE_MAX_S  32767 /* the kernel's */

static int
sock_keepalive_seconds(int64_t ms)
{
	int64_t seconds = ms / 1000 + (ms % 1000 != 0);

	if (seconds < 1)
		return 1;
	return seconds < SOCK_KEEPALIVE_MAX_S ? (int)seconds
					      : SOCK_KEEPALIVE_MAX_S;
}

static int
sock_keepalive_is_tcp(int fd)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == IPPROTO_TCP;
}

int
sock_keepalive_set(int fd, int64_t keepalive_ms, int64_t user_timeout_ms)
{
	int64_t between_ms = keepalive_ms / SOCK_KEEPALIVE_PROBES;
	int user_timeout =
	    user_timeout_ms < INT_MAX ? (int)user_timeout_ms : INT_MAX;
	struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout },
		{ SOL_SOCKET, SO_KEEPALIVE, keepalive_ms > 0 },
		{ IPPROTO_TCP, TCP_KEEPCNT, SOCK_KEEPALIVE_PROBES },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 0 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 0 },
	};
	size_t i, count = keepalive_ms > 0 ? 5 : 2;

	if (!sock_keepalive_is_tcp(fd))
		return 0;
	if (user_timeout_ms - keepalive_ms > SOCK_KEEPALIVE_PROBES * between_ms)
		between_ms =
		    (user_timeout_ms - keepalive_ms) / SOCK_KEEPALIVE_PROBES;
	options[3].value = sock_keepalive_seconds(keepalive_ms);
	options[4].value = sock_keepalive_seconds(between_ms);
	for (i = 0; i < count; i++)
		if (setsockopt(fd, options[i].level, options[i].name,
			&options[i].value, sizeof(int)) < 0)
			return -errno;
	return 0;
}
