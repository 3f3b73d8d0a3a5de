/* SPDX-License-Identifier: BSD-2-Clause */
/* <bevhost/test.h>: a rig, and what is said of it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include <bevhost/test.h>

#include "copy.h"
#include "play_note.h"
#include "reason.h"
#include "rig.h"
#include "rig_where.h"
#include "script.h"
#include "trial.h"

#define RIG_API_FORKED	    1000
#define RIG_API_PATIENCE_MS (24 * 3600 * INT64_C(1000)) /* virtual ones */

struct bevhost_test_client {
	struct bevhost_test *test;
	struct rig_end *end;
	size_t taken;
	int ended; /* it sends no more */
};

struct bevhost_test {
	struct rig *rig;
	struct bevhost_test_client clients[RIG_ENDS_MAX];
	int client_count;
};

/* Check runs each test in a process of its own, which _exit() ends when it
   fails: what it leaves the first process removes. */
struct rig_api_forked {
	unsigned count;
	pid_t pids[RIG_API_FORKED];
};

static struct bevhost_test *rig_api_only;
static struct rig_api_forked *rig_api_forked; /* shared, or NULL */
static pid_t rig_api_first, rig_api_noted;
static char rig_api_text[32768];

static int BEVHOST_PRINTF(1, 2) rig_api_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(rig_api_text, sizeof(rig_api_text), format, args);
	va_end(args);
	bevhost_test_failed(rig_api_text);
	return -1;
}

const char *
bevhost_test_why(void)
{
	return rig_api_text;
}

static void
rig_api_remove_copies(void)
{
	unsigned i;

	copy_remove_all();
	if (rig_api_forked == NULL || getpid() != rig_api_first)
		return;
	for (i = 0; i < rig_api_forked->count && i < RIG_API_FORKED; i++)
		copy_remove_of(rig_api_forked->pids[i]);
}

/*
 * exit() in a handler would be that of the test: with 0 it would pass, and
 * those after it too where all are in one process.
 */
static void
rig_api_on_exit(void)
{
	if (rig_api_only == NULL || !rig_is_inside()) {
		rig_api_remove_copies();
		return;
	}
	fflush(stdout);
	rig_api_fail("the handler called exit(3), which ends the test");
	fprintf(stderr, "bevhost-test: %s; it was here:\n", rig_api_text);
	/* Whose lines are read from the copies. */
	rig_where(NULL);
	rig_api_remove_copies();
	_exit(EXIT_FAILURE);
}

static void __attribute__((constructor)) rig_api_begin(void)
{
	void *shared = mmap(NULL, sizeof(*rig_api_forked),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	rig_api_first = getpid();
	rig_api_forked = shared != MAP_FAILED ? shared : NULL;
	(void)!atexit(rig_api_on_exit);
}

static void
rig_api_note_fork(void)
{
	unsigned at;

	if (rig_api_noted == getpid() || rig_api_forked == NULL ||
	    getpid() == rig_api_first)
		return;
	rig_api_noted = getpid();
	at = __atomic_fetch_add(&rig_api_forked->count, 1, __ATOMIC_RELAXED);
	if (at < RIG_API_FORKED)
		rig_api_forked->pids[at] = getpid();
}

struct bevhost_test *
bevhost_test_new(
    const char *plugin, const char *const *words, const char *const *options)
{
	struct rig_options rig = {
		.plugin = plugin, .words = words, .options = options
	};
	struct bevhost_test *test;
	struct rig_left left;

	if (rig_api_only != NULL) {
		rig_api_fail("there is a handler under test already");
		return NULL;
	}
	rig_api_note_fork();
	test = calloc(1, sizeof(*test));
	if (test == NULL) {
		rig_api_fail("%m");
		return NULL;
	}
	rig_api_only = test;
	test->rig = rig_new(&rig, &left);
	if (test->rig == NULL) {
		rig_api_only = NULL;
		rig_api_fail("%s does not start: %s", plugin,
		    left.why != NULL && *left.why != '\0'
			? left.why
			: "standard error says why");
		free(test);
		errno = left.refused == EX_USAGE ? EINVAL : ENOEXEC;
		return NULL;
	}
	return test;
}

static int
rig_api_judge(int left_open, const struct rig_left *left)
{
	if (left->held)
		return rig_api_fail("the handler holds connections or tasks "
				    "that cannot be ended");
	if (left_open)
		return -1;
	if (left->spoiled > 0)
		return rig_api_fail("memory was written to after it was freed");
	if (left->descriptors > 0)
		return rig_api_fail("%d descriptor%s left open%s",
		    left->descriptors, left->descriptors == 1 ? " is" : "s are",
		    left->opened);
	if (left->blocks > 0)
		return rig_api_fail("%lld block%s of memory %s not freed",
		    (long long)left->blocks, left->blocks == 1 ? "" : "s",
		    left->blocks == 1 ? "is" : "are");
	return 0;
}

int
bevhost_test_free(struct bevhost_test *test)
{
	struct rig_left left;
	int left_open = 0;

	if (test == NULL)
		return 0;
	if (rig_leave(test->rig, RIG_API_PATIENCE_MS) < 0)
		left_open = rig_api_fail("%s", rig_why(test->rig));
	rig_free(test->rig, &left);
	free(test);
	rig_api_only = NULL;
	return rig_api_judge(left_open, &left);
}

static int
rig_api_settle(const struct bevhost_test *test)
{
	return rig_settle(test->rig) == 0
		   ? 0
		   : rig_api_fail("%s", rig_why(test->rig));
}

static struct bevhost_test_client *
rig_api_client(struct bevhost_test *test, struct rig_end *end)
{
	struct bevhost_test_client *client;

	if (end == NULL)
		return NULL;
	client = &test->clients[test->client_count++];
	client->test = test;
	client->end = end;
	return client;
}

struct bevhost_test_client *
bevhost_test_connect(struct bevhost_test *test)
{
	struct rig_end *end = rig_connect(test->rig);

	if (end == NULL)
		rig_api_fail("more than %d connections", RIG_ENDS_MAX);
	if (end == NULL || rig_api_settle(test) < 0)
		return NULL;
	return rig_api_client(test, end);
}

struct bevhost_test_client *
bevhost_test_accept(struct bevhost_test *test)
{
	struct rig_end *end = rig_take(test->rig);

	if (end == NULL)
		rig_api_fail("the handler has not connected");
	return rig_api_client(test, end);
}

void
bevhost_test_refuse(struct bevhost_test *test)
{
	rig_refuse(test->rig);
}

int
bevhost_test_send(
    struct bevhost_test_client *client, const void *bytes, size_t len)
{
	if (client->end->fd < 0)
		return rig_api_fail("the client has closed");
	if (client->ended)
		return rig_api_fail("the client has ended its side");
	if (rig_send(client->test->rig, client->end, bytes, len) < 0)
		return rig_api_fail("%s", rig_why(client->test->rig));
	return rig_api_settle(client->test);
}

int
bevhost_test_send_text(struct bevhost_test_client *client, const char *text)
{
	return bevhost_test_send(client, text, strlen(text));
}

const void *
bevhost_test_received(struct bevhost_test_client *client, size_t *len)
{
	*len = client->end->len - client->taken;
	return *len > 0 ? client->end->came + client->taken : "";
}

void
bevhost_test_take(struct bevhost_test_client *client, size_t len)
{
	size_t there = client->end->len - client->taken;

	client->taken += len < there ? len : there;
}

int
bevhost_test_expect(
    struct bevhost_test_client *client, const void *bytes, size_t len)
{
	char wanted[1024], got[1024];
	size_t there;
	const char *came = bevhost_test_received(client, &there);

	if (there >= len && memcmp(came, bytes, len) == 0) {
		client->taken += len;
		return 0;
	}
	return rig_api_fail("%s was to come, but %s came%s",
	    play_quote(wanted, sizeof(wanted), bytes, len),
	    there > 0 ? play_quote(got, sizeof(got), came, there) : "nothing",
	    client->end->eof ? ", and the end" : "");
}

int
bevhost_test_expect_text(struct bevhost_test_client *client, const char *text)
{
	return bevhost_test_expect(client, text, strlen(text));
}

static int
rig_api_no_more(struct bevhost_test_client *client)
{
	char got[1024];
	size_t there;
	const char *came = bevhost_test_received(client, &there);

	return there == 0 ? 0
			  : rig_api_fail("nothing more was to come, but %s did",
				play_quote(got, sizeof(got), came, there));
}

int
bevhost_test_expect_silence(struct bevhost_test_client *client)
{
	if (rig_api_no_more(client) < 0)
		return -1;
	return client->end->eof ? rig_api_fail("the handler has closed") : 0;
}

int
bevhost_test_expect_closed(
    struct bevhost_test_client *client, enum bevhost_reason reason)
{
	struct rig_end *end = client->end;

	if (rig_api_no_more(client) < 0)
		return -1;
	if (!end->eof && !end->gone)
		return rig_api_fail("the handler has not closed");
	rig_close(end);
	if (rig_api_settle(client->test) < 0)
		return -1;
	if (reason == BEVHOST_REASON_NONE || end->conn == 0)
		return 0;
	if (!end->gone)
		return rig_api_fail("the end came, but the connection is held "
				    "and not gone");
	return end->reason == reason
		   ? 0
		   : rig_api_fail("it closed for the reason %s, not %s",
			 reason_name(end->reason), reason_name(reason));
}

int
bevhost_test_wait(struct bevhost_test *test, int64_t ms)
{
	return rig_wait(test->rig, ms) == 0
		   ? 0
		   : rig_api_fail("%s", rig_why(test->rig));
}

int
bevhost_test_end(struct bevhost_test_client *client)
{
	rig_end_writing(client->end);
	client->ended = 1;
	return rig_api_settle(client->test);
}

int
bevhost_test_close(struct bevhost_test_client *client)
{
	rig_close(client->end);
	return rig_api_settle(client->test);
}

int
bevhost_test_reset(struct bevhost_test_client *client)
{
	rig_reset(client->end);
	return rig_api_settle(client->test);
}

int
bevhost_test_stall(struct bevhost_test_client *client)
{
	rig_stall(client->end);
	return rig_api_settle(client->test);
}

int
bevhost_test_resume(struct bevhost_test_client *client)
{
	rig_resume(client->end);
	return rig_api_settle(client->test);
}

int
bevhost_test_drain(struct bevhost_test *test)
{
	rig_drain(test->rig);
	return rig_api_settle(test);
}

void
bevhost_test_fail(struct bevhost_test *test, int64_t nth, int64_t count)
{
	rig_fail_allocations(test->rig, nth, count);
}

int64_t
bevhost_test_allocations(const struct bevhost_test *test)
{
	return rig_allocations(test->rig);
}

/* The kinds of cuts, up to the first that fails. */
static int
rig_api_try(const struct script *script, const struct trial_options *options)
{
	static struct trial_result result;
	char cut[64];
	int kind;

	for (kind = 0; kind < CUT_KINDS; kind++) {
		if (trial(script, (enum cut_kind)kind, options, &result) < 0)
			return rig_api_fail("%s: %m", script->path);
		if (result.failed)
			return rig_api_fail(
			    "%s\n--cut=%s of bevhost-dev test; what happened:\n"
			    "%s%s",
			    result.play.why,
			    cut_text(&result.cut, cut, sizeof(cut)),
			    result.play.transcript, result.said);
	}
	return 0;
}

int
bevhost_test_conversation(
    const char *plugin, const char *const *words, const char *path)
{
	const struct trial_options options = { .play = { .plugin = plugin,
						   .words = words },
		.seconds = 20,
		.most = 500 };
	struct script script;
	char why[512];
	int status;

	if (rig_api_only != NULL)
		return rig_api_fail("there is a handler under test already");
	status = script_read(&script, path, why, sizeof(why));
	status = status == 0 ? rig_api_try(&script, &options)
			     : rig_api_fail("%s", why);
	script_clear(&script);
	return status;
}
