/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What plugins may ask of the TLS of a connection. The contracts stand in
 * <bevhost/peer.h>.
 */
#include <bevhost/peer.h>

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_OPENSSL
#include <openssl/ssl.h>
#endif

#include "conn_tls.h"
#include "tls_stream.h"

#ifdef HAVE_OPENSSL

static const SSL *
api_tls_of(const struct bevhost_conn *conn)
{
	const struct tls_stream *stream = conn_tls_stream(conn);

	return stream != NULL ? tls_stream_ssl(stream) : NULL;
}

const char *
bevhost_conn_tls_version(const struct bevhost_conn *conn)
{
	const SSL *ssl = api_tls_of(conn);

	return ssl != NULL ? SSL_get_version(ssl) : NULL;
}

const char *
bevhost_conn_tls_cipher(const struct bevhost_conn *conn)
{
	const SSL *ssl = api_tls_of(conn);

	return ssl != NULL ? SSL_get_cipher_name(ssl) : NULL;
}

const char *
bevhost_conn_tls_sni(const struct bevhost_conn *conn)
{
	const SSL *ssl = api_tls_of(conn);

	return ssl != NULL ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
			   : NULL;
}

const char *
bevhost_conn_tls_alpn(const struct bevhost_conn *conn, size_t *len)
{
	const SSL *ssl = api_tls_of(conn);
	const unsigned char *name = NULL;
	unsigned size = 0;

	if (ssl != NULL)
		SSL_get0_alpn_selected(ssl, &name, &size);
	*len = size;
	return (const char *)name;
}

/* One that was not verified has ended the handshake. */
static X509 *
api_tls_certificate(const struct bevhost_conn *conn)
{
	const SSL *ssl = api_tls_of(conn);

	return ssl != NULL && SSL_get_verify_result(ssl) == X509_V_OK
		   ? SSL_get0_peer_certificate(ssl)
		   : NULL;
}

char *
bevhost_conn_tls_subject(const struct bevhost_conn *conn)
{
	const X509 *x509 = api_tls_certificate(conn);
	BIO *bio = x509 != NULL ? BIO_new(BIO_s_mem()) : NULL;
	char *text = NULL, *bytes;

	if (bio == NULL)
		return NULL;
	if (X509_NAME_print_ex(
		bio, X509_get_subject_name(x509), 0, XN_FLAG_RFC2253) >= 0 &&
	    BIO_write(bio, "", 1) == 1 && BIO_get_mem_data(bio, &bytes) > 0)
		text = strdup(bytes);
	BIO_free(bio);
	return text;
}

void *
bevhost_conn_tls_certificate(const struct bevhost_conn *conn, size_t *len)
{
	const X509 *x509 = api_tls_certificate(conn);
	unsigned char *at, *der = NULL;
	int size = x509 != NULL ? i2d_X509(x509, NULL) : 0;

	*len = 0;
	if (size <= 0)
		return NULL;
	at = der = malloc((size_t)size);
	if (der == NULL || i2d_X509(x509, &at) != size) {
		free(der);
		return NULL;
	}
	*len = (size_t)size;
	return der;
}

#else

const char *
bevhost_conn_tls_version(const struct bevhost_conn *conn)
{
	(void)conn;
	return NULL;
}

const char *
bevhost_conn_tls_cipher(const struct bevhost_conn *conn)
{
	(void)conn;
	return NULL;
}

const char *
bevhost_conn_tls_sni(const struct bevhost_conn *conn)
{
	(void)conn;
	return NULL;
}

const char *
bevhost_conn_tls_alpn(const struct bevhost_conn *conn, size_t *len)
{
	(void)conn;
	*len = 0;
	return NULL;
}

char *
bevhost_conn_tls_subject(const struct bevhost_conn *conn)
{
	(void)conn;
	return NULL;
}

void *
bevhost_conn_tls_certificate(const struct bevhost_conn *conn, size_t *len)
{
	(void)conn;
	*len = 0;
	return NULL;
}

#endif
