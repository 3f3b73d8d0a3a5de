/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client that breaks the rules: it has shaken hands as others do, and then
 * makes its records itself, of any kind and as many as it likes.
 */
#ifndef TLS_RAW_H
#define TLS_RAW_H

#include <stdint.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "tls_fixture.h"

#define RAW_ALERT     21
#define RAW_HANDSHAKE 22
#define RAW_DATA      23

#define RAW_TAG 16

/* One direction. */
struct raw_keys {
	unsigned char key[32], iv[12];
	uint64_t sequence;
};

struct raw {
	const struct client *client;
	const EVP_CIPHER *cipher;
	int is_1_3;
	struct raw_keys out, in; /* in of TLS 1.2 alone */
};

static inline void
raw_derive(
    const char *kdf_name, OSSL_PARAM *params, unsigned char *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
	EVP_KDF_CTX *derivation = EVP_KDF_CTX_new(kdf);

	ck_assert_int_eq(EVP_KDF_derive(derivation, out, len, params), 1);
	EVP_KDF_CTX_free(derivation);
	EVP_KDF_free(kdf);
}

static inline OSSL_PARAM
raw_text(const char *name, const char *text)
{
	return OSSL_PARAM_construct_utf8_string(
	    name, (char *)(uintptr_t)text, 0);
}

static inline OSSL_PARAM
raw_bytes(const char *name, const void *bytes, size_t len)
{
	return OSSL_PARAM_construct_octet_string(
	    name, (void *)(uintptr_t)bytes, len);
}

/* RFC 5246, 6.3: AEAD has no keys for a MAC. */
static inline void
raw_init_1_2(struct raw *raw, const SSL *ssl, const char *digest)
{
	size_t key_len = (size_t)EVP_CIPHER_get_key_length(raw->cipher);
	unsigned char master[64], seed[64], block[2 * (32 + 4)];
	size_t len = SSL_SESSION_get_master_key(
	    SSL_get_session(ssl), master, sizeof(master));
	OSSL_PARAM params[] = {
		raw_text(OSSL_KDF_PARAM_DIGEST, digest),
		raw_bytes(OSSL_KDF_PARAM_SECRET, master, len),
		raw_bytes(OSSL_KDF_PARAM_SEED, "key expansion", 13),
		raw_bytes(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
		OSSL_PARAM_construct_end(),
	};

	SSL_get_server_random(ssl, seed, 32);
	SSL_get_client_random(ssl, seed + 32, 32);
	raw_derive("TLS1-PRF", params, block, 2 * (key_len + 4));
	memcpy(raw->out.key, block, key_len);
	memcpy(raw->in.key, block + key_len, key_len);
	memcpy(raw->out.iv, block + 2 * key_len, 4);
	memcpy(raw->in.iv, block + 2 * key_len + 4, 4);
	/* Both have sent their Finished. */
	raw->out.sequence = raw->in.sequence = 1;
}

/* RFC 8446, 7.3. */
static inline void
raw_init_1_3(struct raw *raw, const struct client *client, const char *digest)
{
	static const char *const labels[] = { "key", "iv" };
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY, i;

	for (i = 0; i < 2; i++) {
		OSSL_PARAM params[] = {
			raw_text(OSSL_KDF_PARAM_DIGEST, digest),
			OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
			raw_bytes(OSSL_KDF_PARAM_KEY, client->secret,
			    client->secret_len),
			raw_bytes(OSSL_KDF_PARAM_PREFIX, "tls13 ", 6),
			raw_bytes(
			    OSSL_KDF_PARAM_LABEL, labels[i], strlen(labels[i])),
			OSSL_PARAM_construct_end(),
		};

		raw_derive("TLS13-KDF", params,
		    i == 0 ? raw->out.key : raw->out.iv,
		    i == 0 ? (size_t)EVP_CIPHER_get_key_length(raw->cipher)
			   : sizeof(raw->out.iv));
	}
}

/* Of a client that has shaken hands and sent nothing since. */
static inline struct raw
raw_of(const struct client *client)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(client->ssl);
	const char *digest =
	    EVP_MD_get0_name(SSL_CIPHER_get_handshake_digest(cipher));
	struct raw raw = {
		.client = client,
		.cipher =
		    EVP_get_cipherbynid(SSL_CIPHER_get_cipher_nid(cipher)),
		.is_1_3 = SSL_version(client->ssl) == TLS1_3_VERSION,
	};

	ck_assert_ptr_nonnull(raw.cipher);
	ck_assert_int_eq(EVP_CIPHER_get_mode(raw.cipher), EVP_CIPH_GCM_MODE);
	if (raw.is_1_3)
		raw_init_1_3(&raw, client, digest);
	else
		raw_init_1_2(&raw, client->ssl, digest);
	return raw;
}

static inline void
raw_put_sequence(unsigned char *to, uint64_t sequence)
{
	int i;

	for (i = 0; i < 8; i++)
		to[i] = (unsigned char)(sequence >> (56 - 8 * i));
}

/* What GCM is told of a record beside its bytes. Returns its length. */
static inline int
raw_about(const struct raw *raw, const struct raw_keys *keys, int type,
    size_t len, unsigned char nonce[12], unsigned char about[13])
{
	unsigned char *header = about + (raw->is_1_3 ? 0 : 8);
	int i;

	memcpy(nonce, keys->iv, 12);
	header[0] = (unsigned char)type;
	header[1] = header[2] = 3;
	header[3] = (unsigned char)(len >> 8);
	header[4] = (unsigned char)len;
	if (raw->is_1_3) {
		raw_put_sequence(nonce + 4, keys->sequence);
		for (i = 4; i < 12; i++)
			nonce[i] ^= keys->iv[i];
		return 5;
	}
	raw_put_sequence(nonce + 4, keys->sequence);
	raw_put_sequence(about, keys->sequence);
	return 13;
}

#define RAW_RECORD 256 /* at most, of 200 bytes of text */

/* Returns the length of the record. */
static inline size_t
raw_seal(struct raw *raw, int type, const void *bytes, size_t len,
    unsigned char *record)
{
	unsigned char nonce[12], about[13], text[RAW_RECORD];
	size_t inner = len, begin = raw->is_1_3 ? 5 : 13, sealed;
	EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
	int about_len, done;

	memcpy(text, bytes, len);
	if (raw->is_1_3) {
		text[inner++] = (unsigned char)type;
		type = RAW_DATA;
	}
	sealed = begin - 5 + inner + RAW_TAG;
	about_len = raw_about(
	    raw, &raw->out, type, raw->is_1_3 ? sealed : inner, nonce, about);
	ck_assert_int_eq(
	    EVP_EncryptInit_ex(gcm, raw->cipher, NULL, raw->out.key, nonce), 1);
	EVP_EncryptUpdate(gcm, NULL, &done, about, about_len);
	if (inner > 0)
		EVP_EncryptUpdate(gcm, record + begin, &done, text, (int)inner);
	EVP_EncryptFinal_ex(gcm, record + begin + inner, &done);
	EVP_CIPHER_CTX_ctrl(
	    gcm, EVP_CTRL_AEAD_GET_TAG, RAW_TAG, record + begin + inner);
	EVP_CIPHER_CTX_free(gcm);
	record[0] = (unsigned char)type;
	record[1] = record[2] = 3;
	record[3] = (unsigned char)(sealed >> 8);
	record[4] = (unsigned char)sealed;
	if (!raw->is_1_3)
		raw_put_sequence(record + 5, raw->out.sequence);
	raw->out.sequence++;
	return 5 + sealed;
}

/* The same record so many times, at one go. */
static inline void
raw_send_many(
    struct raw *raw, int type, const void *bytes, size_t len, size_t count)
{
	unsigned char *records = malloc(count * RAW_RECORD);
	size_t total = 0;

	while (count-- > 0)
		total += raw_seal(raw, type, bytes, len, records + total);
	ck_assert_int_eq(send(raw->client->fd, records, total, MSG_DONTWAIT),
	    (ssize_t)total);
	free(records);
}

static inline void
raw_send(struct raw *raw, int type, const void *bytes, size_t len)
{
	raw_send_many(raw, type, bytes, len, 1);
}

/* The next record of a server that speaks TLS 1.2: its type, or 0 when there
   is none. */
static inline int
raw_receive(struct raw *raw, unsigned char *text, size_t *len)
{
	unsigned char nonce[12], about[13], head[13], record[4096];
	EVP_CIPHER_CTX *gcm;
	size_t inner;
	int about_len, done;

	if (recv(raw->client->fd, head, sizeof(head), MSG_DONTWAIT) !=
	    sizeof(head))
		return 0;
	inner = (size_t)(head[3] << 8 | head[4]) - 8 - RAW_TAG;
	ck_assert_uint_le(inner + RAW_TAG, sizeof(record));
	ck_assert_int_eq(
	    recv(raw->client->fd, record, inner + RAW_TAG, MSG_DONTWAIT),
	    (ssize_t)(inner + RAW_TAG));
	about_len = raw_about(raw, &raw->in, head[0], inner, nonce, about);
	memcpy(nonce + 4, head + 5, 8);
	gcm = EVP_CIPHER_CTX_new();
	EVP_DecryptInit_ex(gcm, raw->cipher, NULL, raw->in.key, nonce);
	EVP_DecryptUpdate(gcm, NULL, &done, about, about_len);
	EVP_DecryptUpdate(gcm, text, &done, record, (int)inner);
	EVP_CIPHER_CTX_ctrl(
	    gcm, EVP_CTRL_AEAD_SET_TAG, RAW_TAG, record + inner);
	ck_assert_int_eq(EVP_DecryptFinal_ex(gcm, text + inner, &done), 1);
	EVP_CIPHER_CTX_free(gcm);
	raw->in.sequence++;
	*len = inner;
	return head[0];
}

#endif
