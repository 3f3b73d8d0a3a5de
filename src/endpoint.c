/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each address of the settings is looked for among the sockets that there are,
 * by where it is bound: another spelling of it keeps its sockets and those who
 * wait in them. A port 0 is known by its text, and keeps its port.
 */
#include "endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "log.h"
#include "sock_bind.h"

#define ENDPOINT_PARTS 16 /* addresses of one name */

static int
endpoint_no_memory(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "%m");
	return -EX_OSERR;
}

static void
endpoint_free(struct endpoints *endpoints, struct endpoint *endpoint)
{
	int i;

	/* Workers may not have taken all that wait. */
	for (i = 0; i < endpoint->count && !endpoint->shared; i++)
		sock_seal(&endpoint->socks[i]);
	/* Clones first: the file of a unix socket is the first one's. */
	while (endpoint->count > 0)
		sock_close(&endpoint->socks[--endpoint->count]);
	TAILQ_REMOVE(endpoints, endpoint, entry);
	free(endpoint->socks);
	free(endpoint->text);
	free(endpoint);
}

struct endpoint *
endpoint_adopt(struct endpoints *endpoints, const char *text, int occurrence,
    int part, int shared, int listening, const struct sock *socks, int count)
{
	struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
	size_t size = (size_t)count * sizeof(*socks);

	if (endpoint == NULL)
		return NULL;
	endpoint->text = strdup(text);
	endpoint->socks = malloc(size);
	if (endpoint->text == NULL || endpoint->socks == NULL) {
		free(endpoint->text);
		free(endpoint->socks);
		free(endpoint);
		return NULL;
	}
	memcpy(endpoint->socks, socks, size);
	endpoint->occurrence = occurrence;
	endpoint->part = part;
	endpoint->shared = shared;
	endpoint->listening = listening;
	endpoint->count = count;
	endpoint->mode = -1;
	TAILQ_INSERT_TAIL(endpoints, endpoint, entry);
	return endpoint;
}

void
endpoint_begin(struct endpoints *endpoints)
{
	struct endpoint *endpoint;

	TAILQ_FOREACH (endpoint, endpoints, entry)
		endpoint->claimed = 0;
}

/* Looking for what there is */

static struct endpoint *
endpoint_find_text(struct endpoints *endpoints, const char *text)
{
	struct endpoint *endpoint;

	TAILQ_FOREACH (endpoint, endpoints, entry)
		if (strcmp(endpoint->text, text) == 0)
			return endpoint;
	return NULL;
}

static in_port_t
endpoint_port(const struct addr *addr)
{
	switch (addr->u.sa.sa_family) {
	case AF_INET:
		return addr->u.in.sin_port;
	case AF_INET6:
		return addr->u.in6.sin6_port;
	default:
		return 0;
	}
}

static int
endpoint_same_addr(const struct addr *one, const struct addr *two)
{
	char text_one[ADDR_TEXT_SIZE], text_two[ADDR_TEXT_SIZE];

	if (one->u.sa.sa_family != two->u.sa.sa_family)
		return 0;
	addr_text(&one->u.sa, one->len, text_one, sizeof(text_one));
	addr_text(&two->u.sa, two->len, text_two, sizeof(text_two));
	return strcmp(text_one, text_two) == 0;
}

/* Somebody may have removed the file of a unix socket, or put another there. */
static int
endpoint_can_be_reached(const struct endpoint *endpoint)
{
	const struct sock *sock = &endpoint->socks[0];

	return !sock->unlink || sock_has_file(sock);
}

/* A port 0 is no place. */
static struct endpoint *
endpoint_find_bound(struct endpoints *endpoints, const struct addr *addr)
{
	struct endpoint *endpoint;

	if (addr->u.sa.sa_family != AF_UNIX && endpoint_port(addr) == 0)
		return NULL;
	TAILQ_FOREACH (endpoint, endpoints, entry)
		if (endpoint_same_addr(&endpoint->socks[0].bound, addr) &&
		    endpoint_can_be_reached(endpoint))
			return endpoint;
	return NULL;
}

/* A name may have other addresses than before, or the same ones in another
   order: which of them it is says the address, not the place in the list. */
static struct endpoint *
endpoint_find_any_port(struct endpoints *endpoints, const char *text,
    int occurrence, const struct addr *addr)
{
	struct endpoint *endpoint;
	struct addr bound;

	TAILQ_FOREACH (endpoint, endpoints, entry) {
		bound = endpoint->socks[0].bound;
		if (bound.u.sa.sa_family == AF_INET6)
			bound.u.in6.sin6_port = 0;
		else
			bound.u.in.sin_port = 0;
		/* Who names the port that it was given may have had it. */
		if (!endpoint->claimed && endpoint->occurrence == occurrence &&
		    strcmp(endpoint->text, text) == 0 &&
		    endpoint_same_addr(&bound, addr))
			return endpoint;
	}
	return NULL;
}

/* By the socket: it may have two descriptors, and an address two sockets. */
static struct endpoint *
endpoint_find_socket(struct endpoints *endpoints, int fd)
{
	struct endpoint *endpoint;
	struct stat one, two;

	if (fstat(fd, &one) < 0)
		return NULL;
	TAILQ_FOREACH (endpoint, endpoints, entry)
		if (fstat(endpoint->socks[0].fd, &two) == 0 &&
		    one.st_dev == two.st_dev && one.st_ino == two.st_ino)
			return endpoint;
	return NULL;
}

static int
endpoint_is_wildcard(const struct addr *addr)
{
	return addr->u.sa.sa_family == AF_INET6
		   ? IN6_IS_ADDR_UNSPECIFIED(&addr->u.in6.sin6_addr)
		   : addr->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
}

/* 0.0.0.0 and 127.0.0.1 may have the same port when both are ours. */
static int
endpoint_is_beside(const struct endpoints *endpoints, const struct addr *addr)
{
	const struct endpoint *endpoint;
	const struct addr *bound;

	if (endpoint_port(addr) == 0)
		return 0;
	TAILQ_FOREACH (endpoint, endpoints, entry) {
		bound = &endpoint->socks[0].bound;
		if (bound->u.sa.sa_family == addr->u.sa.sa_family &&
		    endpoint_port(bound) == endpoint_port(addr) &&
		    endpoint_is_wildcard(bound) != endpoint_is_wildcard(addr))
			return 1;
	}
	return 0;
}

/* Sockets */

/* A socket for each worker. Those that were not used after all stay. */
static int
endpoint_grow(struct endpoint *endpoint, int workers)
{
	struct sock *socks;
	int status;

	if (endpoint->shared || endpoint->count >= workers)
		return 0;
	socks = realloc(endpoint->socks, (size_t)workers * sizeof(*socks));
	if (socks == NULL)
		return endpoint_no_memory();
	endpoint->socks = socks;
	while (endpoint->count < workers) {
		status = sock_clone(&socks[0], &socks[endpoint->count]);
		if (status < 0)
			return status;
		endpoint->count++;
	}
	return 0;
}

/* What is used by nobody else is gone again when it cannot be used here. */
static int
endpoint_use(struct endpoints *endpoints, struct endpoint *endpoint, int mode,
    int workers)
{
	int status;

	if (endpoint->claimed) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "listener '%s' is given twice: do without one",
		    endpoint->text);
		return -EX_USAGE;
	}
	endpoint->claimed = 1;
	endpoint->mode = mode;
	status = endpoint_grow(endpoint, workers);
	if (status == 0)
		endpoint->users++;
	else if (endpoint->users == 0)
		endpoint_free(endpoints, endpoint);
	return status;
}

/* Binding */

/* The one address with its text, as if it had been written so. */
static int
endpoint_bind_addr(struct endpoints *endpoints,
    const struct settings_address *address, const struct addr *addr, int mode,
    struct sock *sock)
{
	struct sock_how how = {
		.mode = mode > 0 ? (mode_t)mode : 0,
		.beside = endpoint_is_beside(endpoints, addr),
	};

	return sock_bind_addr(addr, address->text, &how, sock);
}

static int
endpoint_add(struct endpoints *endpoints, const char *text, int occurrence,
    int part, struct sock *sock, struct endpoint **added)
{
	*added = endpoint_adopt(endpoints, text, occurrence, part,
	    sock_is_shared(sock), sock->inherited, sock, 1);
	if (*added != NULL)
		return 0;
	sock_close(sock);
	return endpoint_no_memory();
}

/* Takes sock. It may be had under another text already. */
static int
endpoint_want_fd(struct endpoints *endpoints, const char *text, int part,
    struct sock *sock, int mode, int workers, struct endpoint **found)
{
	int status = 0;

	*found = endpoint_find_socket(endpoints, sock->fd);
	if (*found == NULL)
		status = endpoint_add(endpoints, text, 0, part, sock, found);
	else if (sock->fd != (*found)->socks[0].fd)
		sock_close(sock);
	return status < 0 ? status
			  : endpoint_use(endpoints, *found, mode, workers);
}

/* Whatever was passed under a name, in its order. A number may mean another
   descriptor by now: it is what it was at first. */
static int
endpoint_want_fds(struct endpoints *endpoints,
    const struct settings_address *address, int mode, int workers,
    struct endpoint **found, int max)
{
	struct sock socks[ENDPOINT_PARTS];
	int count, i, status = 0, used = 0;

	found[0] = address->spec.fd >= 0
		       ? endpoint_find_text(endpoints, address->text)
		       : NULL;
	if (found[0] != NULL) {
		status = endpoint_use(endpoints, found[0], mode, workers);
		return status < 0 ? status : 1;
	}
	count = sock_bind_all(&address->spec, address->text, NULL, socks,
	    max < ENDPOINT_PARTS ? max : ENDPOINT_PARTS);
	if (count < 0)
		return count;
	for (i = 0; i < count && status == 0; i++) {
		status = endpoint_want_fd(endpoints, address->text, i,
		    &socks[i], mode, workers, &found[used]);
		used += status == 0;
	}
	if (status == 0)
		return used;
	for (; i < count; i++)
		sock_close(&socks[i]);
	while (used > 0)
		endpoint_release(endpoints, found[--used]);
	return status;
}

/* One of the addresses of a name. */
static int
endpoint_want_addr(struct endpoints *endpoints,
    const struct settings_address *address, int occurrence, int part,
    const struct addr *addr, int mode, int workers, struct endpoint **found)
{
	struct sock sock;
	int status;

	*found = endpoint_find_bound(endpoints, addr);
	if (*found == NULL && address->spec.kind == ADDR_INET &&
	    address->spec.port == 0)
		*found = endpoint_find_any_port(
		    endpoints, address->text, occurrence, addr);
	if (*found == NULL) {
		status =
		    endpoint_bind_addr(endpoints, address, addr, mode, &sock);
		if (status < 0)
			return status;
		status = endpoint_add(
		    endpoints, address->text, occurrence, part, &sock, found);
		if (status < 0)
			return status;
	}
	return endpoint_use(endpoints, *found, mode, workers);
}

int
endpoint_want(struct endpoints *endpoints,
    const struct settings_address *address, int occurrence, int mode,
    int workers, struct endpoint **found, int max)
{
	struct addr addrs[ENDPOINT_PARTS];
	int count, i, status = 0;

	if (address->spec.kind == ADDR_FD)
		return endpoint_want_fds(
		    endpoints, address, mode, workers, found, max);
	count = sock_resolve(&address->spec, address->text, addrs,
	    max < ENDPOINT_PARTS ? max : ENDPOINT_PARTS);
	if (count < 0)
		return count;
	for (i = 0; i < count && status == 0; i++)
		status = endpoint_want_addr(endpoints, address, occurrence, i,
		    &addrs[i], mode, workers, &found[i]);
	if (status == 0)
		return count;
	/* The last one is not ours. */
	for (i--; i > 0; i--)
		endpoint_release(endpoints, found[i - 1]);
	return status;
}

static int
endpoint_set_mode(const struct endpoint *endpoint)
{
	const struct sock *sock = &endpoint->socks[0];

	if (endpoint->mode < 0 || !sock->unlink || !sock_has_file(sock) ||
	    chmod(sock->bound.u.un.sun_path, (mode_t)endpoint->mode) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "mode of '%s': %m", endpoint->text);
	return -EX_NOPERM;
}

int
endpoint_listen(struct endpoint *endpoint)
{
	int status = endpoint_set_mode(endpoint);

	if (status < 0)
		return status;
	while (endpoint->listening < endpoint->count) {
		status = sock_listen(&endpoint->socks[endpoint->listening]);
		if (status < 0)
			return status;
		endpoint->listening++;
	}
	return 0;
}

void
endpoint_release(struct endpoints *endpoints, struct endpoint *endpoint)
{
	if (--endpoint->users == 0)
		endpoint_free(endpoints, endpoint);
}
