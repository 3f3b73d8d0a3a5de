/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a target is told of the client before the client's first byte: the
 * PROXY protocol of HAProxy (proxy-protocol.txt), version 1 or 2.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <bevhost/peer.h>

#define PROXY_V2_LOCAL	  0x20
#define PROXY_V2_PROXY	  0x21
#define PROXY_V2_INET	  0x11
#define PROXY_V2_INET6	  0x21
#define PROXY_V2_NO_ADDRS 0x00

union proxy_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

/* Of the client, and what it had connected to. Families are those of both. */
struct proxy_ends {
	int family; /* AF_UNSPEC: unknown, as of unix sockets */
	unsigned char source[16], target[16];
	unsigned source_port, target_port;
};

/* Into 16 bytes, an IPv4 address as RFC 4291 maps it. Returns the family. */
static int
proxy_addr_take(
    const union proxy_addr *addr, unsigned char bytes[16], unsigned *port)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (addr->sa.sa_family == AF_INET) {
		memcpy(bytes, mapped, sizeof(mapped));
		memcpy(bytes + 12, &addr->in.sin_addr, 4);
		*port = ntohs(addr->in.sin_port);
		return AF_INET;
	}
	if (addr->sa.sa_family != AF_INET6)
		return AF_UNSPEC;
	memcpy(bytes, &addr->in6.sin6_addr, 16);
	*port = ntohs(addr->in6.sin6_port);
	return AF_INET6;
}

/* Where the client had connected to: a header before us may know. */
static int
proxy_find_destination(const struct bevhost_conn *conn, union proxy_addr *addr)
{
	socklen_t len;
	const struct sockaddr *sa = bevhost_conn_proxy_destination(conn, &len);

	if (sa == NULL)
		return bevhost_conn_local(conn, &addr->storage) < 0 ? -1 : 0;
	if (len > sizeof(*addr))
		return -1;
	memcpy(addr, sa, len);
	return 0;
}

static void
proxy_find_ends(const struct bevhost_conn *conn, struct proxy_ends *ends)
{
	union proxy_addr addr;
	socklen_t len;
	const struct sockaddr *sa = bevhost_conn_client(conn, &len);
	int source, target;

	ends->family = AF_UNSPEC;
	if (len > sizeof(addr))
		return;
	memset(&addr, 0, sizeof(addr));
	memcpy(&addr, sa, len);
	source = proxy_addr_take(&addr, ends->source, &ends->source_port);
	memset(&addr, 0, sizeof(addr));
	if (proxy_find_destination(conn, &addr) < 0)
		return;
	target = proxy_addr_take(&addr, ends->target, &ends->target_port);
	if (source == AF_UNSPEC || target == AF_UNSPEC)
		return;
	ends->family =
	    source == AF_INET && target == AF_INET ? AF_INET : AF_INET6;
}

static size_t
proxy_write_v1(const struct proxy_ends *ends, char *buf, size_t size)
{
	char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
	size_t skip = ends->family == AF_INET ? 12 : 0;

	if (ends->family == AF_UNSPEC)
		return (size_t)snprintf(buf, size, "PROXY UNKNOWN\r\n");
	inet_ntop(ends->family, ends->source + skip, source, sizeof(source));
	inet_ntop(ends->family, ends->target + skip, target, sizeof(target));
	return (size_t)snprintf(buf, size, "PROXY TCP%c %s %s %u %u\r\n",
	    ends->family == AF_INET ? '4' : '6', source, target,
	    ends->source_port, ends->target_port);
}

static unsigned char *
proxy_put(unsigned char *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

static unsigned char *
proxy_put_port(unsigned char *at, unsigned port)
{
	*at++ = (unsigned char)(port >> 8);
	*at++ = (unsigned char)port;
	return at;
}

static size_t
proxy_write_v2(const struct proxy_ends *ends, int local, unsigned char *buf)
{
	size_t skip = ends->family == AF_INET ? 12 : 0;
	size_t len = ends->family == AF_UNSPEC ? 0 : 2 * (16 - skip) + 4;
	unsigned char *at = proxy_put(buf, "\r\n\r\n\0\r\nQUIT\n", 12);

	*at++ = local ? PROXY_V2_LOCAL : PROXY_V2_PROXY;
	*at++ = ends->family == AF_INET	   ? PROXY_V2_INET
		: ends->family == AF_INET6 ? PROXY_V2_INET6
					   : PROXY_V2_NO_ADDRS;
	at = proxy_put_port(at, (unsigned)len);
	if (ends->family == AF_UNSPEC)
		return (size_t)(at - buf);
	at = proxy_put(at, ends->source + skip, 16 - skip);
	at = proxy_put(at, ends->target + skip, 16 - skip);
	at = proxy_put_port(at, ends->source_port);
	return (size_t)(proxy_put_port(at, ends->target_port) - buf);
}

size_t
proxy_header(const struct proxy *proxy, const struct bevhost_conn *conn,
    unsigned char buf[PROXY_HEADER_MAX])
{
	struct proxy_ends ends = { .family = AF_UNSPEC };

	if (proxy->send == PROXY_SEND_OFF)
		return 0;
	if (conn != NULL)
		proxy_find_ends(conn, &ends);
	if (proxy->send == PROXY_SEND_V1)
		return proxy_write_v1(&ends, (char *)buf, PROXY_HEADER_MAX);
	return proxy_write_v2(&ends, conn == NULL, buf);
}
