/* SPDX-License-Identifier: BSD-2-Clause */
/* libbevhost-test, used as an author uses it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bevhost/test.h>

#include "tap.h"

static const char *
path(const char *name)
{
	static char buf[4096];

	snprintf(buf, sizeof(buf), "%s/../plugins/.libs/%s.so",
	    getenv("BEVHOST_UNITS"), name);
	return buf;
}

static struct bevhost_test *
start(const char *name)
{
	struct bevhost_test *test = bevhost_test_new(path(name), NULL, NULL);

	ck_assert_msg(test != NULL, "%s", bevhost_test_why());
	return test;
}

#define ok(call) ck_assert_msg((call) == 0, "%s", bevhost_test_why())
#define wrong(call, why)                                   \
	do {                                               \
		ck_assert_int_eq(call, -1);                \
		ck_assert_str_eq(bevhost_test_why(), why); \
	} while (0)

START_TEST(a_client_is_answered)
{
	struct bevhost_test *test = start("echo");
	struct bevhost_test_client *one = bevhost_test_connect(test);
	struct bevhost_test_client *two = bevhost_test_connect(test);

	ok(bevhost_test_send_text(one, "hel"));
	ok(bevhost_test_send(one, "lo\0!", 4));
	ok(bevhost_test_send_text(two, "you"));
	ok(bevhost_test_expect(one, "hello\0!", 7));
	ok(bevhost_test_expect_silence(one));
	ok(bevhost_test_expect_text(two, "you"));
	ok(bevhost_test_end(one));
	ok(bevhost_test_expect_closed(one, BEVHOST_REASON_PEER));
	ok(bevhost_test_free(test));
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
	struct bevhost_test *test = start("echo");
	struct bevhost_test_client *client = bevhost_test_connect(test);
	size_t len;

	ok(bevhost_test_send_text(client, "hello"));
	wrong(bevhost_test_expect_text(client, "hullo"),
	    "\"hullo\" was to come, but \"hello\" came");
	wrong(bevhost_test_expect_silence(client),
	    "nothing more was to come, but \"hello\" did");
	ck_assert(memcmp(bevhost_test_received(client, &len), "hello", 5) == 0);
	ck_assert_uint_eq(len, 5);
	bevhost_test_take(client, 2);
	ok(bevhost_test_expect_text(client, "llo"));
	wrong(bevhost_test_expect_text(client, "more"),
	    "\"more\" was to come, but nothing came");
	wrong(bevhost_test_expect_closed(client, BEVHOST_REASON_NONE),
	    "the handler has not closed");
	ok(bevhost_test_end(client));
	wrong(bevhost_test_send_text(client, "x"),
	    "the client has ended its side");
	wrong(bevhost_test_expect_closed(client, BEVHOST_REASON_HANDLER),
	    "it closed for the reason peer, not handler");
	wrong(bevhost_test_send_text(client, "x"), "the client has closed");
	ck_assert_ptr_null(bevhost_test_new(path("echo"), NULL, NULL));
	ck_assert_str_eq(
	    bevhost_test_why(), "there is a handler under test already");
	ok(bevhost_test_free(test));
	ck_assert_ptr_null(bevhost_test_new("/nowhere.so", NULL, NULL));
}
END_TEST

START_TEST(deadlines_take_no_time)
{
	static const char *const options[] = { "idle-timeout=1h", NULL };
	struct bevhost_test *test =
	    bevhost_test_new(path("greeting"), NULL, options);
	struct bevhost_test_client *client;

	ck_assert_msg(test != NULL, "%s", bevhost_test_why());
	client = bevhost_test_connect(test);
	ok(bevhost_test_send_text(client, "hello"));
	ok(bevhost_test_expect_text(client, "Hello World!"));
	ok(bevhost_test_wait(test, 59 * 60 * 1000));
	ok(bevhost_test_expect_silence(client));
	ok(bevhost_test_wait(test, 5 * 60 * 1000));
	ok(bevhost_test_expect_closed(client, BEVHOST_REASON_IDLE));
	ok(bevhost_test_free(test));
}
END_TEST

START_TEST(a_reset_and_a_drain_close)
{
	struct bevhost_test *test = start("greeting");
	struct bevhost_test_client *one = bevhost_test_connect(test);
	struct bevhost_test_client *two = bevhost_test_connect(test);

	ok(bevhost_test_reset(one));
	ok(bevhost_test_expect_closed(one, BEVHOST_REASON_RESET));
	ok(bevhost_test_drain(test));
	ok(bevhost_test_expect_closed(two, BEVHOST_REASON_DRAIN));
	ok(bevhost_test_free(test));
}
END_TEST

START_TEST(who_stalls_is_owed)
{
	static const char *const options[] = { "write-timeout=5s", NULL };
	struct bevhost_test *test =
	    bevhost_test_new(path("echo"), NULL, options);
	struct bevhost_test_client *one = bevhost_test_connect(test);
	struct bevhost_test_client *two = bevhost_test_connect(test);

	ok(bevhost_test_stall(one));
	ok(bevhost_test_stall(two));
	ok(bevhost_test_send_text(one, "hello"));
	ok(bevhost_test_send_text(two, "hello"));
	ok(bevhost_test_wait(test, 4000));
	ok(bevhost_test_expect_silence(one));
	ok(bevhost_test_resume(one));
	ok(bevhost_test_expect_text(one, "hello"));
	ok(bevhost_test_wait(test, 2000));
	ok(bevhost_test_expect_silence(one));
	ok(bevhost_test_expect_closed(two, BEVHOST_REASON_SLOW));
	ok(bevhost_test_free(test));
}
END_TEST

START_TEST(every_allocation_may_fail)
{
	struct bevhost_test *test = start("echo");
	struct bevhost_test_client *client;
	int64_t count = bevhost_test_allocations(test), n;

	ck_assert_int_gt(count, 0);
	for (n = 1; n < 50; n++) {
		bevhost_test_fail(test, n, 1);
		client = bevhost_test_connect(test);
		ck_assert_ptr_nonnull(client);
		ok(bevhost_test_send_text(client, "hello"));
		if (bevhost_test_expect_text(client, "hello") < 0)
			ok(bevhost_test_expect_closed(
			    client, BEVHOST_REASON_NONE));
		else
			ok(bevhost_test_close(client));
		if (bevhost_test_allocations(test) < n)
			break;
	}
	ck_assert_int_gt(n, 3);
	ck_assert_int_lt(n, 50);
	ok(bevhost_test_free(test));
}
END_TEST

static int
converse(const char *plugin, const char *text)
{
	char file[] = "/tmp/bevhost-test-XXXXXX";
	ssize_t len = (ssize_t)strlen(text);
	int status, fd = mkstemp(file);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, (size_t)len), len);
	close(fd);
	status = bevhost_test_conversation(plugin, NULL, file);
	unlink(file);
	return status;
}

/* It is wrong, and the first line of why ends so. */
static void
fails(const char *plugin, const char *text, const char *why)
{
	ck_assert_int_eq(converse(plugin, text), -1);
	ck_assert_msg(
	    strstr(bevhost_test_why(), why) != NULL, "%s", bevhost_test_why());
}

/* In a process of its own, which is this one where Check does not fork. */
START_TEST(a_handler_that_ends_the_process_has_not_passed)
{
	char said[4096];
	int pipes[2], status;
	FILE *out;
	size_t len;
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		const char *const words[] = { "in=read", "how=done", NULL };
		struct bevhost_test *test = bevhost_test_new(
		    path("../../tests/.libs/crash"), words, NULL);
		struct bevhost_test_client *client = bevhost_test_connect(test);

		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		(void)!bevhost_test_send_text(client, "x");
		_exit(0);
	}
	close(pipes[1]);
	out = fdopen(pipes[0], "r");
	len = fread(said, 1, sizeof(said) - 1, out);
	said[len] = '\0';
	fclose(out);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE,
	    "%s", said);
	ck_assert_msg(strstr(said, "the handler called exit(3)") != NULL &&
			  strstr(said, "crash_now") != NULL,
	    "%s", said);
}
END_TEST

START_TEST(a_conversation_is_cut_in_all_ways)
{
	ok(converse(path("echo"), "> a\n< a\n"));
	fails(path("echo"), "> a\n< b\n",
	    ":2: \"b\\n\" was to come, but \"a\\n\" came\n");
}
END_TEST

START_TEST(when_the_client_has_closed_closed_is_how_the_host_did)
{
	ok(converse(path("echo"),
	    "> a\n< a\nclose\nclosed\nann> a\nann< a\nclose ann\n"
	    "closed ann peer\nbob> a\nbob< a\nend bob\nreset bob\n"
	    "closed bob peer\neve> a\neve< a\nreset eve\n"
	    "closed eve reset\n"));
	fails(path("echo"), "> a\n< a\nreset\nclosed peer\n",
	    ":4: it closed for the reason reset, not peer\n");
	fails(path("../../tests/.libs/serve"),
	    "> deaf 5000\nclose\nwait 4s\nclosed\n",
	    ":4: the client has closed, the host not yet\n");
	fails(path("../../tests/.libs/serve"),
	    "> deaf 5000\nclose\nwait 5s\nclosed reset\n",
	    ":4: it closed for the reason peer, not reset\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("test");
	TCase *tcase = tcase_create("handlers");

	/* Conversations take a while with sanitizers, on a busy machine. */
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_client_is_answered);
	tcase_add_test(tcase, what_is_wrong_is_said);
	tcase_add_test(tcase, deadlines_take_no_time);
	tcase_add_test(tcase, a_reset_and_a_drain_close);
	tcase_add_test(tcase, who_stalls_is_owed);
	/* Valgrind's functions stand in the place of those that count. */
	if (getenv("BEVHOST_UNDER") == NULL)
		tcase_add_test(tcase, every_allocation_may_fail);
	tcase_add_test(tcase, a_handler_that_ends_the_process_has_not_passed);
	tcase_add_test(tcase, a_conversation_is_cut_in_all_ways);
	tcase_add_test(
	    tcase, when_the_client_has_closed_closed_is_how_the_host_did);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
