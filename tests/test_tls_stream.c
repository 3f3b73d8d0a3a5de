/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows over TLS: a handler's bufferevent behaves as a plain one does, and no
 * byte is lost where OpenSSL holds some. How they end is in
 * test_tls_stream_end.c.
 */
#include "tls_stream.h"

#include <stdio.h>
#include <sys/time.h>

#include "tls_end.h"

/* Reading */

START_TEST(all_records_of_a_turn_come_in_one_callback)
{
	end.drain_input = 1;
	send_data(20000);
	turn();
	ck_assert_int_eq(end.reads, 1);
	send_data(50000);
	turn();
	ck_assert_int_eq(end.reads, 2);
	ck_assert_uint_eq(end.total, 70000);
}
END_TEST

START_TEST(records_may_be_split_at_every_byte)
{
	size_t sent = 0;

	end.drain_input = 1;
	client_write(&end.client, "hello", 5);
	client_write(&end.client, "world!", 6);
	while (BIO_pending(end.client.out) > 0) {
		ck_assert_int_eq(end.events, 0);
		sent += client_send(&end.client, 1);
		turn();
	}
	ck_assert_uint_gt(sent, 2 * 22);
	ck_assert_int_eq(end.reads, 2);
	ck_assert_uint_eq(end.total, 11);
}
END_TEST

START_TEST(low_read_watermark_waits)
{
	bufferevent_setwatermark(end.flow.bev, EV_READ, 10, 0);
	send_data(9);
	turn();
	ck_assert_int_eq(end.reads, 0);
	send_data(1);
	turn();
	ck_assert_int_eq(end.reads, 1);
	ck_assert_uint_eq(end.seen, 10);
}
END_TEST

START_TEST(high_read_watermark_is_never_passed_and_stalls_nothing)
{
	static const size_t highs[] = { 1000, 1024, 16383, 16384, 20000, 33000,
		40000, 64000 };
	size_t i;
	int j;

	end.drain_input = 1;
	for (i = 0; i < sizeof(highs) / sizeof(highs[0]); i++) {
		end.total = end.most_seen = 0;
		bufferevent_setwatermark(end.flow.bev, EV_READ, 0, highs[i]);
		send_data(100000);
		for (j = 0; j < 300 && end.total < 100000; j++)
			turn();
		ck_assert_uint_eq(end.total, 100000);
		ck_assert_uint_le(end.most_seen, highs[i]);
	}
}
END_TEST

START_TEST(what_is_pending_comes_when_reading_is_enabled)
{
	int i;

	end.drain_input = end.disable_in_read = 1;
	bufferevent_set_max_single_read(end.flow.bev, 1000);
	send_data(16384);
	for (i = 0; i < 17; i++) {
		turn();
		turn();
		ck_assert_int_eq(end.reads, i + 1);
		bufferevent_enable(end.flow.bev, EV_READ);
	}
	ck_assert_uint_eq(end.total, 16384);
}
END_TEST

/* Partial records must not keep the loop awake. */
START_TEST(a_part_of_a_record_leaves_nothing_in_the_socket)
{
	char byte;

	bufferevent_setwatermark(end.flow.bev, EV_READ, 0, 100);
	client_write(&end.client, "0123456789", 10);
	client_send(&end.client, 20);
	turn();
	ck_assert_int_eq(recv(end.flow.fd, &byte, 1, MSG_PEEK), -1);
	client_send(&end.client, SIZE_MAX);
	turn();
	ck_assert_uint_eq(end.seen, 10);
	ck_assert_int_eq(recv(end.flow.fd, &byte, 1, MSG_PEEK), -1);
}
END_TEST

START_TEST(what_arrived_is_counted_and_a_part_of_a_record_is_seen)
{
	struct transport *transport = tls_stream_transport(end.stream);
	uint64_t before, sent = 0;
	int partial;

	end.drain_input = 1;
	before = transport->ops->arrived(transport, &partial);
	ck_assert_int_eq(partial, 0);
	client_write(&end.client, "hello", 5);
	while (BIO_pending(end.client.out) > 0) {
		sent += client_send(&end.client, 1);
		turn();
		ck_assert_uint_eq(transport->ops->arrived(transport, &partial),
		    before + sent);
		ck_assert_int_eq(partial, BIO_pending(end.client.out) > 0);
	}
	ck_assert_uint_eq(end.total, 5);
}
END_TEST

START_TEST(a_dribbled_record_does_not_extend_a_read_timeout)
{
	struct timeval timeout = { .tv_usec = 100 * 1000 };
	int i;

	bufferevent_set_timeouts(end.flow.bev, &timeout, NULL);
	client_write(&end.client, "0123456789012345678901234567890", 31);
	for (i = 0; i < 50 && end.events == 0; i++) {
		client_send(&end.client, 1);
		turn();
		usleep(20 * 1000);
	}
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_READING | BEV_EVENT_TIMEOUT);
	ck_assert_int_gt(BIO_pending(end.client.out), 0);
	/* Once: reading is disabled. */
	for (i = 0; i < 15; i++) {
		turn();
		usleep(20 * 1000);
	}
	ck_assert_int_eq(end.events, 1);
}
END_TEST

START_TEST(the_end_comes_after_the_data)
{
	end.drain_input = 1;
	client_write(&end.client, "last words", 10);
	client_notify();
	turn();
	ck_assert_uint_eq(end.total, 10);
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_READING | BEV_EVENT_EOF);
	turn();
	ck_assert_int_eq(end.events, 1);
}
END_TEST

START_TEST(the_end_comes_when_reading_is_enabled)
{
	end.drain_input = end.disable_in_read = 1;
	client_write(&end.client, "last words", 10);
	client_notify();
	turn();
	turn();
	ck_assert_uint_eq(end.total, 10);
	ck_assert_int_eq(end.events, 0);
	bufferevent_enable(end.flow.bev, EV_READ);
	turn();
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_READING | BEV_EVENT_EOF);
}
END_TEST

START_TEST(an_end_without_close_notify_is_a_truncation)
{
	end.drain_input = 1;
	send_data(10);
	shutdown(end.client.fd, SHUT_WR);
	turn();
	turn();
	ck_assert_uint_eq(end.total, 10);
	check_failed(BEVHOST_REASON_TRUNCATED);
}
END_TEST

START_TEST(an_end_within_a_record_is_a_truncation)
{
	client_write(&end.client, "hello", 5);
	client_send(&end.client, 10);
	shutdown(end.client.fd, SHUT_WR);
	turn();
	turn();
	check_failed(BEVHOST_REASON_TRUNCATED);
}
END_TEST

START_TEST(a_reset_is_one)
{
	answer(1000);
	turn();
	/* With input that was not read. */
	close(end.client.fd);
	end.client.fd = -1;
	turn();
	turn();
	check_failed(BEVHOST_REASON_RESET);
}
END_TEST

START_TEST(a_record_that_is_none_fails)
{
	ck_assert_int_eq(write(end.client.fd,
			     "\x17\x03\x03\x00\x20"
			     "abcdefghabcdefghabcdefghabcdefgh",
			     37),
	    37);
	turn();
	check_failed(BEVHOST_REASON_TLS);
	ck_assert_ptr_nonnull(flow_why(&end.flow));
}
END_TEST

/* Writing */

START_TEST(output_goes_in_the_same_turn_and_the_callback_says_so)
{
	answer(5);
	turn();
	client_turn();
	ck_assert_uint_eq(end.received, 5);
	ck_assert_int_eq(end.writes, 1);
	turn();
	ck_assert_int_eq(end.writes, 1);
}
END_TEST

START_TEST(enabling_writing_calls_the_write_callback)
{
	bufferevent_enable(end.flow.bev, EV_READ | EV_WRITE);
	flow_handler_ran(&end.flow);
	turn();
	ck_assert_int_eq(end.writes, 1);
	turn();
	ck_assert_int_eq(end.writes, 1);
}
END_TEST

START_TEST(low_write_watermark_calls_before_all_is_sent)
{
	bufferevent_setwatermark(end.flow.bev, EV_WRITE, 3999999, 0);
	answer(4000000);
	turn();
	ck_assert_int_eq(end.writes, 1);
	ck_assert_uint_gt(flow_owed(&end.flow), 0);
}
END_TEST

START_TEST(disabled_writing_writes_nothing)
{
	bufferevent_disable(end.flow.bev, EV_WRITE);
	answer(5);
	turns(2);
	ck_assert_uint_eq(end.received, 0);
	bufferevent_enable(end.flow.bev, EV_WRITE);
	turn();
	client_turn();
	ck_assert_uint_eq(end.received, 5);
}
END_TEST

START_TEST(backpressure_pauses_and_resumes)
{
	int i;

	answer(3000000);
	turn();
	send_data(5);
	turn();
	ck_assert_int_eq(end.reads, 0);
	for (i = 0; i < 1000 && end.reads == 0; i++)
		turns(1);
	ck_assert_int_eq(end.reads, 1);
}
END_TEST

static void
free_piece(const void *data, size_t len, void *arg)
{
	(void)len;
	(void)arg;
	free((void *)(uintptr_t)data);
}

START_TEST(output_of_many_pieces_arrives)
{
	size_t total = 0, len;
	int i;

	for (i = 0; i < 400; i++) {
		len = (size_t)(i * 37 % 5000 + 1);
		evbuffer_add_reference(bufferevent_get_output(end.flow.bev),
		    calloc(1, len), len, free_piece, NULL);
		total += len;
		if (i % 7 == 0)
			turns(1);
	}
	turns(100);
	ck_assert_uint_eq(end.received, total);
}
END_TEST

START_TEST(a_file_is_sent)
{
	FILE *file = tmpfile();
	int i;

	for (i = 0; i < 100000; i++)
		fputc('f', file);
	fflush(file);
	bufferevent_write(end.flow.bev, "begin", 5);
	ck_assert_int_eq(evbuffer_add_file(bufferevent_get_output(end.flow.bev),
			     dup(fileno(file)), 10, 99990),
	    0);
	bufferevent_write(end.flow.bev, "last", 4);
	for (i = 0; i < 100 && end.received < 99999; i++)
		turns(1);
	ck_assert_uint_eq(end.received, 99999);
	ck_assert_uint_eq(end.files, 99990);
	fclose(file);
}
END_TEST

START_TEST(a_write_to_nobody_is_an_error)
{
	client_turn();
	close(end.client.fd);
	end.client.fd = -1;
	bufferevent_disable(end.flow.bev, EV_READ);
	answer(5);
	turn();
	turn();
	ck_assert_int_eq(end.events, 1);
	ck_assert_int_eq(end.last_event, BEV_EVENT_WRITING | BEV_EVENT_ERROR);
	ck_assert_int_eq(
	    flow_error_reason(&end.flow, end.last_error), BEVHOST_REASON_RESET);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_stream");
	TCase *tcase = tcase_create("tls_stream");
	TCase *older = tcase_create("tls_1_2");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_checked_fixture(older, setup_1_2, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_set_timeout(older, 60);
	tcase_add_test(tcase, all_records_of_a_turn_come_in_one_callback);
	tcase_add_test(tcase, records_may_be_split_at_every_byte);
	tcase_add_test(tcase, low_read_watermark_waits);
	tcase_add_test(
	    tcase, high_read_watermark_is_never_passed_and_stalls_nothing);
	tcase_add_test(tcase, what_is_pending_comes_when_reading_is_enabled);
	tcase_add_test(
	    tcase, what_arrived_is_counted_and_a_part_of_a_record_is_seen);
	tcase_add_test(tcase, a_part_of_a_record_leaves_nothing_in_the_socket);
	tcase_add_test(tcase, a_dribbled_record_does_not_extend_a_read_timeout);
	tcase_add_test(tcase, the_end_comes_after_the_data);
	tcase_add_test(tcase, the_end_comes_when_reading_is_enabled);
	tcase_add_test(tcase, an_end_without_close_notify_is_a_truncation);
	tcase_add_test(tcase, an_end_within_a_record_is_a_truncation);
	tcase_add_test(tcase, a_reset_is_one);
	tcase_add_test(tcase, a_record_that_is_none_fails);
	tcase_add_test(
	    tcase, output_goes_in_the_same_turn_and_the_callback_says_so);
	tcase_add_test(tcase, enabling_writing_calls_the_write_callback);
	tcase_add_test(tcase, low_write_watermark_calls_before_all_is_sent);
	tcase_add_test(tcase, disabled_writing_writes_nothing);
	tcase_add_test(tcase, backpressure_pauses_and_resumes);
	tcase_add_test(tcase, output_of_many_pieces_arrives);
	tcase_add_test(tcase, a_file_is_sent);
	tcase_add_test(tcase, a_write_to_nobody_is_an_error);
	tcase_add_test(older, all_records_of_a_turn_come_in_one_callback);
	tcase_add_test(older, records_may_be_split_at_every_byte);
	tcase_add_test(
	    older, high_read_watermark_is_never_passed_and_stalls_nothing);
	tcase_add_test(older, the_end_comes_after_the_data);
	tcase_add_test(older, an_end_without_close_notify_is_a_truncation);
	tcase_add_test(older, a_record_that_is_none_fails);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, older);
	return tap_run(suite);
}
