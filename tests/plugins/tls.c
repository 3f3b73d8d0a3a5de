/* SPDX-License-Identifier: BSD-2-Clause */
/* Says what it knows of the TLS of a connection, a line each, then "ready". */
#include <bevhost/plugin.h>

#include <bevhost/peer.h>

#include <stdlib.h>

#include <event2/buffer.h>

static void
tls_say(struct evbuffer *output, const char *word, const char *text)
{
	evbuffer_add_printf(
	    output, "%s %s\n", word, text != NULL ? text : "none");
}

static int
tls_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct evbuffer *output = bufferevent_get_output(bev);
	char *subject = bevhost_conn_tls_subject(conn);
	size_t len, alpn_len;
	void *der = bevhost_conn_tls_certificate(conn, &len);
	const char *alpn = bevhost_conn_tls_alpn(conn, &alpn_len);

	(void)self;
	(void)state;
	tls_say(output, "version", bevhost_conn_tls_version(conn));
	tls_say(output, "cipher", bevhost_conn_tls_cipher(conn));
	tls_say(output, "sni", bevhost_conn_tls_sni(conn));
	evbuffer_add_printf(
	    output, "alpn %.*s\n", (int)alpn_len, alpn != NULL ? alpn : "");
	tls_say(output, "subject", subject);
	evbuffer_add_printf(output, "certificate %zu\n", der != NULL ? len : 0);
	evbuffer_add(output, "ready\n", 6);
	free(subject);
	free(der);
	return 0;
}

static void
tls_read(struct bufferevent *bev, void *state)
{
	(void)state;
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static struct bevhost_plugin plugin = {
	.name = "tls",
	.open = tls_open,
	.read = tls_read,
};
BEVHOST_PLUGIN(plugin)
