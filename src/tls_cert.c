/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What OpenSSL reads is looked at here once more: it takes any key and any
 * certificate, and says what is wrong with them to clients first.
 */
#include "tls_cert.h"

#ifdef HAVE_OPENSSL

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "settings_guard.h"
#include "settings_say.h"
#include "tls_file.h"
#include "tls_names.h"
#include "tls_say.h"

#define TLS_CERT_OTHERS 0007 /* who may read a key */

/* Reading certificates */

/* The next one of the file; NULL at its end, or with an error in the queue. */
static X509 *
tls_cert_next(BIO *bio)
{
	X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned long error = ERR_peek_last_error();

	if (x509 == NULL && ERR_GET_LIB(error) == ERR_LIB_PEM &&
	    ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	return x509;
}

static int
tls_cert_read_all(struct tls_cert *cert, BIO *bio)
{
	const struct settings_item *item = cert->item;
	X509 *x509;

	cert->chain = sk_X509_new_null();
	if (cert->chain == NULL)
		return tls_say(BEVHOST_LOG_ERROR, item, "%s", strerror(ENOMEM));
	while ((x509 = tls_cert_next(bio)) != NULL) {
		if (cert->own == NULL) {
			cert->own = x509;
		} else if (sk_X509_push(cert->chain, x509) == 0) {
			X509_free(x509);
			return tls_say(
			    BEVHOST_LOG_ERROR, item, "%s", strerror(ENOMEM));
		}
	}
	if (ERR_peek_last_error() != 0)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "certificate number %d in it cannot be read (%s): write "
		    "the file anew",
		    (cert->own != NULL) + sk_X509_num(cert->chain) + 1,
		    tls_say_openssl());
	return 0;
}

static int
tls_cert_read(struct tls_cert *cert, const struct tls_file *file)
{
	BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->len);
	int status;

	if (bio == NULL)
		return tls_say(
		    BEVHOST_LOG_ERROR, cert->item, "%s", strerror(ENOMEM));
	status = tls_cert_read_all(cert, bio);
	BIO_free(bio);
	if (status == 0 && cert->own == NULL)
		return tls_say(BEVHOST_LOG_ERROR, cert->item,
		    "there is no certificate in it: it is to be in PEM form, "
		    "with a line BEGIN CERTIFICATE");
	return status;
}

/* Reading keys */

struct tls_cert_password {
	int asked;
};

/* Nobody is there who could type it. */
static int
tls_cert_on_password(char *buf, int size, int writing, void *arg)
{
	struct tls_cert_password *password = arg;

	(void)buf;
	(void)size;
	(void)writing;
	password->asked = 1;
	return -1;
}

static int
tls_cert_no_key(const struct settings_item *cert,
    const struct settings_item *key, const struct tls_file *file, int asked)
{
	static const char end[] = " PRIVATE KEY-----";
	const struct settings_item *item = key != NULL ? key : cert;

	if (asked)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "the key has a pass phrase, which nobody can type here: "
		    "write it without one (openssl pkey -in '%s' -out FILE)",
		    item->value);
	if (memmem(file->bytes, file->len, end, sizeof(end) - 1) != NULL)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "the key cannot be read (%s): write the file anew",
		    tls_say_openssl());
	if (key != NULL)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "there is no private key in it: it is to be in PEM form, "
		    "with a line BEGIN PRIVATE KEY");
	return tls_say(BEVHOST_LOG_ERROR, item,
	    "no key comes with it: name its file with %s, right after it, or "
	    "put it into the same file",
	    SETTINGS_SPELL(item->where, "tls-key"));
}

static int
tls_cert_read_key(struct tls_cert *cert, const struct tls_file *file,
    const struct settings_item *key)
{
	struct tls_cert_password password = { 0 };
	BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->len);
	int status = 0;

	if (bio != NULL)
		cert->key = PEM_read_bio_PrivateKey(
		    bio, NULL, tls_cert_on_password, &password);
	if (cert->key == NULL)
		status = tls_cert_no_key(cert->item, key, file, password.asked);
	else
		cert->type = EVP_PKEY_get_base_id(cert->key);
	ERR_clear_error();
	BIO_free(bio);
	if (status == 0 && (file->mode & TLS_CERT_OTHERS))
		tls_say(BEVHOST_LOG_WARNING, key != NULL ? key : cert->item,
		    "everybody may read this key (mode %04o): chmod o= '%s'",
		    (unsigned)file->mode & 07777,
		    key != NULL ? key->value : cert->item->value);
	return status;
}

/* What is wrong with them */

static int
tls_cert_check_key(const struct tls_cert *cert, const struct settings_item *key)
{
	const struct settings_item *item = key != NULL ? key : cert->item;
	int i;

	if (X509_check_private_key(cert->own, cert->key) == 1)
		return 0;
	for (i = 0; i < sk_X509_num(cert->chain); i++) {
		ERR_clear_error();
		if (X509_check_private_key(
			sk_X509_value(cert->chain, i), cert->key) == 1)
			return tls_say(BEVHOST_LOG_ERROR, item,
			    "it is the key of certificate number %d in '%s': "
			    "the server's own must be the first",
			    i + 2, cert->item->value);
	}
	ERR_clear_error();
	return tls_say(BEVHOST_LOG_ERROR, item,
	    "it is not the key of the certificate in '%s': name the one that "
	    "the certificate was made for",
	    cert->item->value);
}

static const char *
tls_cert_time(const ASN1_TIME *at, char *buf, size_t size)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(at, &tm) != 1 ||
	    strftime(buf, size, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		return "?";
	return buf;
}

/* It is served: clients may know better, and something else may be to do. */
static void
tls_cert_check_time(const struct tls_cert *cert)
{
	const ASN1_TIME *from = X509_get0_notBefore(cert->own);
	const ASN1_TIME *to = X509_get0_notAfter(cert->own);
	char text[64];

	if (X509_cmp_current_time(to) < 0)
		tls_say(BEVHOST_LOG_WARNING, cert->item,
		    "it has expired on %s: clients refuse it until it is "
		    "renewed",
		    tls_cert_time(to, text, sizeof(text)));
	else if (X509_cmp_current_time(from) > 0)
		tls_say(BEVHOST_LOG_WARNING, cert->item,
		    "it is valid from %s on: clients refuse it until then",
		    tls_cert_time(from, text, sizeof(text)));
}

int
tls_cert_load(struct tls_cert *cert, const struct settings_item *item,
    const struct settings_item *key)
{
	struct tls_file file, key_file;
	int status;

	memset(cert, 0, sizeof(*cert));
	cert->item = item;
	ERR_clear_error();
	status = tls_file_read(&file, item);
	if (status < 0)
		return status;
	status = tls_cert_read(cert, &file);
	if (status == 0 && key == NULL) {
		status = tls_cert_read_key(cert, &file, NULL);
	} else if (status == 0) {
		status = tls_file_read(&key_file, key);
		if (status == 0) {
			status = tls_cert_read_key(cert, &key_file, key);
			tls_file_clear(&key_file);
		}
	}
	tls_file_clear(&file);
	if (status == 0)
		status = tls_cert_check_key(cert, key);
	if (status == 0)
		tls_cert_check_time(cert);
	return status;
}

/* Names */

static int
tls_cert_add_common_name(
    const struct tls_cert *cert, struct tls_names *names, int number)
{
	const X509_NAME *subject = X509_get_subject_name(cert->own);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text;
	int len, status;

	if (at < 0)
		return 0;
	len = ASN1_STRING_to_UTF8(
	    &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len < 0)
		return 0;
	status = tls_names_add(names, (const char *)text, (size_t)len, number);
	OPENSSL_free(text);
	return status;
}

int
tls_cert_names(const struct tls_cert *cert, struct tls_names *names, int number)
{
	GENERAL_NAMES *alternatives =
	    X509_get_ext_d2i(cert->own, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *text;
	const GENERAL_NAME *name;
	int i, status = 0;

	if (alternatives == NULL)
		return tls_cert_add_common_name(cert, names, number);
	for (i = 0; i < sk_GENERAL_NAME_num(alternatives) && status == 0; i++) {
		name = sk_GENERAL_NAME_value(alternatives, i);
		if (name->type != GEN_DNS)
			continue;
		text = name->d.dNSName;
		status = tls_names_add(names,
		    (const char *)ASN1_STRING_get0_data(text),
		    (size_t)ASN1_STRING_length(text), number);
	}
	GENERAL_NAMES_free(alternatives);
	return status;
}

void
tls_cert_clear(struct tls_cert *cert)
{
	X509_free(cert->own);
	sk_X509_pop_free(cert->chain, X509_free);
	EVP_PKEY_free(cert->key);
	OPENSSL_free(cert->ocsp);
	memset(cert, 0, sizeof(*cert));
}

#endif
