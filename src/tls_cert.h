/* SPDX-License-Identifier: BSD-2-Clause */
/* A certificate with its chain, its key, and what its CA says of it. */
#ifndef TLS_CERT_H
#define TLS_CERT_H

#include <time.h>

#include <bevhost/base.h>

struct evp_pkey_st;
struct settings_item;
struct stack_st_X509;
struct tls_names;
struct x509_st;

struct tls_cert {
	const struct settings_item *item; /* that names it */
	struct x509_st *own;
	struct stack_st_X509 *chain; /* without its own */
	struct evp_pkey_st *key;
	int type; /* of the key: EVP_PKEY_RSA and the like */

	unsigned char *ocsp; /* DER, or NULL */
	int ocsp_len;
	time_t ocsp_until; /* 0: it does not say */
};

/*
 * From PEM files. key is NULL when it is in the same file. Both return 0, or
 * minus an exit status having logged; tls_cert_clear() is due either way. What
 * is only going to be wrong for clients, such as a certificate that has
 * expired, is a warning.
 */
int tls_cert_load(struct tls_cert *cert, const struct settings_item *item,
    const struct settings_item *key) BEVHOST_MUST_CHECK;
/* The answer of a CA, in DER (RFC 6960). */
int tls_cert_load_ocsp(
    struct tls_cert *cert, const struct settings_item *item) BEVHOST_MUST_CHECK;
/* The names that it is for: those of its subjectAltName, or the common name
   when it has no subjectAltName. 0, or -1 with errno. */
int tls_cert_names(const struct tls_cert *cert, struct tls_names *names,
    int number) BEVHOST_MUST_CHECK;

void tls_cert_clear(struct tls_cert *cert);

#endif
