/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The hand-written epoll loop: what one would write who needs this server
 * alone and wants it fast.  Every other figure is a ratio to this one, so it
 * spends nothing that it can do without: one read into a buffer which all
 * connections share, one write from there, and no third system call unless
 * the socket did not take everything.
 *
 * While a connection has output left over nothing more is read from it, so a
 * peer which does not read costs one buffer at most.
 */

#include <sys/epoll.h>
#include <sys/socket.h>

#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#define BUFFER_BYTES	65536
#define ACCEPT_PAUSE_MS 100

/* So few that what epoll_wait() touched is still in the cache when read. */
#define EVENTS_MAX 64

/* Output that the socket did not take. */
struct pending {
	size_t size_bytes;
	size_t offset_bytes;
	char bytes[];
};

struct connection {
	struct pending *pending; /* NULL nearly always */
	int fd;
};

static char shared_buffer[BUFFER_BYTES];
static enum peer_mode mode;
static int epoll_fd;
static int listener_fd;
static bool accept_paused;

static void
listener_wait_for(uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data.ptr = NULL,
	};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, listener_fd, &event) != 0)
		err(1, "epoll_ctl");
	accept_paused = events == 0;
}

static void
connection_close(struct connection *connection)
{
	/* The last descriptor of a socket takes it out of the epoll set. */
	close(connection->fd);
	free(connection->pending);
	free(connection);
	if (accept_paused)
		listener_wait_for(EPOLLIN);
}

static int
connection_wait_for(struct connection *connection, uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data.ptr = connection,
	};

	return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

/* Returns how much was sent, 0 when the socket is full, or -1. */
static ssize_t
connection_send(
    struct connection *connection, const char *bytes, size_t size_bytes)
{
	ssize_t sent_bytes;

	do {
		sent_bytes =
		    send(connection->fd, bytes, size_bytes, MSG_NOSIGNAL);
	} while (sent_bytes < 0 && errno == EINTR);
	if (sent_bytes < 0 && errno == EAGAIN)
		return 0;
	return sent_bytes;
}

static int
connection_keep(
    struct connection *connection, const char *bytes, size_t size_bytes)
{
	struct pending *pending;

	pending = malloc(sizeof(*pending) + size_bytes);
	if (pending == NULL)
		return -1;
	pending->size_bytes = size_bytes;
	pending->offset_bytes = 0;
	memcpy(pending->bytes, bytes, size_bytes);
	connection->pending = pending;
	return connection_wait_for(connection, EPOLLOUT);
}

static int
connection_reply(
    struct connection *connection, const char *bytes, size_t size_bytes)
{
	ssize_t sent_bytes;

	sent_bytes = connection_send(connection, bytes, size_bytes);
	if (sent_bytes == (ssize_t)size_bytes)
		return 0;
	if (sent_bytes < 0)
		return -1;
	return connection_keep(
	    connection, bytes + sent_bytes, size_bytes - (size_t)sent_bytes);
}

static void
connection_on_readable(struct connection *connection)
{
	ssize_t received_bytes;
	int result;

	received_bytes =
	    recv(connection->fd, shared_buffer, sizeof(shared_buffer), 0);
	if (received_bytes <= 0) {
		if (received_bytes < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		connection_close(connection);
		return;
	}
	if (mode == PEER_MODE_GREETING)
		result = connection_reply(
		    connection, PEER_GREETING, PEER_GREETING_BYTES);
	else
		result = connection_reply(
		    connection, shared_buffer, (size_t)received_bytes);
	if (result != 0)
		connection_close(connection);
}

static void
connection_on_writable(struct connection *connection)
{
	struct pending *pending = connection->pending;
	ssize_t sent_bytes;

	sent_bytes =
	    connection_send(connection, pending->bytes + pending->offset_bytes,
		pending->size_bytes - pending->offset_bytes);
	if (sent_bytes < 0) {
		connection_close(connection);
		return;
	}
	pending->offset_bytes += (size_t)sent_bytes;
	if (pending->offset_bytes < pending->size_bytes)
		return;
	free(pending);
	connection->pending = NULL;
	if (connection_wait_for(connection, EPOLLIN) != 0)
		connection_close(connection);
}

/* Takes fd, closing it on failure too. */
static void
connection_new(int fd)
{
	struct connection *connection;
	struct epoll_event event;

	connection = malloc(sizeof(*connection));
	if (connection == NULL) {
		close(fd);
		return;
	}
	connection->pending = NULL;
	connection->fd = fd;
	event.events = EPOLLIN;
	event.data.ptr = connection;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		connection_close(connection);
}

static void
listener_on_readable(void)
{
	int fd;

	for (;;) {
		fd = accept4(
		    listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			connection_new(fd);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			/* It stays readable: don't spin until one is closed. */
			listener_wait_for(0);
			return;
		case EBADF:
		case EINVAL:
		case ENOTSOCK:
			err(1, "accept4");
		default:
			/* A connection that failed before it was accepted. */
			continue;
		}
	}
}

static void
listener_start(const struct sockaddr_in *address)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.ptr = NULL,
	};
	const int on = 1;

	listener_fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener_fd < 0)
		err(1, "socket");
	if (setsockopt(
		listener_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		err(1, "SO_REUSEADDR");
	/* Accepted sockets inherit it: no call for each of them. */
	if (setsockopt(
		listener_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		err(1, "TCP_NODELAY");
	if (bind(listener_fd, (const struct sockaddr *)address,
		sizeof(*address)) != 0)
		err(1, "bind");
	if (listen(listener_fd, PEER_BACKLOG) != 0)
		err(1, "listen");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener_fd, &event) != 0)
		err(1, "epoll_ctl");
}

static void
on_event(const struct epoll_event *event)
{
	struct connection *connection = event->data.ptr;

	if (connection == NULL)
		listener_on_readable();
	else if (connection->pending == NULL)
		connection_on_readable(connection);
	else
		connection_on_writable(connection);
}

int
main(int argc, char **argv)
{
	static struct epoll_event events[EVENTS_MAX];
	struct sockaddr_in address;
	int count, i;

	peer_init(argc, argv, &mode, &address);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		err(1, "epoll_create1");
	listener_start(&address);
	peer_announce(listener_fd);

	for (;;) {
		count = epoll_wait(epoll_fd, events, EVENTS_MAX,
		    accept_paused ? ACCEPT_PAUSE_MS : -1);
		if (count < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (i = 0; i < count; i++)
			on_event(&events[i]);
		if (count == 0)
			listener_wait_for(EPOLLIN);
	}
}
