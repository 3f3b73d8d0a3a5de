/* SPDX-License-Identifier: BSD-2-Clause */
/* A key, a context for it, and a client whose bytes the test moves itself. */
#ifndef TLS_FIXTURE_H
#define TLS_FIXTURE_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tap.h"

struct client {
	SSL *ssl;
	BIO *in, *out; /* what was read for it, what it has to send */
	int fd;
	int is_shut; /* the socket has ended */
	/* Of what it sends in TLS 1.3. */
	unsigned char secret[64];
	size_t secret_len;
};

static struct client *fixture_client; /* the latest */

static inline void
fixture_on_key(const SSL *ssl, const char *line)
{
	static const char label[] = "CLIENT_TRAFFIC_SECRET_0 ";
	const char *hex = strrchr(line, ' ') + 1;
	struct client *client = fixture_client;

	if (ssl != client->ssl || strncmp(line, label, sizeof(label) - 1) != 0)
		return;
	ck_assert_int_eq(
	    OPENSSL_hexstr2buf_ex(client->secret, sizeof(client->secret),
		&client->secret_len, hex, '\0'),
	    1);
}

static inline SSL_CTX *
fixture_ctx(int max_version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
	ck_assert_int_eq(SSL_CTX_set_max_proto_version(ctx, max_version), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static inline void
client_init(struct client *client, int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	*client = (struct client){ .fd = fd };
	fixture_client = client;
	SSL_CTX_set_keylog_callback(ctx, fixture_on_key);
	client->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	client->in = BIO_new(BIO_s_mem());
	client->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(client->in, -1);
	SSL_set_bio(client->ssl, client->in, client->out);
	SSL_set_connect_state(client->ssl);
}

static inline void
client_clear(struct client *client)
{
	SSL_free(client->ssl);
	if (client->fd >= 0)
		close(client->fd);
}

/* Sends up to len of what it has; the number that was sent. */
static inline size_t
client_send(struct client *client, size_t len)
{
	char *bytes;
	long has = BIO_get_mem_data(client->out, &bytes);
	ssize_t sent;

	if (has <= 0 || len == 0)
		return 0;
	if (len > (size_t)has)
		len = (size_t)has;
	sent = send(client->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent <= 0)
		return 0;
	bytes = malloc((size_t)sent);
	ck_assert_int_eq(BIO_read(client->out, bytes, (int)sent), (int)sent);
	free(bytes);
	return (size_t)sent;
}

static inline void
client_receive(struct client *client)
{
	static char bytes[65536];
	ssize_t len;

	while ((len = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		BIO_write(client->in, bytes, (int)len);
	if (len == 0)
		client->is_shut = 1;
}

/* One go at whatever it has to do; what it read, -1 at the peer's close. */
static inline int
client_step(struct client *client, void *buf, int size)
{
	int len;

	client_receive(client);
	ERR_clear_error();
	len = SSL_read(client->ssl, buf, size);
	if (len <= 0 &&
	    SSL_get_error(client->ssl, len) == SSL_ERROR_ZERO_RETURN)
		len = -1;
	else if (len < 0)
		len = 0;
	client_send(client, SIZE_MAX);
	return len;
}

static inline void
client_write(struct client *client, const void *data, size_t len)
{
	ck_assert_int_eq(SSL_write(client->ssl, data, (int)len), (int)len);
}

#endif
