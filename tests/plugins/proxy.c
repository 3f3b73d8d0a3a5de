/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says what it knows of client and peer when a connection opens, a line each,
 * then "ready"; and after that everything that it reads.
 */
#include <bevhost/plugin.h>

#include <bevhost/peer.h>

#include <arpa/inet.h>
#include <stdio.h>

#include <event2/buffer.h>

static void
proxy_say_address(
    struct evbuffer *output, const char *word, const struct sockaddr *address)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;
	char host[INET6_ADDRSTRLEN] = "?";

	if (address == NULL) {
		evbuffer_add_printf(output, "%s none\n", word);
	} else if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		evbuffer_add_printf(
		    output, "%s %s %u\n", word, host, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		evbuffer_add_printf(
		    output, "%s %s %u\n", word, host, ntohs(in6->sin6_port));
	} else {
		evbuffer_add_printf(
		    output, "%s family %u\n", word, address->sa_family);
	}
}

static void
proxy_say_tlv(
    struct evbuffer *output, const char *word, const struct bevhost_tlv *tlv)
{
	evbuffer_add_printf(output, "%s %02x ", word, tlv->type);
	evbuffer_add(output, tlv->value, tlv->len);
	evbuffer_add(output, "\n", 1);
}

static void
proxy_say_ssl(struct evbuffer *output, const struct bevhost_conn *conn)
{
	struct bevhost_tlv tlv;
	unsigned client, type;
	uint32_t verify;

	if (!bevhost_conn_proxy_ssl(conn, &client, &verify))
		return;
	evbuffer_add_printf(output, "ssl %u %u\n", client, verify);
	for (type = BEVHOST_PROXY_SSL_VERSION;
	     type <= BEVHOST_PROXY_SSL_KEY_ALG; type++)
		if (bevhost_conn_proxy_ssl_tlv(conn, type, &tlv))
			proxy_say_tlv(output, "ssl-tlv", &tlv);
}

static int
proxy_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct evbuffer *output = bufferevent_get_output(bev);
	char text[BEVHOST_ADDRESS_SIZE];
	struct bevhost_tlv tlv;
	size_t at = 0;

	(void)self;
	(void)state;
	evbuffer_add_printf(output, "text %s\n",
	    bevhost_conn_client_text(conn, text, sizeof(text)));
	proxy_say_address(output, "client", bevhost_conn_client(conn, NULL));
	proxy_say_address(output, "peer", bevhost_conn_peer(conn, NULL));
	evbuffer_add_printf(output, "version %d local %d\n",
	    bevhost_conn_proxy_version(conn),
	    bevhost_conn_proxy_is_local(conn));
	proxy_say_address(
	    output, "destination", bevhost_conn_proxy_destination(conn, NULL));
	while (bevhost_conn_proxy_next(conn, &at, &tlv))
		if (tlv.type != BEVHOST_PROXY_SSL)
			proxy_say_tlv(output, "tlv", &tlv);
	if (bevhost_conn_proxy_tlv(conn, BEVHOST_PROXY_AUTHORITY, &tlv))
		proxy_say_tlv(output, "authority", &tlv);
	proxy_say_ssl(output, conn);
	evbuffer_add(output, "ready\n", 6);
	return 0;
}

static void
proxy_read(struct bufferevent *bev, void *state)
{
	(void)state;
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static struct bevhost_plugin plugin = {
	.name = "proxy",
	.open = proxy_open,
	.read = proxy_read,
};
BEVHOST_PLUGIN(plugin)
