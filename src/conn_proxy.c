/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is at the other end: the peer of the socket, and the client for whom it
 * speaks by its PROXY header.
 */
#include "conn_proxy.h"

#include "addr.h"
#include "conn.h"
#include "proxyhdr.h"

void
conn_set_proxy(struct bevhost_conn *conn, struct proxyhdr *header)
{
	proxyhdr_free(conn->proxy);
	conn->proxy = header;
}

const struct proxyhdr *
conn_proxy(const struct bevhost_conn *conn)
{
	return conn->proxy;
}

const struct sockaddr *
conn_peer(const struct bevhost_conn *conn, socklen_t *len)
{
	if (len != NULL) {
		switch (conn->peer.sa.sa_family) {
		case AF_INET:
			*len = sizeof(conn->peer.in);
			break;
		case AF_INET6:
			*len = sizeof(conn->peer.in6);
			break;
		default:
			*len = sizeof(conn->peer.sa.sa_family);
		}
	}
	return &conn->peer.sa;
}

const struct sockaddr *
conn_client(const struct bevhost_conn *conn, socklen_t *len)
{
	if (conn->proxy == NULL || conn->proxy->client.len == 0)
		return conn_peer(conn, len);
	if (len != NULL)
		*len = conn->proxy->client.len;
	return &conn->proxy->client.u.sa;
}

char *
conn_client_text(const struct bevhost_conn *conn, char *buf, size_t size)
{
	socklen_t len;
	const struct sockaddr *client = conn_client(conn, &len);

	return addr_text(client, len, buf, size);
}
