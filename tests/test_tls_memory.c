/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A listener of TLS that had too little memory to come up says so: none comes
 * up that refuses its clients. OpenSSL remembers what it could not make, so
 * each try has a process of its own that has never used it.
 */
#include "tls_memory.h"

#include <sys/wait.h>

#include "authorities.h"
#include "failing.h"
#include "log.h"
#include "tls.h"
#include "tls_made.h"

#include <bevhost/connect.h>

#define PLACES 100 /* where memory fails, of thousands */

enum { SERVES, REFUSED, LAME };

static struct failing failing;
static int64_t needed; /* allocations until it has come up */

/* In a process of its own, for this one is not to know OpenSSL yet. */
static void
setup(void)
{
	static const struct wish wish = { .cn = "one",
		.names = "DNS:one.example" };
	pid_t pid;
	int status;

	folder_make();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct made one = make_pair("one", &wish);

		made_clear(&one);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	give("tls-cert", path_of("one.crt"));
	give("tls-key", path_of("one.key"));
	memset(&failing, 0, sizeof(failing));
}

static void
teardown(void)
{
	folder_remove();
}

static void
starve(int64_t first, int64_t row)
{
	failing = (struct failing){ .first = first, .after = first + row };
	failing_set(&failing);
}

static void
indulge(void)
{
	needed = failing.count;
	failing.first = 0;
}

/* Does a handshake of that version come to pass? */
static int
is_served(SSL_CTX *server, SSL_CTX *client, int version)
{
	struct pair pair = pair_make(server, client);

	SSL_set_max_proto_version(pair.client, version);
	pair_shake(&pair);
	pair_clear(&pair);
	return pair.good;
}

static int
serve(void)
{
	SSL_CTX *client;
	struct tls *tls;
	int status = tls_new(&tls, &guard);

	indulge();
	if (status < 0)
		return REFUSED;
	client = SSL_CTX_new(TLS_client_method());
	return is_served(tls_ctx(tls), client, TLS1_2_VERSION) &&
		       is_served(tls_ctx(tls), client, TLS1_3_VERSION)
		   ? SERVES
		   : LAME;
}

/* The other end: what a handler connects with. */
static int
connect_out(void)
{
	struct bevhost_authorities *authorities =
	    bevhost_authorities_new(path_of("one.crt"));
	struct tls *tls;

	indulge();
	if (authorities == NULL)
		return REFUSED;
	if (tls_new(&tls, &guard) < 0)
		return LAME;
	return is_served(tls_ctx(tls), authorities_ctx(authorities),
		   TLS1_2_VERSION) &&
		       is_served(tls_ctx(tls), authorities_ctx(authorities),
			   TLS1_3_VERSION)
		   ? SERVES
		   : LAME;
}

static int
hush(const char *text)
{
	/* What memory is the reason of is not put down to the file. */
	if (strstr(text, "there is no certificate") != NULL)
		_exit(LAME);
	return 1;
}

/* In a process of its own: what it comes to, and how much it allocates. */
static int
try(int (*run)(void), int64_t first, int64_t row, int64_t *count)
{
	int fds[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		log_set_listener(hush);
		tls_memory_watch();
		starve(first, row);
		status = run();
		(void)!write(fds[1], &needed, sizeof(needed));
		_exit(status);
	}
	close(fds[1]);
	ck_assert_int_eq(
	    read(fds[0], count, sizeof(*count)), (int)sizeof(*count));
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
try_all(int (*run)(void), int64_t row)
{
	int64_t count, again, first;
	int refused = 0, status;

	ck_assert_int_eq(try(run, 0, 0, &count), SERVES);
	ck_assert_int_gt(count, PLACES);
	for (first = 1; first <= count; first += count / PLACES) {
		status = try(run, first, row, &again);
		ck_assert_msg(status != LAME,
		    "it comes up without allocation %d, and serves nobody",
		    (int)first);
		refused += status == REFUSED;
	}
	ck_assert_int_gt(refused, PLACES * 9 / 10);
}

START_TEST(a_listener_without_memory_is_refused)
{
	try_all(serve, _i);
}
END_TEST

START_TEST(so_are_authorities)
{
	try_all(connect_out, _i);
}
END_TEST

int
main(void)
{
	Suite *suite;
	TCase *tcase;

	/* Valgrind's functions stand in the place of those that fail. */
	if (getenv("BEVHOST_UNDER") != NULL) {
		puts("1..0 # SKIP allocations do not fail under valgrind");
		return 0;
	}
	suite = suite_create("tls_memory");
	tcase = tcase_create("tls_memory");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, a_listener_without_memory_is_refused, 1, 3);
	tcase_add_loop_test(tcase, so_are_authorities, 1, 3);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
