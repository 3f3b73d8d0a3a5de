/* SPDX-License-Identifier: BSD-2-Clause */
/* What a CA says of a certificate, and who hears it. */
#include "tls.h"

#ifdef HAVE_OPENSSL

#include <openssl/ocsp.h>

#include "tls_cert_fixture.h"

static void
put_response(OCSP_RESPONSE *response)
{
	BIO *bio = BIO_new_file(path_of("one.ocsp"), "w");

	ck_assert_int_eq(i2d_OCSP_RESPONSE_bio(bio, response), 1);
	BIO_free(bio);
	OCSP_RESPONSE_free(response);
}

static void
put_ocsp(const struct made *about, int state, long until_s)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id =
	    OCSP_cert_to_id(EVP_sha1(), about->x509, authority.x509);
	ASN1_TIME *from = X509_gmtime_adj(NULL, -7 * DAY_S);
	ASN1_TIME *until = X509_gmtime_adj(NULL, until_s);

	ck_assert_ptr_nonnull(OCSP_basic_add1_status(basic, id, state,
	    OCSP_REVOKED_STATUS_NOSTATUS,
	    state == V_OCSP_CERTSTATUS_REVOKED ? from : NULL, from, until));
	ck_assert_int_eq(OCSP_basic_sign(basic, authority.x509, authority.key,
			     EVP_sha256(), NULL, 0),
	    1);
	put_response(
	    OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic));
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	give("tls-ocsp", path_of("one.ocsp"));
}

/* What a client that asks for it gets: its length, or -1. */
static long
stapled(void)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	const unsigned char *response;
	struct tls *tls;
	struct pair pair;
	long len;

	ck_assert_int_eq(tls_new(&tls, &guard), 0);
	pair = pair_make(tls_ctx(tls), client_ctx);
	SSL_set_tlsext_status_type(pair.client, TLSEXT_STATUSTYPE_ocsp);
	pair_shake(&pair);
	ck_assert(pair.good);
	len = SSL_get_tlsext_status_ocsp_resp(pair.client, &response);
	pair_clear(&pair);
	tls_free(tls);
	SSL_CTX_free(client_ctx);
	return len;
}

START_TEST(what_the_authority_says_is_passed_on)
{
	struct stat st;

	make_one();
	put_ocsp(&one, V_OCSP_CERTSTATUS_GOOD, DAY_S);
	warned("");
	ck_assert_int_eq(stat(path_of("one.ocsp"), &st), 0);
	ck_assert_int_eq(stapled(), st.st_size);
}
END_TEST

START_TEST(what_is_old_is_not_passed_on)
{
	int status;

	make_one();
	put_ocsp(&one, V_OCSP_CERTSTATUS_GOOD, -DAY_S);
	ck_assert_ptr_nonnull(strstr(said(&status),
	    " UTC, and is not sent any more: fetch a new one\n"));
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(stapled(), -1);
}
END_TEST

START_TEST(a_certificate_that_is_revoked)
{
	make_one();
	put_ocsp(&one, V_OCSP_CERTSTATUS_REVOKED, DAY_S);
	warned("bevhost: --tls-ocsp=one.ocsp: it says that the certificate in "
	       "'one.crt' is revoked: get a new certificate\n");
}
END_TEST

START_TEST(an_answer_about_another_certificate)
{
	const struct wish wish = { .cn = "two", .issuer = &authority };
	struct made two = make(&wish);

	make_one();
	put_ocsp(&two, V_OCSP_CERTSTATUS_GOOD, DAY_S);
	refused("bevhost: --tls-ocsp=one.ocsp: it is not about the certificate "
		"in 'one.crt': ask the CA about that one\n");
	made_clear(&two);
}
END_TEST

START_TEST(an_answer_that_is_none)
{
	make_one();
	give("tls-ocsp", path_of("one.ocsp"));
	put_text("one.ocsp", "nothing\n");
	refused("bevhost: --tls-ocsp=one.ocsp: it is no answer of OCSP in DER "
		"form: fetch one with openssl ocsp -respout\n");
	put_response(OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL));
	refused("bevhost: --tls-ocsp=one.ocsp: the CA did not answer but said "
		"'trylater': ask it again\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_ocsp");
	TCase *tcase = tcase_create("tls_ocsp");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_the_authority_says_is_passed_on);
	tcase_add_test(tcase, what_is_old_is_not_passed_on);
	tcase_add_test(tcase, a_certificate_that_is_revoked);
	tcase_add_test(tcase, an_answer_about_another_certificate);
	tcase_add_test(tcase, an_answer_that_is_none);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}

#else

#include <stdio.h>

int
main(void)
{
	puts("1..0 # SKIP built without OpenSSL");
	return 0;
}

#endif
