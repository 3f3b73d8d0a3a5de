/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One context has all certificates, so that sessions, protocols and clients are
 * the same for every name. Those of the first are in the context itself; for
 * another name they are replaced in the connection. Certificates for the same
 * name with keys of different types are given together, and OpenSSL takes the
 * one that the client can verify.
 */
#include "tls_site.h"

#ifdef HAVE_OPENSSL

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "log.h"
#include "settings_guard.h"
#include "tls_cert.h"
#include "tls_names.h"
#include "tls_say.h"

#define TLS_SITE_TYPES	  8 /* of keys, that one name can have */
#define TLS_SITE_ALPN_MAX 65535

struct tls_site {
	struct tls_cert *certs;
	int count;
	struct tls_names names;
	unsigned char *alpn; /* as RFC 7301 has it, or NULL */
	unsigned alpn_len;
};

/* What one name gets, by their numbers. */
struct tls_site_choice {
	int certs[TLS_SITE_TYPES];
	int count;
};

static int tls_site_index = -1; /* of a context's own data */

/* Choosing */

static void
tls_site_choose(
    const struct tls_site *site, int cert, struct tls_site_choice *choice)
{
	int i;

	for (i = 0; i < choice->count; i++)
		if (site->certs[choice->certs[i]].type ==
		    site->certs[cert].type)
			return;
	if (choice->count < TLS_SITE_TYPES)
		choice->certs[choice->count++] = cert;
}

static void
tls_site_choose_name(const struct tls_site *site, const char *host,
    struct tls_site_choice *choice)
{
	const struct tls_name *name;
	int count;

	name = tls_names_find(&site->names, host, &count);
	for (; count > 0; count--, name++)
		tls_site_choose(site, name->cert, choice);
}

/* The first, and those that are for a name that it is for. */
static void
tls_site_choose_default(
    const struct tls_site *site, struct tls_site_choice *choice)
{
	int i;

	tls_site_choose(site, 0, choice);
	for (i = 0; i < site->names.count; i++)
		if (site->names.list[i].cert == 0 &&
		    site->names.list[i].text[0] != '*') {
			tls_site_choose_name(
			    site, site->names.list[i].text, choice);
			break;
		}
}

/* Whatever it is: a session of TLS 1.2 remembers the name only then. */
static int
tls_site_on_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	(void)arg;
	return SSL_TLSEXT_ERR_OK;
}

/* 1, or 0 when there is no memory: the handshake ends. */
static int
tls_site_on_cert(SSL *ssl, void *arg)
{
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_site *site = arg;
	struct tls_site_choice choice = { .count = 0 };
	const struct tls_cert *cert;
	int i;

	if (host != NULL)
		tls_site_choose_name(site, host, &choice);
	if (choice.count == 0)
		return 1;
	SSL_certs_clear(ssl);
	for (i = 0; i < choice.count; i++) {
		cert = &site->certs[choice.certs[i]];
		if (SSL_use_cert_and_key(
			ssl, cert->own, cert->key, cert->chain, 1) != 1)
			return 0;
	}
	return 1;
}

/* What the CA says of the certificate that was chosen. */
static int
tls_site_on_status(SSL *ssl, void *arg)
{
	const struct tls_site *site = arg;
	const X509 *own = SSL_get_certificate(ssl);
	const struct tls_cert *cert = NULL;
	unsigned char *copy;
	int i;

	for (i = 0; i < site->count; i++)
		if (site->certs[i].own == own)
			cert = &site->certs[i];
	if (cert == NULL || cert->ocsp == NULL ||
	    (cert->ocsp_until != 0 && cert->ocsp_until <= time(NULL)))
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(cert->ocsp, (size_t)cert->ocsp_len);
	if (copy == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, cert->ocsp_len);
	return SSL_TLSEXT_ERR_OK;
}

/* Our order counts. Without anything in common the handshake ends with
   no_application_protocol (RFC 7301, 3.2). */
static int
tls_site_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	const struct tls_site *site = arg;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, site->alpn, site->alpn_len,
		in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Loading */

static void
tls_site_free(struct tls_site *site)
{
	int i;

	if (site == NULL)
		return;
	for (i = 0; i < site->count; i++)
		tls_cert_clear(&site->certs[i]);
	tls_names_clear(&site->names);
	free(site->certs);
	free(site->alpn);
	free(site);
}

static void
tls_site_on_free(void *parent, void *site, CRYPTO_EX_DATA *data, int index,
    long argl, void *argp)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	tls_site_free(site);
}

/* The key of a certificate is the item that follows it before the next one;
   NULL: none does. */
static const struct settings_item *
tls_site_item_of(const struct settings_guard *guard, int cert, const char *name)
{
	int next = settings_item_next(guard, "tls-cert", cert + 1);
	int at = settings_item_next(guard, name, cert + 1);

	return at >= 0 && (next < 0 || at < next) ? &guard->items[at] : NULL;
}

static int
tls_site_no_memory(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "%s", strerror(ENOMEM));
	return -EX_OSERR;
}

/* OpenSSL has a word in it too: a key may be too short for it. */
static int
tls_site_try(const struct tls_cert *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int good = ctx != NULL && SSL_CTX_use_cert_and_key(ctx, cert->own,
				      cert->key, cert->chain, 1) == 1;

	SSL_CTX_free(ctx);
	if (good)
		return 0;
	return tls_say(BEVHOST_LOG_ERROR, cert->item,
	    "OpenSSL refuses it (%s): have one made with a key of 2048 bits of "
	    "RSA or 256 of EC at the least, and SHA-256",
	    tls_say_openssl());
}

static int
tls_site_load_cert(
    struct tls_site *site, const struct settings_guard *guard, int at)
{
	const struct settings_item *item = &guard->items[at],
				   *ocsp =
				       tls_site_item_of(guard, at, "tls-ocsp");
	struct tls_cert *cert = &site->certs[site->count++];
	int status =
	    tls_cert_load(cert, item, tls_site_item_of(guard, at, "tls-key"));

	if (status == 0)
		status = tls_site_try(cert);
	if (status < 0)
		return status;
	if (tls_cert_names(cert, &site->names, site->count - 1) < 0)
		return tls_site_no_memory();
	return ocsp != NULL ? tls_cert_load_ocsp(cert, ocsp) : 0;
}

static int
tls_site_load_certs(struct tls_site *site, const struct settings_guard *guard)
{
	int at = settings_item_next(guard, "tls-cert", 0), count = 0, i;
	int status = 0;

	for (i = at; i >= 0; i = settings_item_next(guard, "tls-cert", i + 1))
		count++;
	site->certs = calloc((size_t)count, sizeof(*site->certs));
	if (site->certs == NULL)
		return tls_site_no_memory();
	for (i = at; i >= 0 && status == 0;
	     i = settings_item_next(guard, "tls-cert", i + 1))
		status = tls_site_load_cert(site, guard, i);
	tls_names_sort(&site->names);
	return status;
}

static int
tls_site_is_rsa(int type)
{
	return type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS;
}

/* Can a client of TLS 1.2 be shown this key with that cipher? Those of TLS 1.3
   go with any. */
static int
tls_site_fits(const SSL_CIPHER *cipher, int type)
{
	switch (SSL_CIPHER_get_auth_nid(cipher)) {
	case NID_auth_any:
		return 0;
	case NID_auth_rsa:
		return tls_site_is_rsa(type);
	case NID_auth_ecdsa:
		return !tls_site_is_rsa(type);
	default:
		return 1;
	}
}

/* One that hides nothing, or says nothing of who is there, is never agreed on
   unless the level of security is 0. */
static int
tls_site_is_secure(SSL_CTX *ctx, const SSL_CIPHER *cipher)
{
	return SSL_CTX_get_security_level(ctx) == 0 ||
	       (SSL_CIPHER_get_bits(cipher, NULL) > 0 &&
		   SSL_CIPHER_get_auth_nid(cipher) != NID_auth_null);
}

static int
tls_site_has_cipher(SSL_CTX *ctx, const struct tls_site *site)
{
	const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
	const SSL_CIPHER *cipher;
	int i, j;

	for (i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
		cipher = sk_SSL_CIPHER_value(ciphers, i);
		for (j = 0; j < site->count; j++)
			if (tls_site_is_secure(ctx, cipher) &&
			    tls_site_fits(cipher, site->certs[j].type))
				return 1;
	}
	return 0;
}

/* OpenSSL finds that out with each client anew. */
static void
tls_site_check_ciphers(SSL_CTX *ctx, const struct tls_site *site,
    const struct settings_guard *guard)
{
	int at = settings_item_next(guard, "tls-ciphers", 0);

	if (at < 0 || SSL_CTX_get_min_proto_version(ctx) > TLS1_2_VERSION ||
	    tls_site_has_cipher(ctx, site))
		return;
	tls_say(BEVHOST_LOG_WARNING, &guard->items[at],
	    "none of these works with the key of a certificate here (%s), so "
	    "no client of TLS 1.2 is served: add %s, or do without this",
	    EVP_PKEY_get0_type_name(site->certs[0].key),
	    tls_site_is_rsa(site->certs[0].type)
		? "ECDHE-RSA-AES128-GCM-SHA256"
		: "ECDHE-ECDSA-AES128-GCM-SHA256");
}

/* One protocol after its length. */
static int
tls_site_add_alpn(struct tls_site *site, const struct settings_item *item,
    const char *name, size_t len)
{
	unsigned char *alpn;

	if (len == 0)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "the name of a protocol is empty: it is as in h2,http/1.1");
	if (len > 255)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "the name of a protocol is longer than 255 bytes");
	if (site->alpn_len + len + 1 > TLS_SITE_ALPN_MAX)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "all protocols together are longer than %d bytes",
		    TLS_SITE_ALPN_MAX);
	alpn = realloc(site->alpn, site->alpn_len + len + 1);
	if (alpn == NULL)
		return tls_site_no_memory();
	site->alpn = alpn;
	alpn[site->alpn_len++] = (unsigned char)len;
	memcpy(alpn + site->alpn_len, name, len);
	site->alpn_len += (unsigned)len;
	return 0;
}

/* One or more in an item, with commas between. */
static int
tls_site_load_alpn(struct tls_site *site, const struct settings_guard *guard)
{
	const struct settings_item *item;
	const char *name;
	size_t len;
	int at = -1, status;

	while ((at = settings_item_next(guard, "tls-alpn", at + 1)) >= 0) {
		item = &guard->items[at];
		for (name = item->value;; name += len + 1) {
			len = strcspn(name, ",");
			status = tls_site_add_alpn(site, item, name, len);
			if (status < 0)
				return status;
			if (name[len] == '\0')
				break;
		}
	}
	return 0;
}

/* Takes site. 0, or -1 with an error of OpenSSL. */
static int
tls_site_give(SSL_CTX *ctx, struct tls_site *site)
{
	struct tls_site_choice choice = { .count = 0 };
	const struct tls_cert *cert;
	int i;

	if (tls_site_index < 0)
		tls_site_index = SSL_CTX_get_ex_new_index(
		    0, NULL, NULL, NULL, tls_site_on_free);
	if (tls_site_index < 0 ||
	    SSL_CTX_set_ex_data(ctx, tls_site_index, site) != 1) {
		tls_site_free(site);
		return -1;
	}
	tls_site_choose_default(site, &choice);
	for (i = choice.count - 1; i >= 0; i--) {
		cert = &site->certs[choice.certs[i]];
		if (SSL_CTX_use_cert_and_key(
			ctx, cert->own, cert->key, cert->chain, 1) != 1)
			return -1;
	}
	if (site->count > choice.count)
		SSL_CTX_set_cert_cb(ctx, tls_site_on_cert, site);
	SSL_CTX_set_tlsext_servername_callback(ctx, tls_site_on_name);
	SSL_CTX_set_tlsext_status_cb(ctx, tls_site_on_status);
	SSL_CTX_set_tlsext_status_arg(ctx, site);
	if (site->alpn != NULL)
		SSL_CTX_set_alpn_select_cb(ctx, tls_site_on_alpn, site);
	return 0;
}

int
tls_site_load(SSL_CTX *ctx, const struct settings_guard *guard)
{
	struct tls_site *site = calloc(1, sizeof(*site));
	int status;

	if (site == NULL)
		return tls_site_no_memory();
	status = tls_site_load_certs(site, guard);
	if (status == 0)
		status = tls_site_load_alpn(site, guard);
	if (status < 0) {
		tls_site_free(site);
		return status;
	}
	tls_site_check_ciphers(ctx, site, guard);
	return tls_site_give(ctx, site) == 0 ? 0 : tls_say_failed();
}

#endif
