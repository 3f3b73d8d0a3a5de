/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client of a listener gets: certificates and protocols. */
#include "tls.h"

#ifdef HAVE_OPENSSL

#include <openssl/err.h>

#include "tls_made.h"

static struct made authority, one, two;
static struct tls *tls;
static SSL_CTX *client_ctx;

static void
setup(void)
{
	static const struct wish wish = { .cn = "authority" };

	folder_make();
	authority = make(&wish);
	put_cert("ca.crt", &authority);
	client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_load_verify_file(client_ctx, path_of("ca.crt"));
	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	tls = NULL;
}

static void
teardown(void)
{
	tls_free(tls);
	SSL_CTX_free(client_ctx);
	made_clear(&authority);
	made_clear(&one);
	made_clear(&two);
	folder_remove();
}

static struct made
make_server(const char *name, const char *names, int rsa)
{
	const struct wish wish = {
		.cn = name, .names = names, .issuer = &authority, .rsa = rsa
	};

	return make_pair(name, &wish);
}

static void
load(void)
{
	ck_assert_int_eq(tls_new(&tls, &guard), 0);
	ck_assert_ptr_nonnull(tls);
}

/* The client's host, and whether it sees this certificate. */
static int
is_shown(const struct made *made, const char *host, const char *algorithms)
{
	struct pair pair = pair_make(tls_ctx(tls), client_ctx);
	X509 *x509;
	int shown;

	if (host != NULL)
		SSL_set_tlsext_host_name(pair.client, host);
	if (algorithms != NULL)
		SSL_set1_sigalgs_list(pair.client, algorithms);
	pair_shake(&pair);
	ck_assert(pair.good);
	x509 = SSL_get0_peer_certificate(pair.client);
	shown = X509_cmp(x509, made->x509) == 0;
	pair_clear(&pair);
	return shown;
}

START_TEST(without_a_certificate_there_is_no_tls)
{
	ck_assert_int_eq(tls_new(&tls, &guard), 0);
	ck_assert_ptr_null(tls);
	tls_free(NULL);
}
END_TEST

START_TEST(a_certificate_is_chosen_by_the_name_that_is_asked_for)
{
	one = make_server("one", "DNS:one.example,DNS:*.one.example", 0);
	two = make_server("two", "DNS:two.example", 0);
	load();
	ck_assert(is_shown(&one, "one.example", NULL));
	ck_assert(is_shown(&one, "www.ONE.example", NULL));
	ck_assert(is_shown(&two, "two.example", NULL));
}
END_TEST

START_TEST(the_first_is_for_all_that_ask_for_no_name_or_another)
{
	one = make_server("one", "DNS:one.example", 0);
	two = make_server("two", "DNS:two.example", 0);
	load();
	ck_assert(is_shown(&one, NULL, NULL));
	ck_assert(is_shown(&one, "other.example", NULL));
}
END_TEST

START_TEST(a_common_name_counts_when_there_are_no_others)
{
	one = make_server("one.example", NULL, 0);
	two = make_server("two.example", NULL, 0);
	load();
	ck_assert(is_shown(&two, "two.example", NULL));
	ck_assert(is_shown(&one, "one.example", NULL));
}
END_TEST

START_TEST(a_client_gets_the_type_of_key_that_it_can_verify)
{
	one = make_server("rsa", "DNS:one.example", 1);
	two = make_server("ec", "DNS:one.example", 0);
	load();
	if (_i == 0)
		SSL_CTX_set_max_proto_version(client_ctx, TLS1_2_VERSION);
	ck_assert(is_shown(&one, "one.example", "RSA-PSS+SHA256:RSA+SHA256"));
	ck_assert(is_shown(&two, "one.example", "ECDSA+SHA256"));
	ck_assert(is_shown(&one, NULL, "RSA-PSS+SHA256:RSA+SHA256"));
	ck_assert(is_shown(&two, NULL, "ECDSA+SHA256"));
}
END_TEST

START_TEST(the_chain_is_sent_with_it)
{
	static const struct wish middle = { .cn = "middle" };
	struct wish wish = { .cn = "one", .names = "DNS:one.example" };
	struct made between = make(&middle);
	struct pair pair;

	wish.issuer = &between;
	one = make_pair("one", &wish);
	put_cert("one.crt", &between);
	put_cert("one.crt", &authority);
	load();
	pair = pair_make(tls_ctx(tls), client_ctx);
	pair_shake(&pair);
	ck_assert(pair.good);
	ck_assert_int_eq(sk_X509_num(SSL_get_peer_cert_chain(pair.client)), 3);
	pair_clear(&pair);
	made_clear(&between);
}
END_TEST

START_TEST(a_key_may_be_in_the_certificates_file)
{
	const struct wish wish = { .cn = "both", .issuer = &authority };

	one = make(&wish);
	if (_i == 0)
		put_key("both.pem", &one);
	put_cert("both.pem", &one);
	if (_i == 1)
		put_key("both.pem", &one);
	give("tls-cert", path_of("both.pem"));
	load();
	ck_assert(is_shown(&one, NULL, NULL));
}
END_TEST

START_TEST(nothing_older_than_tls_1_2_is_spoken)
{
	struct pair pair;

	one = make_server("one", "DNS:one.example", 0);
	guard.tls_min_version = _i;
	load();
	SSL_CTX_set_min_proto_version(client_ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(client_ctx,
	    _i == SETTINGS_TLS_1_2 ? TLS1_1_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(client_ctx, "ALL:@SECLEVEL=0");
	pair = pair_make(tls_ctx(tls), client_ctx);
	pair_shake(&pair);
	ck_assert(!pair.good);
	pair_clear(&pair);
	SSL_CTX_set_max_proto_version(client_ctx, 0);
	ck_assert(is_shown(&one, NULL, NULL));
}
END_TEST

/* Protocols */

static const char *
chosen(const char *offered, int *good)
{
	static char text[256];
	struct pair pair = pair_make(tls_ctx(tls), client_ctx);
	const unsigned char *name;
	unsigned len;

	if (offered != NULL)
		SSL_set_alpn_protos(pair.client, (const unsigned char *)offered,
		    (unsigned)strlen(offered));
	pair_shake(&pair);
	*good = pair.good;
	SSL_get0_alpn_selected(pair.client, &name, &len);
	snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)name);
	pair_clear(&pair);
	return text;
}

START_TEST(our_first_protocol_that_the_client_knows_is_chosen)
{
	int good;

	one = make_server("one", NULL, 0);
	give("tls-alpn", "h2,http/1.1");
	give("tls-alpn", "last");
	load();
	ck_assert_str_eq(chosen("\x08http/1.1\x02h2", &good), "h2");
	ck_assert_str_eq(chosen("\x04last\x08http/1.1", &good), "http/1.1");
	ck_assert_str_eq(chosen("\x04last", &good), "last");
	ck_assert(good);
	ck_assert_str_eq(chosen(NULL, &good), "");
	ck_assert(good);
}
END_TEST

START_TEST(a_client_that_knows_none_of_our_protocols_is_refused)
{
	int good;

	one = make_server("one", NULL, 0);
	give("tls-alpn", "h2");
	load();
	ERR_clear_error();
	chosen("\x08http/1.1", &good);
	ck_assert(!good);
	ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()),
	    SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
}
END_TEST

/* Clients */

static int
is_taken(const struct made *client)
{
	struct pair pair = pair_make(tls_ctx(tls), client_ctx);
	int good;

	if (client != NULL) {
		SSL_use_certificate(pair.client, client->x509);
		SSL_use_PrivateKey(pair.client, client->key);
	}
	pair_shake(&pair);
	good = pair.good;
	if (good && client != NULL)
		ck_assert_int_eq(
		    X509_cmp(
			SSL_get0_peer_certificate(pair.server), client->x509),
		    0);
	pair_clear(&pair);
	return good;
}

START_TEST(clients_show_certificates_as_it_is_asked)
{
	const struct wish good = { .cn = "client", .issuer = &authority };
	static const struct wish bad = { .cn = "stranger" };
	struct made client = make(&good), stranger = make(&bad);

	one = make_server("one", NULL, 0);
	guard.tls_client = _i;
	if (_i != SETTINGS_CLIENT_OFF)
		give("tls-client-ca", path_of("ca.crt"));
	load();
	ck_assert_int_eq(is_taken(NULL), _i != SETTINGS_CLIENT_REQUIRED);
	if (_i != SETTINGS_CLIENT_OFF) {
		ck_assert(is_taken(&client));
		ck_assert(!is_taken(&stranger));
	}
	made_clear(&client);
	made_clear(&stranger);
}
END_TEST

START_TEST(these_settings_name_files)
{
	ck_assert(tls_is_file("tls-cert"));
	ck_assert(tls_is_file("tls-key"));
	ck_assert(tls_is_file("tls-ocsp"));
	ck_assert(tls_is_file("tls-client-ca"));
	ck_assert(!tls_is_file("tls-alpn"));
	ck_assert(!tls_is_file("allow"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls");
	TCase *tcase = tcase_create("tls");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_a_certificate_there_is_no_tls);
	tcase_add_test(
	    tcase, a_certificate_is_chosen_by_the_name_that_is_asked_for);
	tcase_add_test(
	    tcase, the_first_is_for_all_that_ask_for_no_name_or_another);
	tcase_add_test(tcase, a_common_name_counts_when_there_are_no_others);
	tcase_add_loop_test(
	    tcase, a_client_gets_the_type_of_key_that_it_can_verify, 0, 2);
	tcase_add_test(tcase, the_chain_is_sent_with_it);
	tcase_add_loop_test(tcase, a_key_may_be_in_the_certificates_file, 0, 2);
	tcase_add_loop_test(tcase, nothing_older_than_tls_1_2_is_spoken, 0, 2);
	tcase_add_test(
	    tcase, our_first_protocol_that_the_client_knows_is_chosen);
	tcase_add_test(
	    tcase, a_client_that_knows_none_of_our_protocols_is_refused);
	tcase_add_loop_test(
	    tcase, clients_show_certificates_as_it_is_asked, 0, 3);
	tcase_add_test(tcase, these_settings_name_files);
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
