/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer of a CA about a certificate, as somebody has fetched it into a
 * file. Whose it is can be told without the CA's own certificate; whether it is
 * true is for clients to see.
 */
#include "tls_cert.h"

#ifdef HAVE_OPENSSL

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include "settings_guard.h"
#include "tls_file.h"
#include "tls_say.h"

/* By serial number and by the issuer's name, whose digest it has. */
static int
tls_ocsp_is_about(OCSP_SINGLERESP *single, X509 *own)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	ASN1_OCTET_STRING *name;
	ASN1_INTEGER *serial;
	ASN1_OBJECT *kind;
	unsigned len;
	const EVP_MD *md;

	if (OCSP_id_get0_info(&name, &kind, NULL, &serial,
		(OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single)) != 1)
		return 0;
	md = EVP_get_digestbyobj(kind);
	return md != NULL &&
	       ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(own)) == 0 &&
	       X509_NAME_digest(X509_get_issuer_name(own), md, digest, &len) ==
		   1 &&
	       ASN1_STRING_length(name) == (int)len &&
	       memcmp(ASN1_STRING_get0_data(name), digest, len) == 0;
}

static OCSP_SINGLERESP *
tls_ocsp_find(OCSP_BASICRESP *basic, X509 *own)
{
	int i;

	for (i = 0; i < OCSP_resp_count(basic); i++)
		if (tls_ocsp_is_about(OCSP_resp_get0(basic, i), own))
			return OCSP_resp_get0(basic, i);
	return NULL;
}

static time_t
tls_ocsp_time(const ASN1_GENERALIZEDTIME *at)
{
	struct tm tm;

	return at != NULL && ASN1_TIME_to_tm(at, &tm) == 1 ? timegm(&tm) : 0;
}

static void
tls_ocsp_warn(
    const struct tls_cert *cert, const struct settings_item *item, int state)
{
	struct tm tm;
	char text[64];

	if (state == V_OCSP_CERTSTATUS_REVOKED)
		tls_say(BEVHOST_LOG_WARNING, item,
		    "it says that the certificate in '%s' is revoked: get a "
		    "new certificate",
		    cert->item->value);
	if (cert->ocsp_until == 0 || cert->ocsp_until > time(NULL) ||
	    gmtime_r(&cert->ocsp_until, &tm) == NULL)
		return;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	tls_say(BEVHOST_LOG_WARNING, item,
	    "it was good until %s, and is not sent any more: fetch a new one",
	    text);
}

static int
tls_ocsp_check(struct tls_cert *cert, const struct settings_item *item,
    OCSP_RESPONSE *response)
{
	OCSP_BASICRESP *basic;
	OCSP_SINGLERESP *single;
	ASN1_GENERALIZEDTIME *until = NULL;
	int state;

	if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "the CA did not answer but said '%s': ask it again",
		    OCSP_response_status_str(OCSP_response_status(response)));
	basic = OCSP_response_get1_basic(response);
	if (basic == NULL)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "it cannot be read (%s): ask the CA again",
		    tls_say_openssl());
	single = tls_ocsp_find(basic, cert->own);
	if (single == NULL) {
		OCSP_BASICRESP_free(basic);
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "it is not about the certificate in '%s': ask the CA about "
		    "that one",
		    cert->item->value);
	}
	state = OCSP_single_get0_status(single, NULL, NULL, NULL, &until);
	cert->ocsp_until = tls_ocsp_time(until);
	OCSP_BASICRESP_free(basic);
	tls_ocsp_warn(cert, item, state);
	return 0;
}

static int
tls_ocsp_keep(struct tls_cert *cert, const struct settings_item *item,
    OCSP_RESPONSE *response)
{
	cert->ocsp_len = i2d_OCSP_RESPONSE(response, &cert->ocsp);
	if (cert->ocsp_len > 0)
		return 0;
	cert->ocsp = NULL;
	return tls_say(BEVHOST_LOG_ERROR, item, "%s", tls_say_openssl());
}

int
tls_cert_load_ocsp(struct tls_cert *cert, const struct settings_item *item)
{
	struct tls_file file;
	const unsigned char *at;
	OCSP_RESPONSE *response;
	int status;

	status = tls_file_read(&file, item);
	if (status < 0)
		return status;
	at = file.bytes;
	response = d2i_OCSP_RESPONSE(NULL, &at, (long)file.len);
	tls_file_clear(&file);
	ERR_clear_error();
	if (response == NULL)
		return tls_say(BEVHOST_LOG_ERROR, item,
		    "it is no answer of OCSP in DER form: fetch one with "
		    "openssl ocsp -respout");
	status = tls_ocsp_check(cert, item, response);
	if (status == 0)
		status = tls_ocsp_keep(cert, item, response);
	OCSP_RESPONSE_free(response);
	return status;
}

#endif
