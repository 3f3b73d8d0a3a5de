/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ticket is AES-256-CBC under one half of a key, and HMAC-SHA256 over that
 * under the other. OpenSSL compares the latter first.
 */
#include "tls_ticket.h"

#include "tickets.h"

#ifdef HAVE_OPENSSL

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#define TLS_TICKET_IV_SIZE 16

static struct tickets *tls_ticket_keys;
static int64_t tls_ticket_period_ms;

/* Fetched once: OpenSSL would look for it at each ticket. NULL: so it does. */
static EVP_CIPHER *tls_ticket_cipher;

static int
tls_ticket_init(const struct ticket_key *key, const unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
		    (void *)(uintptr_t)key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1 &&
	       EVP_CipherInit_ex2(cipher,
		   tls_ticket_cipher != NULL ? tls_ticket_cipher
					     : EVP_aes_256_cbc(),
		   key->cipher, iv, encrypt, NULL) == 1;
}

/* Without a key there is no ticket: the handshake goes on without. */
static int
tls_ticket_encrypt(unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct ticket_key key;
	int status;

	if (tls_ticket_keys->mine)
		(void)tickets_rotate_when_due(
		    tls_ticket_keys, tls_ticket_period_ms);
	if (tickets_current(tls_ticket_keys, &key) < 0)
		return 0;
	memcpy(name, key.name, sizeof(key.name));
	status = RAND_bytes(iv, TLS_TICKET_IV_SIZE) == 1 &&
		 tls_ticket_init(&key, iv, cipher, mac, 1);
	OPENSSL_cleanse(&key, sizeof(key));
	return status ? 1 : -1;
}

/* 1 is good, 2 is good and to be replaced by a new one, 0 is not known. */
static int
tls_ticket_decrypt(const unsigned char *name, const unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	enum tickets_found found;
	struct ticket_key key;
	int status;

	if (tls_ticket_keys->mine)
		(void)tickets_rotate_when_due(
		    tls_ticket_keys, tls_ticket_period_ms);
	found = tickets_find(tls_ticket_keys, name, &key);
	if (found == TICKETS_NONE)
		return 0;
	status = tls_ticket_init(&key, iv, cipher, mac, 0);
	OPENSSL_cleanse(&key, sizeof(key));
	if (!status)
		return -1;
	return found == TICKETS_CURRENT ? 1 : 2;
}

static int
tls_ticket_on_key(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	(void)ssl;
	if (tls_ticket_keys == NULL)
		return 0;
	return encrypt ? tls_ticket_encrypt(name, iv, cipher, mac)
		       : tls_ticket_decrypt(name, iv, cipher, mac);
}

void
tls_ticket_use(struct tickets *tickets, int64_t period_ms)
{
	tls_ticket_keys = tickets;
	tls_ticket_period_ms = period_ms;
}

int
tls_ticket_set(SSL_CTX *ctx)
{
	/* After so long its key is the previous one, but not yet forgotten. */
	if (tls_ticket_period_ms >= 1000)
		SSL_CTX_set_timeout(ctx, (long)(tls_ticket_period_ms / 1000));
	if (tls_ticket_cipher == NULL)
		tls_ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_ticket_on_key) == 1
		   ? 0
		   : -1;
}

#else

void
tls_ticket_use(struct tickets *tickets, int64_t period_ms)
{
	(void)tickets;
	(void)period_ms;
}

#endif

int
tls_ticket_attach(int fd)
{
	static struct tickets tickets = { .fd = -1 };

	if (tickets_attach(&tickets, fd) < 0)
		return -1;
	tls_ticket_use(&tickets, 0);
	return 0;
}
