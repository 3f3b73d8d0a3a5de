/* SPDX-License-Identifier: BSD-2-Clause */
/* What a handler gets of a PROXY header, and of a connection without one. */
#include <bevhost/peer.h>

#include <stdlib.h>
#include <string.h>

#include <bevhost/plugin.h>

#include "conn.h"
#include "conn_proxy.h"
#include "proxyhdr.h"
#include "tap.h"

#define ADDRESSES "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb"
#define TLVS                       \
	"\x02\x00\x04host"         \
	"\xe0\x00\x00"             \
	"\x20\x00\x0f\3\0\0\0\x12" \
	"\x21\x00\x07TLSv1.3"

static const char full[] =
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x28" ADDRESSES TLVS;
static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
static struct bevhost_conn *conn;

static void
setup(void)
{
	conn = calloc(1, sizeof(*conn));
	ck_assert_ptr_nonnull(conn);
	conn->peer.sa.sa_family = AF_UNIX;
}

static void
teardown(void)
{
	conn_set_proxy(conn, NULL);
	free(conn);
}

static void
begin_with(const char *bytes, size_t len)
{
	const char *why = "";
	struct proxyhdr *header = proxyhdr_new(bytes, len, &why);

	ck_assert_msg(header != NULL, "%s", why);
	conn_set_proxy(conn, header);
}

static void
assert_text(const char *text)
{
	char buf[BEVHOST_ADDRESS_SIZE];

	ck_assert_str_eq(
	    bevhost_conn_client_text(conn, buf, sizeof(buf)), text);
}

START_TEST(without_a_header_there_is_the_peer_alone)
{
	struct bevhost_tlv tlv;
	unsigned client;
	uint32_t verify;
	size_t at = 0;

	ck_assert_int_eq(bevhost_conn_proxy_version(conn), 0);
	ck_assert_int_eq(bevhost_conn_proxy_is_local(conn), 0);
	ck_assert_ptr_null(bevhost_conn_proxy_destination(conn, NULL));
	ck_assert_int_eq(bevhost_conn_proxy_tlv(conn, 2, &tlv), 0);
	ck_assert_int_eq(bevhost_conn_proxy_next(conn, &at, &tlv), 0);
	ck_assert_int_eq(bevhost_conn_proxy_ssl(conn, &client, &verify), 0);
	ck_assert_int_eq(bevhost_conn_proxy_ssl_tlv(conn, 0x21, &tlv), 0);
	ck_assert_ptr_eq(bevhost_conn_client(conn, NULL), &conn->peer.sa);
	assert_text("unix:");
}
END_TEST

START_TEST(the_client_is_the_one_of_the_header)
{
	const struct sockaddr_in *to;
	socklen_t len = 0;

	begin_with(full, sizeof(full) - 1);
	ck_assert_int_eq(bevhost_conn_proxy_version(conn), 2);
	assert_text("192.0.2.1:12345");
	ck_assert_int_eq(bevhost_conn_client(conn, &len)->sa_family, AF_INET);
	ck_assert_uint_eq(len, sizeof(struct sockaddr_in));
	ck_assert_int_eq(bevhost_conn_peer(conn, NULL)->sa_family, AF_UNIX);
	to = (const void *)bevhost_conn_proxy_destination(conn, &len);
	ck_assert_uint_eq(len, sizeof(*to));
	ck_assert_uint_eq(ntohs(to->sin_port), 443);
}
END_TEST

START_TEST(the_proxy_itself_is_its_own_client)
{
	begin_with(local, sizeof(local) - 1);
	ck_assert_int_eq(bevhost_conn_proxy_version(conn), 2);
	ck_assert_int_eq(bevhost_conn_proxy_is_local(conn), 1);
	ck_assert_ptr_null(bevhost_conn_proxy_destination(conn, NULL));
	assert_text("unix:");
}
END_TEST

START_TEST(what_else_it_tells_is_found_and_walked)
{
	static const unsigned types[] = { 0x02, 0xe0, 0x20 };
	struct bevhost_tlv tlv;
	unsigned client;
	uint32_t verify;
	size_t at = 0, i;

	begin_with(full, sizeof(full) - 1);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(bevhost_conn_proxy_next(conn, &at, &tlv), 1);
		ck_assert_uint_eq(tlv.type, types[i]);
	}
	ck_assert_int_eq(bevhost_conn_proxy_next(conn, &at, &tlv), 0);
	at = 1000; /* no place that it gave */
	ck_assert_int_eq(bevhost_conn_proxy_next(conn, &at, &tlv), 0);
	ck_assert_int_eq(
	    bevhost_conn_proxy_tlv(conn, BEVHOST_PROXY_AUTHORITY, &tlv), 1);
	ck_assert_uint_eq(tlv.len, 4);
	ck_assert_int_eq(memcmp(tlv.value, "host", 4), 0);
	ck_assert_int_eq(bevhost_conn_proxy_ssl(conn, &client, &verify), 1);
	ck_assert_uint_eq(
	    client, BEVHOST_PROXY_CLIENT_SSL | BEVHOST_PROXY_CLIENT_CERT_CONN);
	ck_assert_uint_eq(verify, 0x12);
	ck_assert_int_eq(
	    bevhost_conn_proxy_ssl_tlv(conn, BEVHOST_PROXY_SSL_VERSION, &tlv),
	    1);
	ck_assert_int_eq(memcmp(tlv.value, "TLSv1.3", tlv.len), 0);
	ck_assert_int_eq(
	    bevhost_conn_proxy_ssl_tlv(conn, BEVHOST_PROXY_SSL_CN, &tlv), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("api_proxy");
	TCase *tcase = tcase_create("conn");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_a_header_there_is_the_peer_alone);
	tcase_add_test(tcase, the_client_is_the_one_of_the_header);
	tcase_add_test(tcase, the_proxy_itself_is_its_own_client);
	tcase_add_test(tcase, what_else_it_tells_is_found_and_walked);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
