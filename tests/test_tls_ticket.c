/* SPDX-License-Identifier: BSD-2-Clause */
/* Sessions that are resumed, and those that must not be. */
#include "tls_ticket.h"

#ifdef HAVE_OPENSSL

#include "tickets.h"
#include "tls.h"
#include "tls_made.h"

static struct made authority, one;
static struct tls *tls;
static SSL_CTX *client_ctx;
static struct tickets tickets;

static void
setup(void)
{
	static const struct wish wish = { .cn = "authority" };

	folder_make();
	authority = make(&wish);
	put_cert("ca.crt", &authority);
	client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_load_verify_file(client_ctx, path_of("ca.crt"));
	ck_assert_int_eq(tickets_init(&tickets), 0);
	tls_ticket_use(&tickets, 3600000);
	memset(&one, 0, sizeof(one));
	tls = NULL;
}

static void
teardown(void)
{
	tls_free(tls);
	SSL_CTX_free(client_ctx);
	tls_ticket_use(NULL, 0);
	tickets_clear(&tickets);
	made_clear(&authority);
	made_clear(&one);
	folder_remove();
}

static void
load(void)
{
	ck_assert_int_eq(tls_new(&tls, &guard), 0);
	ck_assert_ptr_nonnull(tls);
}

static void
make_one(void)
{
	const struct wish wish = { .cn = "one.example", .issuer = &authority };

	one = make_pair("one", &wish);
}

static SSL_SESSION *client_session;

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(client_session);
	client_session = session;
	return 1;
}

/* Shakes hands with ctx, with the session of the last time. Was it resumed? */
static int
resumes(SSL_CTX *ctx, const char *host)
{
	struct pair pair = pair_make(ctx, client_ctx);
	int resumed;

	SSL_CTX_set_session_cache_mode(
	    client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client_ctx, on_session);
	if (host != NULL)
		SSL_set_tlsext_host_name(pair.client, host);
	if (client_session != NULL)
		SSL_set_session(pair.client, client_session);
	pair_shake(&pair);
	ck_assert(pair.good);
	resumed = SSL_session_reused(pair.server);
	/* A ticket that took the place of another is told nobody in TLS 1.2. */
	if (SSL_version(pair.client) == TLS1_2_VERSION &&
	    SSL_SESSION_has_ticket(SSL_get_session(pair.client)))
		on_session(NULL, SSL_get1_session(pair.client));
	pair_clear(&pair);
	return resumed;
}

static void
speak(int old)
{
	if (old)
		SSL_CTX_set_max_proto_version(client_ctx, TLS1_2_VERSION);
}

static void
forget(void)
{
	SSL_SESSION_free(client_session);
	client_session = NULL;
}

START_TEST(a_ticket_is_good_for_another_worker)
{
	struct tls *other;

	speak(_i);
	make_one();
	load();
	ck_assert_int_eq(tls_new(&other, &guard), 0);
	ck_assert(!resumes(tls_ctx(tls), NULL));
	ck_assert_ptr_nonnull(client_session);
	ck_assert(resumes(tls_ctx(other), NULL));
	tls_free(other);
	forget();
}
END_TEST

START_TEST(a_ticket_is_good_until_its_key_is_forgotten)
{
	SSL_SESSION *first;

	speak(_i);
	make_one();
	load();
	ck_assert(!resumes(tls_ctx(tls), NULL));
	first = client_session;
	SSL_SESSION_up_ref(first);
	ck_assert_int_eq(tickets_rotate_when_due(&tickets, 0), 1);
	ck_assert(resumes(tls_ctx(tls), NULL));
	/* It got a new one, under the new key. */
	ck_assert_ptr_ne(client_session, first);
	ck_assert_int_eq(tickets_rotate_when_due(&tickets, 0), 1);
	ck_assert(resumes(tls_ctx(tls), NULL));
	on_session(NULL, first);
	ck_assert(!resumes(tls_ctx(tls), NULL));
	forget();
}
END_TEST

START_TEST(without_tickets_nothing_is_resumed)
{
	speak(_i);
	make_one();
	guard.tls_tickets = 0;
	load();
	ck_assert(!resumes(tls_ctx(tls), NULL));
	if (!_i)
		ck_assert_ptr_null(client_session);
	ck_assert(!resumes(tls_ctx(tls), NULL));
	forget();
}
END_TEST

START_TEST(a_ticket_is_no_good_where_more_is_asked_of_a_client)
{
	struct tls *other;
	int good;
	struct pair pair;

	speak(_i);
	make_one();
	load();
	guard.tls_client = SETTINGS_CLIENT_REQUIRED;
	give("tls-client-ca", path_of("ca.crt"));
	ck_assert_int_eq(tls_new(&other, &guard), 0);
	ck_assert(!resumes(tls_ctx(tls), NULL));
	pair = pair_make(tls_ctx(other), client_ctx);
	SSL_set_session(pair.client, client_session);
	pair_shake(&pair);
	good = pair.good;
	pair_clear(&pair);
	ck_assert(!good);
	tls_free(other);
	forget();
}
END_TEST

START_TEST(a_clients_certificate_is_known_after_a_resumption)
{
	const struct wish wish = { .cn = "client", .issuer = &authority };
	struct made client = make(&wish);
	struct pair pair;

	speak(_i);
	make_one();
	guard.tls_client = SETTINGS_CLIENT_REQUIRED;
	give("tls-client-ca", path_of("ca.crt"));
	load();
	SSL_CTX_use_certificate(client_ctx, client.x509);
	SSL_CTX_use_PrivateKey(client_ctx, client.key);
	ck_assert(!resumes(tls_ctx(tls), NULL));
	pair = pair_make(tls_ctx(tls), client_ctx);
	SSL_set_session(pair.client, client_session);
	pair_shake(&pair);
	ck_assert(pair.good);
	ck_assert(SSL_session_reused(pair.server));
	ck_assert_int_eq(
	    X509_cmp(SSL_get0_peer_certificate(pair.server), client.x509), 0);
	ck_assert_int_eq(SSL_get_verify_result(pair.server), X509_V_OK);
	pair_clear(&pair);
	made_clear(&client);
	forget();
}
END_TEST

START_TEST(the_name_that_was_asked_for_is_known_after_a_resumption)
{
	struct pair pair;

	speak(_i);
	make_one();
	load();
	ck_assert(!resumes(tls_ctx(tls), "other.example"));
	pair = pair_make(tls_ctx(tls), client_ctx);
	SSL_set_tlsext_host_name(pair.client, "other.example");
	SSL_set_session(pair.client, client_session);
	pair_shake(&pair);
	ck_assert(SSL_session_reused(pair.server));
	ck_assert_pstr_eq(
	    SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name),
	    "other.example");
	pair_clear(&pair);
	forget();
}
END_TEST

/* Alone */

START_TEST(a_process_alone_rotates_its_keys_itself)
{
	struct ticket_key first, key;

	make_one();
	load();
	ck_assert_int_eq(tickets_current(&tickets, &first), 0);
	ck_assert(!resumes(tls_ctx(tls), NULL));
	ck_assert_int_eq(tickets_current(&tickets, &key), 0);
	ck_assert_mem_eq(&first, &key, sizeof(key));
	tls_ticket_use(&tickets, 0);
	(void)resumes(tls_ctx(tls), NULL);
	ck_assert_int_eq(tickets_current(&tickets, &key), 0);
	ck_assert_mem_ne(&first, &key, sizeof(key));
	forget();
}
END_TEST

START_TEST(without_keys_there_are_no_tickets)
{
	speak(_i);
	make_one();
	tls_ticket_use(NULL, 0);
	load();
	ck_assert(!resumes(tls_ctx(tls), NULL));
	ck_assert(!resumes(tls_ctx(tls), NULL));
	forget();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_ticket");
	TCase *tcase = tcase_create("tls_ticket");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_ticket_is_good_for_another_worker, 0, 2);
	tcase_add_loop_test(
	    tcase, a_ticket_is_good_until_its_key_is_forgotten, 0, 2);
	tcase_add_loop_test(tcase, without_tickets_nothing_is_resumed, 0, 2);
	tcase_add_loop_test(
	    tcase, a_ticket_is_no_good_where_more_is_asked_of_a_client, 0, 2);
	tcase_add_loop_test(
	    tcase, a_clients_certificate_is_known_after_a_resumption, 0, 2);
	tcase_add_loop_test(tcase,
	    the_name_that_was_asked_for_is_known_after_a_resumption, 0, 2);
	tcase_add_test(tcase, a_process_alone_rotates_its_keys_itself);
	tcase_add_loop_test(tcase, without_keys_there_are_no_tickets, 0, 2);
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
