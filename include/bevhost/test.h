/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of handlers, without a network and without waiting: libbevhost-test,
 * whose flags `pkg-config bevhost-test` knows. C99 and later, C++11 and later.
 * The guide to it is the manual page bevhost-test(3).
 *
 * The handler runs in the process of the test, and its clients are the test's
 * own calls. Time stands still but for bevhost_test_wait(). All that the
 * handler allocates is counted, and what is left of it at the end is an error.
 * There is one handler under test at a time; nothing here is for several
 * threads. What the handler logs goes to standard error.
 *
 * Functions that return int return 0, or -1 when something is not as it should
 * be: bevhost_test_why() says what.
 */
#ifndef BEVHOST_TEST_H
#define BEVHOST_TEST_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

struct bevhost_test;
struct bevhost_test_client;

/*
 * Loads a plugin, by its path or, as bevhost does, by its name, and starts it.
 * words are its parameters, as KEY=VALUE, and options those of its listener, as
 * OPTION=VALUE (bevhost.conf(5)); each is ended by NULL, or is NULL. Returns
 * NULL when there is one already, or when it does not start, with errno EINVAL
 * for a parameter that is refused, and ENOEXEC for the plugin itself.
 */
struct bevhost_test *bevhost_test_new(const char *plugin,
    const char *const *words, const char *const *options) BEVHOST_MUST_CHECK;

/*
 * All clients close, and the handler is stopped and forgotten. -1: a connection
 * did not end, or memory or descriptors are left: also those that a library
 * makes when it is used first, and keeps. NULL is nothing.
 */
int bevhost_test_free(struct bevhost_test *test);

/* What was wrong last, in this process; "" when nothing was. */
const char *bevhost_test_why(void);

/*
 * Does nothing, and is called whenever something is wrong, with what
 * bevhost_test_why() returns then: debuggers can stop there.
 */
void bevhost_test_failed(const char *why);

/* A client connects, from 127.0.0.1. NULL: there are too many. Each lives as
   long as the test does. */
struct bevhost_test_client *
bevhost_test_connect(struct bevhost_test *test) BEVHOST_MUST_CHECK;

/* The far end of what the handler connected to, the first that was not returned
   before; or NULL. It is used as a client is. */
struct bevhost_test_client *
bevhost_test_accept(struct bevhost_test *test) BEVHOST_MUST_CHECK;
/* The handler's next outbound connection is refused. */
void bevhost_test_refuse(struct bevhost_test *test);

/* Sends len bytes at once; the handler has seen them when it returns. -1: it
   has stopped reading, or the client has ended or closed. */
int bevhost_test_send(
    struct bevhost_test_client *client, const void *bytes, size_t len);
/* The same of a string. */
int
bevhost_test_send_text(struct bevhost_test_client *client, const char *text);

/* What has come and was not taken yet: *len bytes, valid until the next call
   for this client. bevhost_test_take() takes the first len of them. */
const void *
bevhost_test_received(struct bevhost_test_client *client, size_t *len);
void bevhost_test_take(struct bevhost_test_client *client, size_t len);

/* The next that has come is that, and is taken. */
int bevhost_test_expect(
    struct bevhost_test_client *client, const void *bytes, size_t len);
int
bevhost_test_expect_text(struct bevhost_test_client *client, const char *text);
/* Nothing has come, and the connection is open. */
int bevhost_test_expect_silence(struct bevhost_test_client *client);
/* The handler has closed, all that came was taken, and the connection is gone
   for that reason; BEVHOST_REASON_NONE: for any. */
int bevhost_test_expect_closed(
    struct bevhost_test_client *client, enum bevhost_reason reason);

/* Time goes on by that many milliseconds, and what is due is done. */
int bevhost_test_wait(struct bevhost_test *test, int64_t ms);

/* The client sends no more, but reads on; closes; resets the connection. */
int bevhost_test_end(struct bevhost_test_client *client);
int bevhost_test_close(struct bevhost_test_client *client);
int bevhost_test_reset(struct bevhost_test_client *client);

/* The client reads nothing, and the network takes nothing more for it, so that
   what the handler writes stays with it, until the client resumes. */
int bevhost_test_stall(struct bevhost_test_client *client);
int bevhost_test_resume(struct bevhost_test_client *client);

/* The host asks the handler to finish, as it does before it stops. */
int bevhost_test_drain(struct bevhost_test *test);

/*
 * The allocation that is the nth from now, from 1, fails, and so do those after
 * it, `count` of them in all; 0 of them: none fails from now on. Those of
 * libevent and of the host count too.
 */
void bevhost_test_fail(struct bevhost_test *test, int64_t nth, int64_t count);
/* How many there have been since bevhost_test_new(), or bevhost_test_fail(). */
int64_t bevhost_test_allocations(const struct bevhost_test *test);

/*
 * Plays the conversation in the file at path, bevhost-conversation(5), in all
 * the ways in which a network may cut it, each kind in a process of its own. No
 * handler may be under test meanwhile. -1: one of them fails;
 * bevhost_test_why() has the transcript.
 */
int bevhost_test_conversation(
    const char *plugin, const char *const *words, const char *path);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* BEVHOST_TEST_H */
