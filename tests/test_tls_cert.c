/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with the settings of TLS, word by word. */
#include "tls.h"

#ifdef HAVE_OPENSSL

#include "tls_cert_fixture.h"

START_TEST(all_is_well)
{
	make_one();
	warned("");
}
END_TEST

START_TEST(a_file_that_is_not_there)
{
	make_one();
	unlink(path_of("one.key"));
	unreadable(
	    "bevhost: --tls-key=one.key: there is no such file: check the "
	    "path\n");
}
END_TEST

START_TEST(a_line_of_a_configuration_file_is_named)
{
	const struct wish wish = { .cn = "one" };

	one = make(&wish);
	put_cert("one.crt", &one);
	give_from("tls-cert", path_of("one.crt"), "host.conf:7");
	give_from("tls-key", path_of("one.key"), "host.conf:8");
	unreadable("bevhost: host.conf:8: tls-key = 'one.key': there is no "
		   "such file: check the path\n");
	put_text("one.key", "nothing\n");
	expect(-EX_CONFIG,
	    "bevhost: host.conf:8: tls-key = 'one.key': there is no private "
	    "key in it: it is to be in PEM form, with a line BEGIN PRIVATE "
	    "KEY\n");
}
END_TEST

START_TEST(a_file_that_may_not_be_read)
{
	char text[256];

	if (geteuid() == 0)
		return;
	make_one();
	chmod(path_of("one.key"), 0);
	snprintf(text, sizeof(text),
	    "bevhost: --tls-key=one.key: Permission denied: let user %lu read "
	    "it\n",
	    (unsigned long)geteuid());
	unreadable(text);
}
END_TEST

START_TEST(what_is_no_file_is_not_waited_for)
{
	make_one();
	unlink(path_of("one.key"));
	if (_i == 0) {
		mkdir(path_of("one.key"), 0700);
		unreadable(
		    "bevhost: --tls-key=one.key: it is a folder: name the "
		    "file in it\n");
	} else if (_i == 1) {
		mkfifo(path_of("one.key"), 0600);
		unreadable("bevhost: --tls-key=one.key: it is not a regular "
			   "file\n");
	} else {
		put_text("one.key", "");
		unreadable("bevhost: --tls-key=one.key: it is empty\n");
	}
}
END_TEST

START_TEST(a_certificate_that_is_none)
{
	make_one();
	put_text("one.crt", "nothing\n");
	refused("bevhost: --tls-cert=one.crt: there is no certificate in it: "
		"it is to be in PEM form, with a line BEGIN CERTIFICATE\n");
}
END_TEST

START_TEST(a_chain_that_is_broken)
{
	FILE *file;
	int status;

	make_one();
	file = file_open("one.crt", "a");
	fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    file);
	fclose(file);
	ck_assert_ptr_nonnull(strstr(said(&status),
	    "--tls-cert=one.crt: certificate number 2 in it cannot be read ("));
	ck_assert_int_eq(status, -EX_USAGE);
}
END_TEST

START_TEST(a_key_of_another_certificate)
{
	static const struct wish wish = { .cn = "two" };
	struct made two = make(&wish);

	make_one();
	unlink(path_of("one.key"));
	put_key("one.key", &two);
	refused("bevhost: --tls-key=one.key: it is not the key of the "
		"certificate in 'one.crt': name the one that the certificate "
		"was made for\n");
	made_clear(&two);
}
END_TEST

START_TEST(a_chain_in_the_wrong_order)
{
	make_one();
	unlink(path_of("one.crt"));
	put_cert("one.crt", &authority);
	put_cert("one.crt", &one);
	refused("bevhost: --tls-key=one.key: it is the key of certificate "
		"number 2 in 'one.crt': the server's own must be the first\n");
}
END_TEST

START_TEST(a_key_that_is_none)
{
	make_one();
	put_text("one.key", "nothing\n");
	refused("bevhost: --tls-key=one.key: there is no private key in it: "
		"it is to be in PEM form, with a line BEGIN PRIVATE KEY\n");
}
END_TEST

START_TEST(a_certificate_without_a_key)
{
	make_one();
	guard.item_count--;
	refused("bevhost: --tls-cert=one.crt: no key comes with it: name its "
		"file with --tls-key, right after it, or put it into the same "
		"file\n");
	guard.item_count++;
}
END_TEST

START_TEST(a_key_with_a_pass_phrase)
{
	BIO *bio;

	make_one();
	bio = BIO_new_file(path_of("one.key"), "w");
	ck_assert_int_eq(
	    _i == 0 ? PEM_write_bio_PKCS8PrivateKey(bio, one.key,
			  EVP_aes_256_cbc(), "secret", 6, NULL, NULL)
		    : PEM_write_bio_PrivateKey_traditional(bio, one.key,
			  EVP_aes_256_cbc(), (const unsigned char *)"secret", 6,
			  NULL, NULL),
	    1);
	BIO_free(bio);
	refused("bevhost: --tls-key=one.key: the key has a pass phrase, which "
		"nobody can type here: write it without one (openssl pkey -in "
		"'one.key' -out FILE)\n");
}
END_TEST

START_TEST(a_key_without_a_certificate)
{
	put_text("one.key", "nothing\n");
	give("tls-key", path_of("one.key"));
	refused("bevhost: --tls-key=one.key: there is no certificate that it "
		"is for: name that with --tls-cert, before it\n");
}
END_TEST

START_TEST(two_keys_for_one_certificate)
{
	make_one();
	give("tls-key", path_of("two.key"));
	refused("bevhost: --tls-key=two.key: 'one.crt' has one already, "
		"'one.key': name another certificate before it\n");
}
END_TEST

START_TEST(a_key_that_everybody_may_read)
{
	make_one();
	chmod(path_of("one.key"), 0644);
	warned("bevhost: --tls-key=one.key: everybody may read this key (mode "
	       "0644): chmod o= 'one.key'\n");
}
END_TEST

START_TEST(a_certificate_that_is_too_old_or_too_new)
{
	struct wish wish = { .cn = "one", .issuer = &authority };
	int status;
	const char *text;

	wish.from_s = _i == 0 ? -2 * DAY_S : 2 * DAY_S;
	wish.to_s = wish.from_s + DAY_S;
	one = make_pair("one", &wish);
	text = said(&status);
	ck_assert_int_eq(status, 0);
	ck_assert_ptr_nonnull(strstr(text,
	    _i == 0 ? "bevhost: --tls-cert=one.crt: it has expired on 20"
		    : "bevhost: --tls-cert=one.crt: it is valid from 20"));
	ck_assert_ptr_nonnull(strstr(
	    text, _i == 0 ? " UTC: clients refuse it until it is renewed\n"
			  : " UTC on: clients refuse it until then\n"));
}
END_TEST

START_TEST(names_that_openssl_does_not_know)
{
	static const char *const given[][3] = {
		{ "tls-ciphers", "ECDHE-RSA-AES128-GCM-SHA256:AES128-NONE",
		    "cipher 'AES128-NONE': openssl ciphers lists them" },
		{ "tls-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_NONE",
		    "ciphersuite 'TLS_NONE': openssl ciphers -s -tls1_3 lists "
		    "them" },
		{ "tls-groups", "P-256:P-123",
		    "group 'P-123': X25519, P-256 and P-384 are some that it "
		    "knows" },
	};
	char text[512];

	make_one();
	give(given[_i][0], given[_i][1]);
	snprintf(text, sizeof(text), "bevhost: --%s=%s: OpenSSL knows no %s\n",
	    given[_i][0], given[_i][1], given[_i][2]);
	refused(text);
}
END_TEST

START_TEST(groups_that_make_no_list)
{
	static const char *const given[][2] = {
		{ "P-256:X25519:P-256",
		    "a group is in it twice: leave one out" },
		{ "P-256:prime256v1", "a group is in it twice: leave one out" },
		{ "X25519::P-256",
		    "a name in it is empty: it is as in X25519:P-256" },
		{ "X25519:",
		    "a name in it is empty: it is as in X25519:P-256" },
	};
	char text[512];

	make_one();
	give("tls-groups", given[_i][0]);
	snprintf(text, sizeof(text), "bevhost: --tls-groups=%s: %s\n",
	    given[_i][0], given[_i][1]);
	refused(text);
}
END_TEST

START_TEST(a_key_that_is_too_short)
{
	const struct wish wish = { .cn = "one", .rsa = 512 };

	one = make_pair("one", &wish);
	refused("bevhost: --tls-cert=one.crt: OpenSSL refuses it (ee key too "
		"small): have one made with a key of 2048 bits of RSA or 256 "
		"of EC at the least, and SHA-256\n");
}
END_TEST

START_TEST(ciphers_that_are_never_agreed_on)
{
	make_one();
	give("tls-ciphers", _i == 0 ? "eNULL" : "aNULL");
	ck_assert_ptr_nonnull(strstr(said(&(int){ 0 }),
	    "so no client of TLS 1.2 is served: add "
	    "ECDHE-ECDSA-AES128-GCM-SHA256, or do without this\n"));
	strcpy(guard.items[guard.item_count - 1].value, "ALL");
	warned("");
}
END_TEST

START_TEST(names_that_openssl_knows)
{
	static const char *const given[][2] = {
		{ "tls-ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256" },
		{ "tls-ciphers", "HIGH:!aNULL:-PSK:+RSA:@STRENGTH" },
		{ "tls-ciphers", "ECDHE+AESGCM, ECDHE+CHACHA20 @SECLEVEL=1" },
		{ "tls-ciphersuites",
		    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256" },
		{ "tls-groups", "X25519:prime256v1:P-521" },
	};

	make_one();
	give(given[_i][0], given[_i][1]);
	warned("");
}
END_TEST

START_TEST(ciphers_that_go_with_no_key)
{
	const struct wish wish = { .cn = "two", .rsa = 1 };
	struct made two;

	make_one();
	give("tls-ciphers", "ECDHE-RSA-AES128-GCM-SHA256");
	warned("bevhost: --tls-ciphers=ECDHE-RSA-AES128-GCM-SHA256: none of "
	       "these works with the key of a certificate here (EC), so no "
	       "client of TLS 1.2 is served: add "
	       "ECDHE-ECDSA-AES128-GCM-SHA256, or do without this\n");
	/* Of TLS 1.2 nothing is wanted. */
	guard.tls_min_version = SETTINGS_TLS_1_3;
	warned("");
	guard.tls_min_version = SETTINGS_TLS_1_2;
	two = make_pair("two", &wish);
	warned("");
	made_clear(&two);
}
END_TEST

START_TEST(a_list_with_nothing_in_it)
{
	make_one();
	give("tls-ciphers", ":");
	refused("bevhost: --tls-ciphers=:: there is no cipher\n");
}
END_TEST

START_TEST(protocols_without_a_name)
{
	static const char *const given[] = { "h2,", ",h2", "h2,,h3" };
	char text[256];

	make_one();
	give("tls-alpn", given[_i]);
	snprintf(text, sizeof(text),
	    "bevhost: --tls-alpn=%s: the name of a protocol is empty: it is as "
	    "in h2,http/1.1\n",
	    given[_i]);
	refused(text);
}
END_TEST

START_TEST(a_protocol_with_a_long_name)
{
	char name[257];
	int status;

	memset(name, 'a', 256);
	name[256] = '\0';
	make_one();
	give("tls-alpn", name);
	ck_assert_ptr_nonnull(strstr(said(&status),
	    ": the name of a protocol is longer than 255 bytes\n"));
	ck_assert_int_eq(status, -EX_USAGE);
	name[255] = '\0';
	strcpy(guard.items[guard.item_count - 1].value, name);
	warned("");
}
END_TEST

START_TEST(clients_that_nobody_vouches_for)
{
	make_one();
	guard.tls_client = _i;
	refused(_i == SETTINGS_CLIENT_REQUIRED
		    ? "bevhost: --tls-client=required: nobody says which "
		      "certificates are good: name the file of their CA with "
		      "--tls-client-ca\n"
		    : "bevhost: --tls-client=optional: nobody says which "
		      "certificates are good: name the file of their CA with "
		      "--tls-client-ca\n");
}
END_TEST

START_TEST(an_authority_that_nobody_asks)
{
	make_one();
	put_cert("ca.crt", &authority);
	give("tls-client-ca", path_of("ca.crt"));
	refused("bevhost: --tls-client-ca=ca.crt: --tls-client is off, so no "
		"client is asked for a certificate: make it optional or "
		"required, or do without this\n");
	/* What a file says for all listeners need not be for this one. */
	guard.items[guard.item_count - 1].inherited = 1;
	guard.items[guard.item_count - 1].where = strdup("a.conf:1");
	warned("");
}
END_TEST

START_TEST(an_authority_that_is_none)
{
	make_one();
	guard.tls_client = SETTINGS_CLIENT_REQUIRED;
	put_key("ca.crt", &authority);
	give("tls-client-ca", path_of("ca.crt"));
	refused("bevhost: --tls-client-ca=ca.crt: there is no certificate in "
		"it: it is to be in PEM form, with a line BEGIN "
		"CERTIFICATE\n");
}
END_TEST

START_TEST(certificates_of_clients_without_tls)
{
	guard.tls_client = SETTINGS_CLIENT_REQUIRED;
	refused("bevhost: --tls-client=required: there is no certificate, so "
		"there is no TLS: name one with --tls-cert, or do without "
		"this\n");
	ck_assert_int_eq(settings_give(&guard, "tls-client", "a.conf:2"), 0);
	expect(-EX_CONFIG,
	    "bevhost: a.conf:2: tls-client = 'required': there is no "
	    "certificate, so there is no TLS: name one with tls-cert, or do "
	    "without this\n");
}
END_TEST

static void
add_files(TCase *tcase)
{
	tcase_add_test(tcase, all_is_well);
	tcase_add_test(tcase, a_file_that_is_not_there);
	tcase_add_test(tcase, a_line_of_a_configuration_file_is_named);
	tcase_add_test(tcase, a_file_that_may_not_be_read);
	tcase_add_loop_test(tcase, what_is_no_file_is_not_waited_for, 0, 3);
	tcase_add_test(tcase, a_certificate_that_is_none);
	tcase_add_test(tcase, a_chain_that_is_broken);
	tcase_add_test(tcase, a_key_of_another_certificate);
	tcase_add_test(tcase, a_chain_in_the_wrong_order);
	tcase_add_test(tcase, a_key_that_is_none);
	tcase_add_test(tcase, a_certificate_without_a_key);
	tcase_add_loop_test(tcase, a_key_with_a_pass_phrase, 0, 2);
	tcase_add_test(tcase, a_key_without_a_certificate);
	tcase_add_test(tcase, two_keys_for_one_certificate);
	tcase_add_test(tcase, a_key_that_everybody_may_read);
	tcase_add_loop_test(
	    tcase, a_certificate_that_is_too_old_or_too_new, 0, 2);
}

static void
add_options(TCase *tcase)
{
	tcase_add_loop_test(tcase, names_that_openssl_does_not_know, 0, 3);
	tcase_add_loop_test(tcase, groups_that_make_no_list, 0, 4);
	tcase_add_test(tcase, a_key_that_is_too_short);
	tcase_add_loop_test(tcase, ciphers_that_are_never_agreed_on, 0, 2);
	tcase_add_loop_test(tcase, names_that_openssl_knows, 0, 5);
	tcase_add_test(tcase, ciphers_that_go_with_no_key);
	tcase_add_test(tcase, a_list_with_nothing_in_it);
	tcase_add_loop_test(tcase, protocols_without_a_name, 0, 3);
	tcase_add_test(tcase, a_protocol_with_a_long_name);
	tcase_add_loop_test(tcase, clients_that_nobody_vouches_for, 1, 3);
	tcase_add_test(tcase, an_authority_that_nobody_asks);
	tcase_add_test(tcase, an_authority_that_is_none);
	tcase_add_test(tcase, certificates_of_clients_without_tls);
}

int
main(void)
{
	Suite *suite = suite_create("tls_cert");
	TCase *tcase = tcase_create("tls_cert");

	tcase_add_checked_fixture(tcase, setup, teardown);
	add_files(tcase);
	add_options(tcase);
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
