/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptor that connects becomes one end of a pair. As with a network,
 * connecting takes one more turn of the loop.
 */
#include "rig_net.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RIG_NET_EXPORT __attribute__((visibility("default")))
#define RIG_NET_HOST   "192.0.2.1" /* RFC 5737: of nobody */

typedef int rig_net_getaddrinfo(const char *host, const char *port,
    const struct addrinfo *hints, struct addrinfo **list);

static int (*rig_net_on_connect)(int far, int near, int fd);
static pthread_t rig_net_thread; /* the loop's */

void
rig_net_start(int (*on_connect)(int far, int near, int fd))
{
	rig_net_on_connect = on_connect;
	rig_net_thread = pthread_self();
}

int
rig_net_pair(int fds[2])
{
	return socketpair(
	    AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
}

static int
rig_net_fail(int error)
{
	errno = error;
	return -1;
}

RIG_NET_EXPORT int
connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int pair[2], error, flags = fcntl(fd, F_GETFL);

	if (rig_net_on_connect == NULL || addr->sa_family == AF_UNSPEC)
		return (int)syscall(SYS_connect, fd, addr, len);
	/* Of jobs: a service of this machine that a library asks is no part of
	   the conversation, and of a network there is nothing. */
	if (!pthread_equal(rig_net_thread, pthread_self()))
		return addr->sa_family == AF_UNIX
			   ? (int)syscall(SYS_connect, fd, addr, len)
			   : rig_net_fail(ENETUNREACH);
	if (flags < 0 || rig_net_pair(pair) < 0)
		return -1;
	error = rig_net_on_connect(pair[1], pair[0], fd);
	if (error != 0) {
		close(pair[0]);
		close(pair[1]);
		return rig_net_fail(error);
	}
	if (!(flags & O_NONBLOCK))
		fcntl(pair[0], F_SETFL, 0);
	dup3(pair[0], fd, O_CLOEXEC);
	close(pair[0]);
	return flags & O_NONBLOCK ? rig_net_fail(EINPROGRESS) : 0;
}

/* A name that is no address is RIG_NET_HOST, but what ends in .invalid, of
   RFC 6761, is not there. */
RIG_NET_EXPORT int
getaddrinfo(const char *restrict host, const char *restrict port,
    const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
	void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
	rig_net_getaddrinfo *real;
	struct addrinfo numeric;
	size_t len = host != NULL ? strlen(host) : 0;
	int status;

	memcpy(&real, &symbol, sizeof(real));
	if (real == NULL)
		return EAI_FAIL;
	if (rig_net_on_connect == NULL || host == NULL)
		return real(host, port, hints, list);
	numeric = hints != NULL ? *hints : (struct addrinfo){ 0 };
	numeric.ai_flags &= ~AI_ADDRCONFIG;
	numeric.ai_flags |= AI_NUMERICHOST;
	status = real(host, port, &numeric, list);
	if (status != EAI_NONAME ||
	    (hints != NULL && (hints->ai_flags & AI_NUMERICHOST)))
		return status;
	if (len >= 8 && strcmp(host + len - 8, ".invalid") == 0)
		return EAI_NONAME;
	return real(RIG_NET_HOST, port, &numeric, list);
}
