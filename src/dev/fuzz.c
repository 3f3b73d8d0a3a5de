/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `bevhost-dev fuzz' builds, once for each plugin: an input is a
 * conversation of which only one side is written. Its bytes are what a client
 * sends, all at once, but
 *
 *	fe	ends a piece: the handler has seen it before more comes
 *	ff ff	is the byte ff, and ff fe the byte fe
 *	ff e	the client sends no more, but reads on
 *	ff r	it resets the connection
 *	ff w	a second goes by, ff W a minute
 *	ff d	the host asks the handler to finish
 *	ff n	another client connects: what follows is its own
 *	ff a	what follows comes from what the handler has connected to
 *	ff 0	and from here on from the first client again
 *
 * In the end all clients close. It is a failure when the handler crashes or
 * hangs, when it keeps a connection, memory or a descriptor, and when a
 * sanitizer says so.
 *
 * BEVHOST_FUZZ_PLUGIN is the plugin, BEVHOST_FUZZ_WORDS its parameters, one in
 * a line, and BEVHOST_FUZZ_TIMEOUT how many seconds an input may take. With
 * BEVHOST_FUZZ_SHOW each input is shown as a conversation.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <bevhost/test.h>

#define FUZZ_CUT     0xfe
#define FUZZ_ESCAPE  0xff
#define FUZZ_CLIENTS 8
#define FUZZ_WORDS   100

static const char *fuzz_words[FUZZ_WORDS];
static int fuzz_shows, fuzz_started;
static unsigned fuzz_timeout_s = 20;
static char fuzz_hangs[80]; /* what is said then */

/* Of the input that runs. */
struct fuzz_client {
	struct bevhost_test_client *client;
	char name[32];	    /* for showing; the first one has none */
	int ended, is_gone; /* it sends no more; nothing follows of it */
};
static struct bevhost_test *fuzz_test;
static struct fuzz_client fuzz_clients[FUZZ_CLIENTS + 1];
static struct fuzz_client *fuzz_now; /* the one that speaks */
static int fuzz_count;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_fail(const char *what)
{
	fprintf(stderr, "bevhost-dev: %s: %s\n", what, bevhost_test_why());
	abort();
}

/*
 * The clocks stand still while a handler runs, so that libFuzzer's own alarm
 * would see no time go by. What aborts is kept, with a backtrace.
 */
static void
fuzz_on_alarm(int number)
{
	(void)number;
	(void)!write(STDERR_FILENO, fuzz_hangs, strlen(fuzz_hangs));
	if (!fuzz_started)
		_exit(EX_CONFIG);
	abort();
}

static void
fuzz_set_alarm(const char *seconds)
{
	if (seconds != NULL && atoi(seconds) > 0)
		fuzz_timeout_s = (unsigned)atoi(seconds);
	snprintf(fuzz_hangs, sizeof(fuzz_hangs),
	    "bevhost-dev: it hangs: it takes more than %u second%s\n",
	    fuzz_timeout_s, fuzz_timeout_s == 1 ? "" : "s");
	signal(SIGALRM, fuzz_on_alarm);
}

static void
fuzz_show(const char *step)
{
	if (fuzz_shows)
		printf("%s%s%s\n", step, *fuzz_now->name != '\0' ? " " : "",
		    fuzz_now->name);
}

/* As bevhost-conversation(5) has it. */
static void
fuzz_show_bytes(const uint8_t *data, size_t size)
{
	size_t i;

	if (!fuzz_shows)
		return;
	printf("%s>- ", fuzz_now->name);
	for (i = 0; i < size; i++)
		if (data[i] == '\n')
			fputs("\\n", stdout);
		else if (data[i] == '\r')
			fputs("\\r", stdout);
		else if (data[i] == '\\')
			fputs("\\\\", stdout);
		else if (isprint(data[i]) && (data[i] != ' ' || i + 1 < size))
			putchar(data[i]);
		else
			printf("\\x%02x", data[i]);
	putchar('\n');
}

/* Nobody minds what becomes of a client: the handler may have closed. */
static void
fuzz_ignore(int status)
{
	(void)status;
}

static void
fuzz_send(uint8_t *piece, size_t *len)
{
	if (*len > 0 && !fuzz_now->ended) {
		fuzz_show_bytes(piece, *len);
		fuzz_ignore(bevhost_test_send(fuzz_now->client, piece, *len));
	}
	*len = 0;
}

/* 0, or -1: there is none. */
static int
fuzz_turn_to(struct bevhost_test_client *client, const char *kind)
{
	if (client == NULL)
		return -1;
	fuzz_now = &fuzz_clients[fuzz_count];
	*fuzz_now = (struct fuzz_client){ .client = client };
	if (fuzz_count++ > 0)
		snprintf(fuzz_now->name, sizeof(fuzz_now->name), "%s%d", kind,
		    fuzz_count - 2);
	return 0;
}

static void
fuzz_accept(void)
{
	if (fuzz_turn_to(bevhost_test_accept(fuzz_test), "far") == 0 &&
	    fuzz_shows)
		printf("accept %s\n", fuzz_now->name);
}

static void
fuzz_end(void)
{
	if (fuzz_now->ended)
		return;
	fuzz_show("end");
	fuzz_now->ended = 1;
	fuzz_ignore(bevhost_test_end(fuzz_now->client));
}

static void
fuzz_reset(void)
{
	if (fuzz_now->is_gone)
		return;
	fuzz_show("reset");
	fuzz_now->ended = fuzz_now->is_gone = 1;
	fuzz_ignore(bevhost_test_reset(fuzz_now->client));
}

static void
fuzz_do(int what)
{
	switch (what) {
	case 'e':
		fuzz_end();
		break;
	case 'r':
		fuzz_reset();
		break;
	case 'w':
	case 'W':
		if (fuzz_shows)
			puts(what == 'w' ? "wait 1s" : "wait 60s");
		fuzz_ignore(
		    bevhost_test_wait(fuzz_test, what == 'w' ? 1000 : 60000));
		break;
	case 'd':
		if (fuzz_shows)
			puts("drain");
		fuzz_ignore(bevhost_test_drain(fuzz_test));
		break;
	case 'n':
		if (fuzz_count <= FUZZ_CLIENTS)
			fuzz_ignore(fuzz_turn_to(
			    bevhost_test_connect(fuzz_test), "client"));
		break;
	case 'a':
		if (fuzz_count <= FUZZ_CLIENTS)
			fuzz_accept();
		break;
	case '0':
		fuzz_now = fuzz_clients;
		break;
	default:
		break;
	}
}

static void
fuzz_play(const uint8_t *data, size_t size, uint8_t *piece)
{
	size_t i, len = 0;

	for (i = 0; i < size; i++) {
		if (data[i] == FUZZ_CUT) {
			fuzz_send(piece, &len);
		} else if (data[i] != FUZZ_ESCAPE || i + 1 == size) {
			piece[len++] = data[i];
		} else if (data[++i] >= FUZZ_CUT) {
			piece[len++] = data[i];
		} else {
			fuzz_send(piece, &len);
			fuzz_do(data[i]);
		}
	}
	fuzz_send(piece, &len);
}

static struct bevhost_test *
fuzz_begin(void)
{
	struct bevhost_test *test =
	    bevhost_test_new(getenv("BEVHOST_FUZZ_PLUGIN"), fuzz_words, NULL);

	if (test != NULL)
		return test;
	if (fuzz_started)
		fuzz_fail("the plugin does not start");
	/* Nothing that an input could do about it. */
	_exit(errno == EINVAL ? EX_USAGE : EX_CONFIG);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char *words = getenv("BEVHOST_FUZZ_WORDS");
	int count = 0;

	(void)argc;
	(void)argv;
	fuzz_shows = getenv("BEVHOST_FUZZ_SHOW") != NULL;
	/* What was shown before a crash is what matters. */
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	while (words != NULL && *words != '\0' && count < FUZZ_WORDS - 1)
		fuzz_words[count++] = strsep(&words, "\n");
	/* What does not start is no matter of inputs. */
	fuzz_set_alarm(getenv("BEVHOST_FUZZ_TIMEOUT"));
	alarm(fuzz_timeout_s);
	fuzz_test = fuzz_begin();
	fuzz_ignore(bevhost_test_free(fuzz_test));
	alarm(0);
	fuzz_started = 1;
	return 0;
}

static int
fuzz_once(const uint8_t *data, size_t size, uint8_t *piece)
{
	fuzz_test = fuzz_begin();
	fuzz_count = 0;
	if (fuzz_turn_to(bevhost_test_connect(fuzz_test), "") == 0)
		fuzz_play(data, size, piece);
	return bevhost_test_free(fuzz_test);
}

/* What is left for the first time may be made once and kept, as by a thread of
   libFuzzer's that has just begun. Both times count as one. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *piece = malloc(size + 1);
	int shows = fuzz_shows;

	if (piece == NULL)
		return 0;
	alarm(fuzz_timeout_s);
	if (fuzz_once(data, size, piece) < 0) {
		fuzz_shows = 0;
		if (fuzz_once(data, size, piece) < 0)
			fuzz_fail("when all clients had closed");
		fuzz_shows = shows;
	}
	alarm(0);
	free(piece);
	return 0;
}
