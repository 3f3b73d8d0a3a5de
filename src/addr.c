/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses as the command line writes them and as the log prints them. The
 * only wait is in getaddrinfo, before anything is served.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
addr_parse_number(const char *text, unsigned long max, unsigned long *number)
{
	char *end;

	if (!isdigit((unsigned char)text[0]) || strlen(text) > 10)
		return -1;
	*number = strtoul(text, &end, 10);
	return *end == '\0' && *number <= max ? 0 : -1;
}

static int
addr_parse_unix(const char *path, struct addr_spec *spec, const char **why)
{
	spec->kind = ADDR_UNIX;
	if (path[0] != '/' && path[0] != '@') {
		*why = "a unix address is unix:/PATH or unix:@NAME";
		return -1;
	}
	if (path[1] == '\0') {
		*why = "the unix path is empty";
		return -1;
	}
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		*why = "the unix path is longer than 107 bytes";
		return -1;
	}
	snprintf(spec->path, sizeof(spec->path), "%s", path);
	return 0;
}

/* No ':', which is between names where they are listed (sd_listen_fds(3)). */
static int
addr_parse_fd_name(const char *name, struct addr_spec *spec, const char **why)
{
	size_t len = strspn(name,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "_.@-");

	if (name[len] != '\0') {
		*why = "fd: a name has only letters, digits and _ . @ -";
		return -1;
	}
	if (len >= sizeof(spec->path)) {
		*why = "fd: the name is longer than 255 bytes";
		return -1;
	}
	spec->fd = -1;
	memcpy(spec->path, name, len + 1);
	return 0;
}

static int
addr_parse_fd(const char *text, struct addr_spec *spec, const char **why)
{
	unsigned long number;

	spec->kind = ADDR_FD;
	if (isalpha((unsigned char)text[0]))
		return addr_parse_fd_name(text, spec, why);
	if (addr_parse_number(text, 1u << 20, &number) < 0) {
		*why = "fd: needs the number of an open descriptor";
		return -1;
	}
	spec->fd = (int)number;
	return 0;
}

/* Splits HOST:PORT at the last colon, or after the bracket of [V6]:PORT. */
static int
addr_parse_inet(const char *text, struct addr_spec *spec, const char **why)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t host_len;
	unsigned long port;

	spec->kind = ADDR_INET;
	if (colon == NULL) {
		*why = "the port is missing (HOST:PORT)";
		return -1;
	}
	host_len = (size_t)(colon - text);
	if (host[0] == '[') {
		if (host_len < 2 || host[host_len - 1] != ']') {
			*why = "an IPv6 address is written [ADDRESS]:PORT";
			return -1;
		}
		host++;
		host_len -= 2;
		if (host_len == 0) {
			*why = "there is no address between [ and ]";
			return -1;
		}
	} else if (memchr(host, ':', host_len) != NULL) {
		*why = "an IPv6 address is written [ADDRESS]:PORT";
		return -1;
	}
	if (host_len >= sizeof(spec->host)) {
		*why = "the host name is too long";
		return -1;
	}
	if (addr_parse_number(colon + 1, 65535, &port) < 0) {
		*why = "the port is not a number from 0 to 65535";
		return -1;
	}
	memcpy(spec->host, host, host_len);
	spec->host[host_len] = '\0';
	spec->port = (unsigned)port;
	return 0;
}

int
addr_parse(const char *text, struct addr_spec *spec, const char **why)
{
	memset(spec, 0, sizeof(*spec));
	if (strncmp(text, "unix:", 5) == 0)
		return addr_parse_unix(text + 5, spec, why);
	if (strncmp(text, "fd:", 3) == 0)
		return addr_parse_fd(text + 3, spec, why);
	return addr_parse_inet(text, spec, why);
}

static int
addr_resolve_unix(const struct addr_spec *spec, struct addr *addr)
{
	size_t len = strlen(spec->path);

	memset(addr, 0, sizeof(*addr));
	addr->u.un.sun_family = AF_UNIX;
	memcpy(addr->u.un.sun_path, spec->path, len);
	if (spec->path[0] == '@') {
		addr->u.un.sun_path[0] = '\0';
		addr->len =
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	} else {
		addr->len = (socklen_t)sizeof(addr->u.un);
	}
	return 1;
}

/* /etc/hosts may have one twice: a second bind would fail. */
static int
addr_is_known(const struct addrinfo *ai, const struct addr *addrs, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (addrs[i].len == ai->ai_addrlen &&
		    memcmp(&addrs[i].u, ai->ai_addr, ai->ai_addrlen) == 0)
			return 1;
	return 0;
}

int
addr_resolve(
    const struct addr_spec *spec, struct addr *addrs, int max, const char **why)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *list, *ai;
	const char *host = spec->host[0] ? spec->host : "0.0.0.0";
	char port[16];
	int count = 0, error;

	if (spec->kind == ADDR_UNIX)
		return addr_resolve_unix(spec, addrs);
	snprintf(port, sizeof(port), "%u", spec->port);
	error = getaddrinfo(host, port, &hints, &list);
	if (error != 0) {
		*why =
		    error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
		return -1;
	}
	for (ai = list; ai != NULL && count < max; ai = ai->ai_next) {
		struct addr *addr = &addrs[count];

		if (ai->ai_addrlen > sizeof(addr->u) ||
		    addr_is_known(ai, addrs, count))
			continue;
		memcpy(&addr->u, ai->ai_addr, ai->ai_addrlen);
		addr->len = ai->ai_addrlen;
		count++;
	}
	freeaddrinfo(list);
	return count;
}

static char *
addr_text_unix(
    const struct sockaddr_un *un, socklen_t len, char *buf, size_t size)
{
	size_t start = offsetof(struct sockaddr_un, sun_path);
	int path_len = len > start ? (int)(len - start) : 0;

	if (path_len > 0 && un->sun_path[0] == '\0')
		snprintf(
		    buf, size, "unix:@%.*s", path_len - 1, un->sun_path + 1);
	else
		snprintf(buf, size, "unix:%.*s", path_len, un->sun_path);
	return buf;
}

char *
addr_text(const struct sockaddr *sa, socklen_t len, char *buf, size_t size)
{
	char host[NI_MAXHOST] = "?";
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	switch (sa->sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(buf, size, "%s:%u", host, ntohs(in->sin_port));
		break;
	case AF_INET6:
		/* With the zone of a link-local address. */
		getnameinfo(
		    sa, len, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
		snprintf(buf, size, "[%s]:%u", host, ntohs(in6->sin6_port));
		break;
	case AF_UNIX:
		return addr_text_unix((const void *)sa, len, buf, size);
	default:
		snprintf(buf, size, "unknown:%u", sa->sa_family);
	}
	return buf;
}
