/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ticket says whom somebody has verified, and all listeners have the same
 * keys for it: what a context asks for is part of its name, so that a ticket is
 * good only where as much would be asked.
 */
#include "tls_client.h"

#ifdef HAVE_OPENSSL

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "settings_guard.h"
#include "settings_origin.h"
#include "settings_say.h"
#include "tls_file.h"
#include "tls_say.h"
#include "tls_verify.h"

static int
tls_client_add(SSL_CTX *ctx, X509 *authority)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);

	/* One that is there already is no error. */
	return X509_STORE_add_cert(store, authority) == 1 &&
		       SSL_CTX_add_client_CA(ctx, authority) == 1
		   ? 0
		   : -1;
}

static int
tls_client_read(SSL_CTX *ctx, BIO *bio, const struct settings_item *item)
{
	X509 *authority;
	int count = 0, status = 0;

	while (status == 0 &&
	       (authority = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		status = tls_client_add(ctx, authority);
		X509_free(authority);
		count++;
	}
	if (status < 0)
		return tls_say(
		    BEVHOST_LOG_ERROR, item, "%s", tls_say_openssl());
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "certificate number %d in it cannot be read (%s): write "
		    "the file anew",
		    count + 1, tls_say_openssl());
	ERR_clear_error();
	if (count == 0)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "there is no certificate in it: it is to be in PEM form, "
		    "with a line BEGIN CERTIFICATE");
	return 0;
}

static int
tls_client_load(SSL_CTX *ctx, const struct settings_item *item, EVP_MD_CTX *id)
{
	struct tls_file file;
	BIO *bio;
	int status = tls_file_read(&file, item);

	if (status < 0)
		return status;
	ERR_clear_error();
	bio = BIO_new_mem_buf(file.bytes, (int)file.len);
	if (bio == NULL || EVP_DigestUpdate(id, file.bytes, file.len) != 1)
		status = tls_say_failed();
	else
		status = tls_client_read(ctx, bio, item);
	BIO_free(bio);
	tls_file_clear(&file);
	return status;
}

static int
tls_client_name(SSL_CTX *ctx, EVP_MD_CTX *id)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	X509 *own = SSL_CTX_get0_certificate(ctx);
	unsigned len;

	return (own == NULL ||
		   (X509_digest(own, EVP_sha256(), digest, &len) == 1 &&
		       EVP_DigestUpdate(id, digest, len) == 1)) &&
		       EVP_DigestFinal_ex(id, digest, &len) == 1 &&
		       SSL_CTX_set_session_id_context(ctx, digest, len) == 1
		   ? 0
		   : -1;
}

static int
tls_client_ask(SSL_CTX *ctx, const struct settings_guard *guard, EVP_MD_CTX *id)
{
	int at = settings_item_next(guard, "tls-client-ca", 0);
	const struct settings_item *item = at >= 0 ? &guard->items[at] : NULL;
	int required = guard->tls_client == SETTINGS_CLIENT_REQUIRED;
	struct settings_item own;
	char word[32];

	if (guard->tls_client == SETTINGS_CLIENT_OFF) {
		/* The command line's is everybody's own. */
		if (item == NULL || (item->inherited && item->where != NULL))
			return 0;
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "%s is off, so no client is asked for a certificate: make "
		    "it optional or required, or do without this",
		    SETTINGS_SPELL(item->where, "tls-client"));
	}
	if (item == NULL) {
		own = settings_scalar(guard, "tls-client", word, sizeof(word));
		return tls_say(BEVHOST_LOG_ERROR, &own,
		    "nobody says which certificates are good: name the file of "
		    "their CA with %s",
		    SETTINGS_SPELL(own.where, "tls-client-ca"));
	}
	tls_verify_ask(ctx,
	    SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0));
	return tls_client_load(ctx, item, id);
}

int
tls_client_set(SSL_CTX *ctx, const struct settings_guard *guard)
{
	EVP_MD_CTX *id = EVP_MD_CTX_new();
	int status;

	if (id == NULL || EVP_DigestInit_ex(id, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(
		id, &guard->tls_client, sizeof(guard->tls_client)) != 1)
		status = tls_say_failed();
	else
		status = tls_client_ask(ctx, guard, id);
	if (status == 0 && tls_client_name(ctx, id) < 0)
		status = tls_say_failed();
	EVP_MD_CTX_free(id);
	return status;
}

#endif
