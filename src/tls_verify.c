/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenSSL tells what is wrong with a certificate to a callback, and to its own
 * error only that something is. Both happen in one call of the loop's thread,
 * so that one text is enough for all connections.
 */
#include "tls_verify.h"

#ifdef HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#define TLS_VERIFY_NAME 64

static char tls_verify_refused[4 * TLS_VERIFY_NAME];

/* The beginning of it, as RFC 2253 writes it. */
static void
tls_verify_name(const X509_NAME *name, char *buf, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int len = -1;

	if (bio != NULL && name != NULL &&
	    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_read(bio, buf, (int)size - 1);
	buf[len > 0 ? len : 0] = '\0';
	if (len == (int)size - 1)
		memcpy(buf + size - 4, "...", 4);
	BIO_free(bio);
}

static int
tls_verify_on_checked(int good, X509_STORE_CTX *store)
{
	const X509 *cert = X509_STORE_CTX_get_current_cert(store);
	char subject[TLS_VERIFY_NAME] = "", issuer[TLS_VERIFY_NAME] = "";

	if (good)
		return good;
	if (cert != NULL) {
		tls_verify_name(
		    X509_get_subject_name(cert), subject, sizeof(subject));
		tls_verify_name(
		    X509_get_issuer_name(cert), issuer, sizeof(issuer));
	}
	snprintf(tls_verify_refused, sizeof(tls_verify_refused),
	    "certificate refused: %s (of %s, issued by %s)",
	    X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)),
	    subject[0] != '\0' ? subject : "no name",
	    issuer[0] != '\0' ? issuer : "no name");
	return good;
}

void
tls_verify_ask(struct ssl_ctx_st *ctx, int mode)
{
	SSL_CTX_set_verify(ctx, mode, tls_verify_on_checked);
}

const char *
tls_verify_why(void)
{
	return tls_verify_refused;
}

#endif
