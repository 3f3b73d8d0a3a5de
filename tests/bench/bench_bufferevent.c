/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A plain libevent server, as its manual teaches it: an evconnlistener and a
 * bufferevent for each connection.
 */

#include <sys/socket.h>

#include <netinet/tcp.h>

#include <err.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "peer.h"

static enum peer_mode mode;

static void
connection_on_read(struct bufferevent *connection, void *argument)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	int result;

	(void)argument;
	if (mode == PEER_MODE_GREETING) {
		evbuffer_drain(input, evbuffer_get_length(input));
		result = bufferevent_write(
		    connection, PEER_GREETING, PEER_GREETING_BYTES);
	} else
		result = bufferevent_write_buffer(connection, input);
	if (result != 0)
		bufferevent_free(connection);
}

static void
connection_on_event(
    struct bufferevent *connection, short events, void *argument)
{
	(void)argument;
	if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		bufferevent_free(connection);
}

static void
listener_on_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int address_size, void *argument)
{
	struct event_base *base = evconnlistener_get_base(listener);
	struct bufferevent *connection;

	(void)address;
	(void)address_size;
	(void)argument;
	connection = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (connection == NULL) {
		evutil_closesocket(fd);
		return;
	}
	bufferevent_setcb(
	    connection, connection_on_read, NULL, connection_on_event, NULL);
	if (bufferevent_enable(connection, EV_READ | EV_WRITE) != 0)
		bufferevent_free(connection);
}

static void
listener_on_error(struct evconnlistener *listener, void *argument)
{
	(void)listener;
	(void)argument;
	err(1, "accept");
}

int
main(int argc, char **argv)
{
	struct event_base *base;
	struct evconnlistener *listener;
	struct sockaddr_in address;
	const int on = 1;

	peer_init(argc, argv, &mode, &address);
	base = event_base_new();
	if (base == NULL)
		errx(1, "event_base_new");
	listener = evconnlistener_new_bind(base, listener_on_accept, NULL,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
	    PEER_BACKLOG, (struct sockaddr *)&address, sizeof(address));
	if (listener == NULL)
		err(1, "evconnlistener_new_bind");
	evconnlistener_set_error_cb(listener, listener_on_error);
	/* Accepted sockets inherit it, as in the epoll loop. */
	if (setsockopt(evconnlistener_get_fd(listener), IPPROTO_TCP,
		TCP_NODELAY, &on, sizeof(on)) != 0)
		err(1, "TCP_NODELAY");
	peer_announce(evconnlistener_get_fd(listener));

	if (event_base_dispatch(base) != 0)
		errx(1, "event_base_dispatch");
	evconnlistener_free(listener);
	event_base_free(base);
	return 0;
}
