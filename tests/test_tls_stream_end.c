/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How flows over TLS end: what is owed arrives, and the peer can tell whether
 * it was all. And what a peer may not make us do.
 */
#include "tls_stream.h"

#include "tls_end.h"
#include "tls_raw.h"

/* Ending */

START_TEST(after_its_close_notify_the_peer_gets_all)
{
	int i;

	answer(LARGE);
	turns(2);
	client_notify();
	for (i = 0; i < 5 && end.events == 0; i++)
		turn();
	/* Back-pressure holds the end back too. */
	for (i = 0; i < 2000 && end.received < LARGE; i++)
		turns(1);
	ck_assert_uint_eq(end.received, LARGE);
	turns(2);
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_READING | BEV_EVENT_EOF);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	turns(2);
	ck_assert_int_eq(end.got_close, 1);
}
END_TEST

START_TEST(half_closed_peers_get_what_a_close_still_owes)
{
	int i;

	client_notify();
	turn();
	ck_assert_int_eq(end.events, 1);
	answer(LARGE);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	for (i = 0; i < 2000 && !end.client.is_shut; i++)
		turns(1);
	ck_assert_uint_eq(end.received, LARGE);
	ck_assert_int_eq(end.got_close, 1);
	/* It lingers for the end of the socket. */
	ck_assert_int_eq(end.closed, 0);
	shutdown(end.client.fd, SHUT_WR);
	turn();
	turn();
	ck_assert_int_eq(end.closed, 1);
}
END_TEST

START_TEST(a_close_tells_the_peer_after_the_last_byte)
{
	int i;

	answer(LARGE);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	for (i = 0; i < 2000 && !end.client.is_shut; i++)
		turns(1);
	ck_assert_uint_eq(end.received, LARGE);
	ck_assert_int_eq(end.got_close, 1);
	ck_assert_int_eq(end.closed, 0);
	/* What it still sends is dropped. */
	send_data(10);
	turn();
	ck_assert_int_eq(end.closed, 0);
	shutdown(end.client.fd, SHUT_WR);
	turn();
	turn();
	ck_assert_int_eq(end.closed, 1);
}
END_TEST

START_TEST(a_truncated_peer_gets_what_a_close_still_owes)
{
	int i;

	answer(LARGE);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	turn();
	shutdown(end.client.fd, SHUT_WR);
	for (i = 0; i < 2000 && !end.client.is_shut; i++)
		turns(1);
	ck_assert_uint_eq(end.received, LARGE);
	ck_assert_int_eq(end.got_close, 1);
	turn();
	ck_assert_int_eq(end.closed, 1);
}
END_TEST

START_TEST(a_close_now_that_drops_does_not_look_whole)
{
	answer(LARGE);
	turn();
	flow_close(&end.flow, BEVHOST_CLOSE_NOW);
	turns(3);
	client_turn();
	ck_assert_int_eq(end.closed, 1);
	ck_assert_int_eq(end.client.is_shut, 1);
	ck_assert_uint_lt(end.received, LARGE);
	ck_assert_int_eq(end.got_close, 0);
}
END_TEST

START_TEST(a_close_now_that_drops_nothing_looks_whole)
{
	flow_close(&end.flow, BEVHOST_CLOSE_NOW);
	turns(2);
	ck_assert_int_eq(end.got_close, 1);
}
END_TEST

/* For the socket to be full when all is written but close_notify. */
START_TEST(a_full_socket_still_gets_close_notify)
{
	int small = 1, i;

	ck_assert_int_eq(setsockopt(end.flow.fd, SOL_SOCKET, SO_SNDBUF, &small,
			     sizeof(small)),
	    0);
	for (i = 1; i < 200; i++) {
		answer(100);
		turn();
		if (flow_owed(&end.flow) > 0)
			break;
	}
	ck_assert_uint_gt(flow_owed(&end.flow), 0);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	for (i = 0; i < 100 && !end.client.is_shut; i++) {
		turn();
		turn();
		client_turn();
	}
	ck_assert_int_eq(end.got_close, 1);
}
END_TEST

START_TEST(the_write_side_is_shut_alone)
{
	end.drain_input = 1;
	ck_assert_int_eq(flow_shut_write(&end.flow), 0);
	client_turn();
	ck_assert_int_eq(end.got_close, 1);
	send_data(7);
	turn();
	ck_assert_uint_eq(end.total, 7);
}
END_TEST

/* Messages beside data */

START_TEST(key_updates_are_answered_while_output_waits)
{
	int i;

	end.drain_input = 1;
	answer(LARGE);
	turn();
	flow_set_write_watermark(&end.flow, 0);
	for (i = 0; i < 3; i++) {
		SSL_key_update(end.client.ssl, SSL_KEY_UPDATE_REQUESTED);
		send_data(10);
		turn();
		turn();
	}
	ck_assert_uint_eq(end.total, 30);
	for (i = 0; i < 2000 && end.received < LARGE; i++)
		turns(1);
	ck_assert_uint_eq(end.received, LARGE);
	ck_assert_int_eq(end.events, 0);
	flow_close(&end.flow, BEVHOST_CLOSE_FLUSH);
	turns(2);
	ck_assert_int_eq(end.got_close, 1);
}
END_TEST

START_TEST(a_flood_of_key_updates_fails)
{
	int i;

	for (i = 0; i < 200; i++) {
		SSL_key_update(end.client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(end.client.ssl);
	}
	client_send(&end.client, SIZE_MAX);
	turn();
	turn();
	check_failed(BEVHOST_REASON_TLS);
	ck_assert_str_eq(
	    flow_why(&end.flow), "too many messages that carry no data");
}
END_TEST

START_TEST(data_between_does_not_hide_a_flood)
{
	int i;

	end.drain_input = 1;
	for (i = 0; i < 200 && end.events == 0; i++) {
		SSL_key_update(end.client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		send_data(1);
		turn();
	}
	check_failed(BEVHOST_REASON_TLS);
}
END_TEST

START_TEST(renegotiation_is_refused_and_the_data_goes_on)
{
	end.drain_input = 1;
	ck_assert_str_eq(SSL_get_version(end.client.ssl), "TLSv1.2");
	ck_assert_int_eq(SSL_renegotiate(end.client.ssl), 1);
	SSL_do_handshake(end.client.ssl);
	client_send(&end.client, SIZE_MAX);
	turn();
	turn();
	/* The client takes the refusal for the end; we don't. */
	answer(5);
	turn();
	ck_assert_int_eq(end.events, 0);
	ck_assert_int_eq(SSL_is_init_finished(end.client.ssl), 0);
	ck_assert_int_eq(SSL_num_renegotiations(tls_stream_ssl(end.stream)), 0);
}
END_TEST

static const unsigned char hello[] = { 1, 0, 0, 40, 3, 3 };

/* As an attempt of a client that goes on whatever it hears. */
static void
try_to_renegotiate(struct raw *raw)
{
	unsigned char message[44] = { 0 };

	memcpy(message, hello, sizeof(hello));
	raw_send(raw, RAW_HANDSHAKE, message, sizeof(message));
}

START_TEST(a_try_to_renegotiate_is_refused_and_the_data_goes_on)
{
	static const unsigned char refusal[] = { 1, 100 };
	struct raw raw = raw_of(&end.client);
	unsigned char text[256];
	size_t len;

	end.drain_input = 1;
	raw_send(&raw, RAW_DATA, "before", 6);
	turn();
	try_to_renegotiate(&raw);
	raw_send(&raw, RAW_DATA, "after", 5);
	turn();
	ck_assert_uint_eq(end.total, 11);
	ck_assert_int_eq(raw_receive(&raw, text, &len), RAW_ALERT);
	ck_assert_uint_eq(len, 2);
	ck_assert_mem_eq(text, refusal, 2);
	answer(5);
	turn();
	ck_assert_int_eq(raw_receive(&raw, text, &len), RAW_DATA);
	ck_assert_uint_eq(len, 5);
	ck_assert_int_eq(raw_receive(&raw, text, &len), 0);
	ck_assert_int_eq(end.events, 0);
	ck_assert_int_eq(SSL_num_renegotiations(tls_stream_ssl(end.stream)), 0);
}
END_TEST

/* They are bounded, whether they come with data between them or without. */
static void
check_many_tries(int with_data)
{
	struct raw raw = raw_of(&end.client);
	unsigned char text[256];
	size_t len;
	int tries = 0, refused = 0;

	end.drain_input = 1;
	while (end.events == 0 && tries++ < 200) {
		try_to_renegotiate(&raw);
		if (with_data)
			raw_send(&raw, RAW_DATA, "x", 1);
		turn();
		while (raw_receive(&raw, text, &len) == RAW_ALERT)
			refused += text[0] == 1 && text[1] == 100;
	}
	ck_assert_int_gt(refused, 0);
	ck_assert_int_lt(tries, 100);
	check_failed(BEVHOST_REASON_TLS);
	ck_assert_str_eq(
	    flow_why(&end.flow), "too many messages that carry no data");
}

START_TEST(a_flood_of_tries_to_renegotiate_fails)
{
	check_many_tries(0);
}
END_TEST

START_TEST(data_between_tries_to_renegotiate_does_not_hide_them)
{
	check_many_tries(1);
}
END_TEST

START_TEST(some_empty_records_are_no_flood)
{
	struct raw raw = raw_of(&end.client);

	end.drain_input = 1;
	raw_send_many(&raw, RAW_DATA, "", 0, 10);
	raw_send(&raw, RAW_DATA, "data", 4);
	turn();
	ck_assert_uint_eq(end.total, 4);
	ck_assert_int_eq(end.events, 0);
}
END_TEST

START_TEST(a_flood_of_empty_records_fails_before_it_is_read)
{
	struct raw raw = raw_of(&end.client);
	char rest[65536];

	raw_send_many(&raw, RAW_DATA, "", 0, 4000);
	turn();
	check_failed(BEVHOST_REASON_TLS);
	/* Not all of it was even taken from the socket. */
	ck_assert_int_gt(
	    recv(end.flow.fd, rest, sizeof(rest), MSG_DONTWAIT), 10000);
}
END_TEST

START_TEST(a_flood_of_alerts_fails)
{
	static const char user_canceled[] = { 1, 90 };
	struct raw raw = raw_of(&end.client);

	raw_send_many(&raw, RAW_ALERT, user_canceled, 2, 1000);
	turn();
	check_failed(BEVHOST_REASON_TLS);
}
END_TEST

START_TEST(data_between_alerts_does_not_hide_them)
{
	static const char user_canceled[] = { 1, 90 };
	struct raw raw = raw_of(&end.client);
	int sent = 0;

	end.drain_input = 1;
	while (end.events == 0 && sent++ < 200) {
		raw_send(&raw, RAW_ALERT, user_canceled, 2);
		raw_send(&raw, RAW_DATA, "x", 1);
		turn();
	}
	ck_assert_int_lt(sent, 100);
	ck_assert_uint_gt(end.total, 10);
	check_failed(BEVHOST_REASON_TLS);
	ck_assert_str_eq(
	    flow_why(&end.flow), "too many messages that carry no data");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_stream_end");
	TCase *tcase = tcase_create("tls_stream_end");
	TCase *older = tcase_create("tls_1_2");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_checked_fixture(older, setup_1_2, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_set_timeout(older, 60);
	tcase_add_test(tcase, after_its_close_notify_the_peer_gets_all);
	tcase_add_test(tcase, half_closed_peers_get_what_a_close_still_owes);
	tcase_add_test(tcase, a_close_tells_the_peer_after_the_last_byte);
	tcase_add_test(tcase, a_truncated_peer_gets_what_a_close_still_owes);
	tcase_add_test(tcase, a_close_now_that_drops_does_not_look_whole);
	tcase_add_test(tcase, a_close_now_that_drops_nothing_looks_whole);
	tcase_add_test(tcase, a_full_socket_still_gets_close_notify);
	tcase_add_test(tcase, the_write_side_is_shut_alone);
	tcase_add_test(tcase, key_updates_are_answered_while_output_waits);
	tcase_add_test(tcase, a_flood_of_key_updates_fails);
	tcase_add_test(tcase, data_between_does_not_hide_a_flood);
	tcase_add_test(older, renegotiation_is_refused_and_the_data_goes_on);
	tcase_add_test(older, a_close_tells_the_peer_after_the_last_byte);
	tcase_add_test(
	    older, a_try_to_renegotiate_is_refused_and_the_data_goes_on);
	tcase_add_test(older, a_flood_of_tries_to_renegotiate_fails);
	tcase_add_test(
	    older, data_between_tries_to_renegotiate_does_not_hide_them);
	tcase_add_test(tcase, some_empty_records_are_no_flood);
	tcase_add_test(older, some_empty_records_are_no_flood);
	tcase_add_test(tcase, a_flood_of_empty_records_fails_before_it_is_read);
	tcase_add_test(older, a_flood_of_empty_records_fails_before_it_is_read);
	tcase_add_test(tcase, a_flood_of_alerts_fails);
	tcase_add_test(older, a_flood_of_alerts_fails);
	tcase_add_test(tcase, data_between_alerts_does_not_hide_them);
	tcase_add_test(older, data_between_alerts_does_not_hide_them);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, older);
	return tap_run(suite);
}
