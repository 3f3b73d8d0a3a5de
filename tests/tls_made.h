/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates that are made for a test, in a folder of their own, and a
   client that shakes hands in memory. */
#ifndef TLS_MADE_H
#define TLS_MADE_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "settings_edit.h"
#include "settings_guard.h"
#include "tap.h"

#define DAY_S (24 * 60 * 60L)

struct made {
	X509 *x509;
	EVP_PKEY *key;
};

/* What a certificate is to say. */
struct wish {
	const char *cn, *names;	   /* names: "DNS:a,DNS:b", or NULL */
	const struct made *issuer; /* NULL: itself */
	int rsa;		   /* 1, or how many bits */
	long from_s, to_s;	   /* from now on; 0, 0: for a day */
};

static char folder[64];
static struct settings_guard guard;

static inline char *
path_of(const char *name)
{
	static char paths[8][128];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static inline void
folder_make(void)
{
	snprintf(folder, sizeof(folder), "/tmp/bevhost-tls-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	memset(&guard, 0, sizeof(guard));
	guard.tls_tickets = 1;
}

static inline int
folder_remove_one(
    const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void
folder_remove(void)
{
	settings_clear_guard(&guard);
	ck_assert_int_eq(
	    nftw(folder, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* A setting; where is "FILE:LINE" or NULL. */
static inline void
give_from(const char *name, const char *value, const char *where)
{
	char why[128];

	ck_assert_int_eq(settings_add_item(&guard, settings_list_find(name),
			     value, where, why, sizeof(why)),
	    0);
}

static inline void
give(const char *name, const char *value)
{
	give_from(name, value, NULL);
}

static inline void
made_name(X509 *x509, const char *cn)
{
	X509_NAME *name = X509_get_subject_name(x509);

	ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			     (const unsigned char *)cn, -1, -1, 0),
	    1);
}

static inline void
made_extend(X509 *x509, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline struct made
make(const struct wish *wish)
{
	static long serial = 1;
	struct made made;
	const struct made *issuer;

	made.key = wish->rsa
		       ? EVP_RSA_gen(wish->rsa > 1 ? (size_t)wish->rsa : 2048)
		       : EVP_EC_gen("P-256");
	made.x509 = X509_new();
	ck_assert_ptr_nonnull(made.key);
	ck_assert_ptr_nonnull(made.x509);
	issuer = wish->issuer != NULL ? wish->issuer : &made;
	X509_set_version(made.x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made.x509),
	    wish->from_s != 0 ? wish->from_s : -DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(made.x509),
	    wish->to_s != 0 ? wish->to_s : DAY_S);
	made_name(made.x509, wish->cn);
	X509_set_issuer_name(made.x509, X509_get_subject_name(issuer->x509));
	X509_set_pubkey(made.x509, made.key);
	if (wish->issuer == NULL)
		made_extend(made.x509, NID_basic_constraints, "CA:TRUE");
	if (wish->names != NULL)
		made_extend(made.x509, NID_subject_alt_name, wish->names);
	ck_assert_int_gt(X509_sign(made.x509, issuer->key, EVP_sha256()), 0);
	return made;
}

static inline void
made_clear(struct made *made)
{
	X509_free(made->x509);
	EVP_PKEY_free(made->key);
}

static inline FILE *
file_open(const char *name, const char *mode)
{
	FILE *file = fopen(path_of(name), mode);

	ck_assert_ptr_nonnull(file);
	fchmod(fileno(file), 0600);
	return file;
}

/* As PEM, at the end of a file. */
static inline void
put_cert(const char *name, const struct made *made)
{
	FILE *file = file_open(name, "a");

	ck_assert_int_eq(PEM_write_X509(file, made->x509), 1);
	fclose(file);
}

static inline void
put_key(const char *name, const struct made *made)
{
	FILE *file = file_open(name, "a");

	ck_assert_int_eq(
	    PEM_write_PrivateKey(file, made->key, NULL, NULL, 0, NULL, NULL),
	    1);
	fclose(file);
}

static inline void
put_text(const char *name, const char *text)
{
	FILE *file = file_open(name, "w");

	fputs(text, file);
	fclose(file);
}

/* A certificate and its key in NAME.crt and NAME.key, as the next items. */
static inline struct made
make_pair(const char *name, const struct wish *wish)
{
	struct made made = make(wish);
	char text[64];

	snprintf(text, sizeof(text), "%s.crt", name);
	put_cert(text, &made);
	give("tls-cert", path_of(text));
	snprintf(text, sizeof(text), "%s.key", name);
	put_key(text, &made);
	give("tls-key", path_of(text));
	return made;
}

/* Shaking hands */

static inline void
shake(SSL *client, SSL *server, int *client_status, int *server_status)
{
	int i;

	*client_status = *server_status = 0;
	for (i = 0; i < 20; i++) {
		if (*client_status != 1)
			*client_status = SSL_do_handshake(client);
		if (*server_status != 1)
			*server_status = SSL_do_handshake(server);
		if (*client_status == 1 && *server_status == 1)
			break;
	}
	/* What comes after it: tickets, or a refusal in TLS 1.3. */
	if (*client_status == 1) {
		char byte;

		(void)SSL_read(client, &byte, 1);
		if (SSL_get_error(client, -1) == SSL_ERROR_SSL)
			*client_status = -1;
	}
}

struct pair {
	SSL *client, *server;
	int good;
};

/* A client of its own context, ready, and the server that it will talk to. */
static inline struct pair
pair_make(SSL_CTX *server_ctx, SSL_CTX *client_ctx)
{
	struct pair pair = { SSL_new(client_ctx), SSL_new(server_ctx), 0 };
	BIO *one, *two;

	ck_assert_ptr_nonnull(pair.client);
	ck_assert_ptr_nonnull(pair.server);
	ck_assert_int_eq(BIO_new_bio_pair(&one, 1 << 16, &two, 1 << 16), 1);
	SSL_set_bio(pair.client, one, one);
	SSL_set_bio(pair.server, two, two);
	SSL_set_connect_state(pair.client);
	SSL_set_accept_state(pair.server);
	return pair;
}

static inline void
pair_shake(struct pair *pair)
{
	int client, server;

	shake(pair->client, pair->server, &client, &server);
	pair->good = client == 1 && server == 1;
}

static inline void
pair_clear(struct pair *pair)
{
	/* A session that was cut off is not resumed. */
	SSL_set_shutdown(pair->client, SSL_SENT_SHUTDOWN);
	SSL_free(pair->client);
	SSL_free(pair->server);
}

#endif
