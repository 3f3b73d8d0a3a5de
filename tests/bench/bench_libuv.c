/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An ordinary libuv server, as its guide teaches it: a uv_tcp_t for each
 * connection and a uv_write_t for each answer.
 */

#include <err.h>
#include <stdlib.h>

#include <uv.h>

#include "peer.h"

struct answer {
	uv_write_t request;
	char *bytes; /* of an echo, freed when it is written */
};

static enum peer_mode mode;

static void
connection_on_close(uv_handle_t *connection)
{
	free(connection);
}

static void
connection_close(uv_stream_t *connection)
{
	if (!uv_is_closing((uv_handle_t *)connection))
		uv_close((uv_handle_t *)connection, connection_on_close);
}

static void
connection_on_written(uv_write_t *request, int status)
{
	struct answer *answer = (struct answer *)request;

	if (status < 0)
		connection_close(request->handle);
	free(answer->bytes);
	free(answer);
}

static void
connection_on_allocate(
    uv_handle_t *connection, size_t suggested_bytes, uv_buf_t *buffer)
{
	static char drained[65536];

	(void)connection;
	if (mode == PEER_MODE_GREETING)
		*buffer = uv_buf_init(drained, sizeof(drained));
	else
		*buffer = uv_buf_init(
		    malloc(suggested_bytes), (unsigned int)suggested_bytes);
}

/* Takes bytes, which may be NULL. */
static int
connection_answer(uv_stream_t *connection, const uv_buf_t *buffer, char *bytes)
{
	struct answer *answer;
	int result;

	answer = malloc(sizeof(*answer));
	if (answer == NULL) {
		free(bytes);
		return UV_ENOMEM;
	}
	answer->bytes = bytes;
	result = uv_write(
	    &answer->request, connection, buffer, 1, connection_on_written);
	if (result != 0) {
		free(bytes);
		free(answer);
	}
	return result;
}

static void
connection_on_read(
    uv_stream_t *connection, ssize_t received_bytes, const uv_buf_t *buffer)
{
	static char greeting[] = PEER_GREETING;
	char *bytes = mode == PEER_MODE_ECHO ? buffer->base : NULL;
	uv_buf_t answer;
	int result;

	if (received_bytes <= 0) {
		free(bytes);
		if (received_bytes < 0)
			connection_close(connection);
		return;
	}
	if (mode == PEER_MODE_ECHO)
		answer = uv_buf_init(bytes, (unsigned int)received_bytes);
	else
		answer = uv_buf_init(greeting, PEER_GREETING_BYTES);
	result = connection_answer(connection, &answer, bytes);
	if (result != 0)
		connection_close(connection);
}

static void
listener_on_connection(uv_stream_t *listener, int status)
{
	uv_tcp_t *connection;

	if (status < 0)
		errx(1, "accept: %s", uv_strerror(status));
	connection = malloc(sizeof(*connection));
	if (connection == NULL)
		err(1, "malloc");
	if (uv_tcp_init(listener->loop, connection) != 0)
		errx(1, "uv_tcp_init");
	if (uv_accept(listener, (uv_stream_t *)connection) != 0 ||
	    uv_read_start((uv_stream_t *)connection, connection_on_allocate,
		connection_on_read) != 0)
		connection_close((uv_stream_t *)connection);
}

static void
check(int result, const char *what)
{
	if (result != 0)
		errx(1, "%s: %s", what, uv_strerror(result));
}

int
main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_tcp_t listener;
	struct sockaddr_in address;
	uv_os_fd_t listener_fd;

	peer_init(argc, argv, &mode, &address);
	check(uv_tcp_init(loop, &listener), "uv_tcp_init");
	check(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0),
	    "uv_tcp_bind");
	/* Accepted sockets inherit it, as in the epoll loop. */
	check(uv_tcp_nodelay(&listener, 1), "uv_tcp_nodelay");
	check(uv_listen((uv_stream_t *)&listener, PEER_BACKLOG,
		  listener_on_connection),
	    "uv_listen");
	check(uv_fileno((uv_handle_t *)&listener, &listener_fd), "uv_fileno");
	peer_announce(listener_fd);

	return uv_run(loop, UV_RUN_DEFAULT);
}
