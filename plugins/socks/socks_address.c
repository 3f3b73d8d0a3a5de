/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where clients may go: names become addresses here, and each address is
 * looked at before it is connected to. A name that points to this machine or
 * its networks is no way around that.
 */
#include "socks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

struct socks_net {
	unsigned char bytes[16];
	unsigned bits;
};

static const struct socks_net socks_private_v4[] = {
	{ { 0 }, 8 },	       /* this network */
	{ { 10 }, 8 },	       /* RFC 1918 */
	{ { 100, 64 }, 10 },   /* shared by a provider's customers */
	{ { 127 }, 8 },	       /* loopback */
	{ { 169, 254 }, 16 },  /* link-local */
	{ { 172, 16 }, 12 },   /* RFC 1918 */
	{ { 192, 0, 0 }, 24 }, /* protocol assignments */
	{ { 192, 168 }, 16 },  /* RFC 1918 */
	{ { 198, 18 }, 15 },   /* benchmarks */
	{ { 224 }, 3 },	       /* multicast, reserved, broadcast */
};

static const struct socks_net socks_private_v6[] = {
	{ { 0 }, 96 },			       /* unspecified, loopback */
	{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48 }, /* translation of one's own */
	{ { 0xfc }, 7 },		       /* unique local */
	{ { 0xfe, 0x80 }, 9 },		       /* link-local, site-local */
	{ { 0xff }, 8 },		       /* multicast */
};

/* Those that carry an IPv4 address, and where. */
static const struct socks_net socks_carriers[] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96 }, /* mapped */
	{ { 0, 0x64, 0xff, 0x9b }, 96 },		      /* NAT64 */
	{ { 0x20, 0x02 }, 16 },				      /* 6to4 */
};

static int
socks_net_has(const struct socks_net *net, const unsigned char *bytes)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (memcmp(net->bytes, bytes, whole) != 0)
		return 0;
	return rest == 0 ||
	       ((net->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

static int
socks_is_private_v4(const unsigned char *bytes)
{
	size_t i;

	for (i = 0; i < sizeof(socks_private_v4) / sizeof(struct socks_net);
	     i++)
		if (socks_net_has(&socks_private_v4[i], bytes))
			return 1;
	return 0;
}

static int
socks_is_private_v6(const unsigned char *bytes)
{
	size_t i;

	for (i = 0; i < sizeof(socks_private_v6) / sizeof(struct socks_net);
	     i++)
		if (socks_net_has(&socks_private_v6[i], bytes))
			return 1;
	for (i = 0; i < sizeof(socks_carriers) / sizeof(struct socks_net); i++)
		if (socks_net_has(&socks_carriers[i], bytes))
			return socks_is_private_v4(
			    bytes + socks_carriers[i].bits / 8);
	return 0;
}

int
socks_addr_is_private(const union socks_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return socks_is_private_v4(
		    (const unsigned char *)&addr->in.sin_addr);
	return socks_is_private_v6(addr->in6.sin6_addr.s6_addr);
}

void
socks_addr_set(union socks_addr *addr, int family, const void *bytes)
{
	memset(addr, 0, sizeof(*addr));
	addr->sa.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		memcpy(&addr->in.sin_addr, bytes, sizeof(struct in_addr));
	else
		memcpy(&addr->in6.sin6_addr, bytes, sizeof(struct in6_addr));
}

char *
socks_addr_text(const union socks_addr *addr, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (addr->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &addr->in.sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &addr->in6.sin6_addr, text, sizeof(text));
	if (addr->sa.sa_family == AF_INET6 && addr->in6.sin6_scope_id != 0)
		snprintf(buf, size, "%s%%%u", text, addr->in6.sin6_scope_id);
	else
		snprintf(buf, size, "%s", text);
	return buf;
}

static int
socks_resolve_error(int error)
{
	switch (error) {
	case EAI_SYSTEM:
		return errno != 0 ? -errno : -EIO;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_AGAIN:
		return -EHOSTUNREACH;
	default:
		return -ENOENT;
	}
}

int
socks_resolve(void *arg)
{
	struct socks_target *target = arg;
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *list, *info;
	int error = getaddrinfo(target->name, NULL, &hints, &list);

	if (error != 0)
		return socks_resolve_error(error);
	for (info = list; info != NULL && target->count < SOCKS_ADDRS_MAX;
	     info = info->ai_next)
		if (info->ai_addrlen <= sizeof(union socks_addr))
			memcpy(&target->addrs[target->count++], info->ai_addr,
			    info->ai_addrlen);
	freeaddrinfo(list);
	return target->count > 0 ? 0 : -ENOENT;
}
