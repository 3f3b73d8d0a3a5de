/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS handshakes over socketpairs, good ones and all others. */
#include "step_tls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include <event2/event.h>

#include "clock.h"
#include "tls_fixture.h"
#include "tls_stream.h"
#include "transport.h"

static struct event_base *base;
static SSL_CTX *ctx;
static struct client client;
static int server_fd;

static struct {
	int count;
	enum bevhost_reason reason;
	char why[200];
	struct tls_stream *stream;
} done;

static void
on_done(void *arg, enum bevhost_reason reason, const char *why,
    struct tls_stream *stream)
{
	ck_assert_ptr_eq(arg, &done);
	done.count++;
	done.reason = reason;
	snprintf(done.why, sizeof(done.why), "%s", why != NULL ? why : "");
	done.stream = stream;
}

static struct step_tls *
start(int64_t timeout_ms)
{
	struct step_tls *step;
	int fds[2];

	memset(&done, 0, sizeof(done));
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	server_fd = fds[0];
	client_init(&client, fds[1]);
	step = step_tls_start(base, server_fd, ctx, timeout_ms, on_done, &done);
	ck_assert_ptr_nonnull(step);
	return step;
}

static void
finish(void)
{
	if (done.stream != NULL)
		tls_stream_free(done.stream);
	client_clear(&client);
	close(server_fd);
}

static void
turn(void)
{
	ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

/* Until the step is done, with no more than chunk bytes to a turn. */
static void
shake(size_t chunk)
{
	char byte;

	while (done.count == 0) {
		client_receive(&client);
		SSL_read(client.ssl, &byte, 1);
		do {
			client_send(&client, chunk);
			turn();
		} while (done.count == 0 && BIO_pending(client.out) > 0);
	}
}

static void
setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	ctx = fixture_ctx(TLS1_3_VERSION);
}

static void
teardown(void)
{
	event_base_free(base);
	SSL_CTX_free(ctx);
}

START_TEST(a_handshake_gives_a_stream)
{
	start(10000);
	shake(SIZE_MAX);
	ck_assert_int_eq(done.reason, BEVHOST_REASON_NONE);
	ck_assert_ptr_nonnull(done.stream);
	turn();
	ck_assert_int_eq(done.count, 1);
	ck_assert_str_eq(
	    SSL_get_version(tls_stream_ssl(done.stream)), "TLSv1.3");
	finish();
}
END_TEST

START_TEST(tls_1_2_is_spoken_too)
{
	ck_assert_int_eq(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION), 1);
	start(10000);
	shake(SIZE_MAX);
	ck_assert_int_eq(done.reason, BEVHOST_REASON_NONE);
	finish();
}
END_TEST

START_TEST(a_handshake_may_come_byte_by_byte)
{
	start(10000);
	shake(1);
	ck_assert_int_eq(done.reason, BEVHOST_REASON_NONE);
	finish();
}
END_TEST

START_TEST(what_follows_the_handshake_is_not_lost)
{
	struct transport *transport;
	char buf[100];

	start(10000);
	while (!SSL_is_init_finished(client.ssl)) {
		ck_assert_int_eq(done.count, 0);
		client_receive(&client);
		SSL_do_handshake(client.ssl);
		if (!SSL_is_init_finished(client.ssl))
			client_send(&client, SIZE_MAX);
		else
			client_write(&client, "early", 5);
		turn();
	}
	client_send(&client, SIZE_MAX);
	while (done.count == 0)
		turn();
	transport = tls_stream_transport(done.stream);
	ck_assert_int_eq(transport->ops->read(transport, buf, sizeof(buf)), 5);
	finish();
}
END_TEST

/* Cut after so many bytes of the client; 0 when there were not as many. */
static int
cut_after(size_t bytes)
{
	size_t sent = 0;
	char byte;

	start(10000);
	while (done.count == 0) {
		client_receive(&client);
		SSL_read(client.ssl, &byte, 1);
		sent += client_send(&client, bytes - sent);
		if (sent == bytes)
			break;
		turn();
	}
	turn();
	client_receive(&client);
	close(client.fd);
	client.fd = -1;
	while (done.count == 0)
		turn();
	ck_assert_int_eq(done.count, 1);
	if (done.reason != BEVHOST_REASON_NONE) {
		ck_assert_int_eq(done.reason, BEVHOST_REASON_TLS);
		ck_assert_str_eq(done.why, "the peer left in the handshake");
		ck_assert_ptr_null(done.stream);
	}
	finish();
	return done.reason != BEVHOST_REASON_NONE;
}

START_TEST(a_handshake_may_be_cut_at_every_byte)
{
	size_t bytes = 0;

	while (cut_after(bytes))
		bytes++;
	ck_assert_uint_gt(bytes, 200);
}
END_TEST

START_TEST(dribbling_does_not_move_the_deadline)
{
	int64_t started_ms = clock_ms();
	char byte;

	start(200);
	SSL_read(client.ssl, &byte, 1);
	while (done.count == 0) {
		client_send(&client, 1);
		turn();
		usleep(5 * 1000);
	}
	ck_assert_int_eq(done.reason, BEVHOST_REASON_TLS);
	ck_assert_str_eq(done.why, "handshake-timeout after 200ms");
	ck_assert_int_ge(clock_ms() - started_ms, 190);
	ck_assert_int_gt(BIO_pending(client.out), 0);
	finish();
}
END_TEST

START_TEST(a_peer_that_says_nothing_meets_the_deadline)
{
	start(1000);
	while (done.count == 0)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(done.reason, BEVHOST_REASON_TLS);
	ck_assert_str_eq(done.why, "handshake-timeout after 1s");
	finish();
}
END_TEST

static void
send_plain(const char *text)
{
	ck_assert_int_eq(
	    write(client.fd, text, strlen(text)), (ssize_t)strlen(text));
	while (done.count == 0)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(done.reason, BEVHOST_REASON_TLS);
}

START_TEST(plain_http_is_named)
{
	char byte;

	start(10000);
	send_plain("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	ck_assert_str_eq(done.why, "plain HTTP on a TLS port");
	/* Nothing is unread, so that the close will be no reset. */
	ck_assert_int_eq(recv(server_fd, &byte, 1, MSG_DONTWAIT), -1);
	finish();
}
END_TEST

START_TEST(other_protocols_are_shown)
{
	start(10000);
	send_plain("SSH-2.0-OpenSSH_9.2\r\n");
	ck_assert_str_eq(
	    done.why, "the first bytes are 53 53 48 2d 32 2e 30 2d (SSH-2.0-)");
	finish();
}
END_TEST

START_TEST(few_bytes_of_another_protocol_are_shown_at_the_deadline)
{
	start(50);
	send_plain("hi\n");
	ck_assert_str_eq(done.why, "the first bytes are 68 69 0a (hi.)");
	finish();
}
END_TEST

START_TEST(the_peer_is_sent_an_alert)
{
	unsigned char alert[7];

	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	start(10000);
	SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION);
	shake(SIZE_MAX);
	ck_assert_int_eq(done.reason, BEVHOST_REASON_TLS);
	ck_assert_str_eq(done.why, "unsupported protocol");
	ck_assert_int_eq(read(client.fd, alert, sizeof(alert)), 7);
	ck_assert_int_eq(alert[0], SSL3_RT_ALERT);
	ck_assert_int_eq(read(client.fd, alert, sizeof(alert)), 0);
	finish();
}
END_TEST

START_TEST(a_reset_is_no_fault_of_tls)
{
	char byte;

	start(10000);
	SSL_read(client.ssl, &byte, 1);
	client_send(&client, SIZE_MAX);
	turn();
	/* With input that nobody has read: a reset. */
	close(client.fd);
	client.fd = -1;
	while (done.count == 0)
		turn();
	ck_assert_int_eq(done.reason, BEVHOST_REASON_RESET);
	finish();
}
END_TEST

START_TEST(a_cancelled_step_calls_nobody)
{
	char byte;
	struct step_tls *step = start(10000);

	SSL_read(client.ssl, &byte, 1);
	client_send(&client, 100);
	turn();
	step_tls_cancel(step);
	client_send(&client, SIZE_MAX);
	turn();
	ck_assert_int_eq(done.count, 0);
	finish();
}
END_TEST

/* The n-th allocation of OpenSSL fails from now on; 0: none. */
static int fail_at;

static int
fails(void)
{
	return fail_at > 0 && --fail_at == 0;
}

static void *
test_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : malloc(size);
}

static void *
test_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : realloc(old, size);
}

static void
test_free(void *old, const char *file, int line)
{
	(void)file;
	(void)line;
	free(old);
}

/* Does the handshake fail with the n-th allocation of the server? */
static int
shake_without_memory(int n)
{
	struct step_tls *step;
	int fds[2], failed, left;
	char byte;

	memset(&done, 0, sizeof(done));
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	server_fd = fds[0];
	client_init(&client, fds[1]);
	fail_at = n;
	step = step_tls_start(base, server_fd, ctx, 10000, on_done, &done);
	left = fail_at;
	while (step != NULL && done.count == 0) {
		fail_at = 0;
		client_receive(&client);
		SSL_read(client.ssl, &byte, 1);
		client_send(&client, SIZE_MAX);
		fail_at = left;
		turn();
		left = fail_at;
	}
	failed = left == 0;
	fail_at = 0;
	if (step == NULL)
		ck_assert_int_eq(errno, ENOMEM);
	finish();
	return failed;
}

START_TEST(without_memory_a_handshake_fails_or_goes_on)
{
	int n = 1;

	while (shake_without_memory(n))
		n++;
	ck_assert_int_gt(n, 50);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("step_tls");
	TCase *tcase = tcase_create("step_tls");

	CRYPTO_set_mem_functions(test_malloc, test_realloc, test_free);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_handshake_gives_a_stream);
	tcase_add_test(tcase, tls_1_2_is_spoken_too);
	tcase_add_test(tcase, a_handshake_may_come_byte_by_byte);
	tcase_add_test(tcase, what_follows_the_handshake_is_not_lost);
	tcase_add_test(tcase, a_handshake_may_be_cut_at_every_byte);
	tcase_add_test(tcase, dribbling_does_not_move_the_deadline);
	tcase_add_test(tcase, a_peer_that_says_nothing_meets_the_deadline);
	tcase_add_test(tcase, plain_http_is_named);
	tcase_add_test(tcase, other_protocols_are_shown);
	tcase_add_test(
	    tcase, few_bytes_of_another_protocol_are_shown_at_the_deadline);
	tcase_add_test(tcase, the_peer_is_sent_an_alert);
	tcase_add_test(tcase, a_reset_is_no_fault_of_tls);
	tcase_add_test(tcase, a_cancelled_step_calls_nobody);
	tcase_add_test(tcase, without_memory_a_handshake_fails_or_goes_on);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
