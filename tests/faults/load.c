/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients of an echo, for tests that break the server meanwhile: each request
 * has bytes of its own, and each byte of the answer is compared. Requests begin
 * at a given rate, whether or not earlier ones are answered: a server that
 * stands still is seen in the latency, which counts from the moment at which a
 * request was due.
 *
 * A connection that is kept may be closed by the server between two requests.
 * A request that meets such a close, before a byte of its answer, is sent again
 * on a new connection and counted as "again", not as failed.
 *
 * SIGUSR1 ends a window and begins the next; between two SIGUSR2 something
 * happens, and latencies of requests that meet it are kept apart; SIGTERM ends
 * the run once what is under way is answered. Each window is one line,
 * key=value.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../bench/histogram.h"
#include "load_options.h"

#define LOAD_PATTERN_SIZE ((size_t)LOAD_SIZE_MAX + 1)
#define LOAD_EVENTS	  256
#define LOAD_SOURCES	  200 /* addresses, so that no ports run out */
#define LOAD_GIVE_UP_MS	  30000
#define LOAD_US		  INT64_C(1000)

enum load_phase { LOAD_IDLE, LOAD_CONNECT, LOAD_ANSWER, LOAD_KEPT };

static const char *const load_phases[] = { "idle", "connect", "answer",
	"kept" };

struct client {
	int fd;
	enum load_phase phase;
	int reused; /* the connection has answered before */
	const char *payload;
	size_t len, sent, received;
	int64_t due_us;
};

struct window {
	unsigned long requests, failed, resets, refused, cut, wrong, late,
	    again;
	struct histogram latency_us, during_us;
	uint64_t max_us;
};

static struct load_options options;
static struct client *clients;
static struct window window;
static int windows, epoll_fd, signal_fd, ending;
static long busy, said;
static int64_t started_us, begun, happened_us;
static int happens; /* since SIGUSR2; happened_us: the last one's end */
static uint64_t seed;
static char *pattern;
static uint32_t source;

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* xorshift64*: the same bytes in each run. */
static uint64_t
load_random(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * UINT64_C(2685821657736338717);
}

static void
load_make_pattern(void)
{
	uint64_t word;
	size_t i;

	pattern = malloc(LOAD_PATTERN_SIZE);
	clients = calloc((size_t)options.connections, sizeof(*clients));
	if (pattern == NULL || clients == NULL)
		err(1, "memory");
	for (i = 0; i < LOAD_PATTERN_SIZE; i += sizeof(word)) {
		word = load_random();
		memcpy(pattern + i, &word, sizeof(word));
	}
}

/* Results */

static double
window_ms(const struct histogram *latency_us, double share)
{
	if (latency_us->total == 0)
		return 0;
	return (double)histogram_quantile(latency_us, share) / 1000;
}

static void
window_print(const char *name)
{
	printf("window=%s requests=%lu failed=%lu resets=%lu refused=%lu "
	       "short=%lu wrong=%lu late=%lu again=%lu p50_ms=%.2f p99_ms=%.2f "
	       "max_ms=%.2f during=%lu during_p99_ms=%.2f\n",
	    name, window.requests, window.failed, window.resets, window.refused,
	    window.cut, window.wrong, window.late, window.again,
	    window_ms(&window.latency_us, 0.5),
	    window_ms(&window.latency_us, 0.99), (double)window.max_us / 1000,
	    (unsigned long)window.during_us.total,
	    window_ms(&window.during_us, 0.99));
	fflush(stdout);
	memset(&window, 0, sizeof(window));
}

/* Where the client is, so that a server's log can be asked about it. */
static void
client_print_failure(const struct client *client, const char *what, int error)
{
	struct sockaddr_in own = { .sin_family = AF_UNSPEC };
	socklen_t len = sizeof(own);
	char host[INET_ADDRSTRLEN] = "";

	if (said++ >= options.failures)
		return;
	if (client->fd >= 0)
		getsockname(client->fd, (struct sockaddr *)&own, &len);
	if (own.sin_family == AF_INET)
		inet_ntop(AF_INET, &own.sin_addr, host, sizeof(host));
	printf("failure=%s errno=%s phase=%s sent=%zu received=%zu of=%zu "
	       "after_ms=%.1f at_s=%.3f client=%s:%d\n",
	    what, error != 0 ? strerrorname_np(error) : "0",
	    load_phases[client->phase], client->sent, client->received,
	    client->len, (double)(now_us() - client->due_us) / 1000,
	    (double)(now_us() - started_us) / 1000000, host,
	    own.sin_family == AF_INET ? ntohs(own.sin_port) : 0);
	fflush(stdout);
}

/* A client's life */

static void
client_hang_up(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->phase = LOAD_IDLE;
	client->reused = 0;
}

static void
client_fail(
    struct client *client, unsigned long *count, const char *what, int error)
{
	(*count)++;
	window.failed++;
	window.requests++;
	client_print_failure(client, what, error);
	client_hang_up(client);
	busy--;
}

static int
client_connect(struct client *client)
{
	struct sockaddr_in own = { .sin_family = AF_INET };
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = client,
	};
	const int on = 1;

	client->phase = LOAD_CONNECT;
	client->fd = socket(options.server.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return -1;
	if (options.server.sa.sa_family == AF_INET) {
		source = (source + 1) % LOAD_SOURCES;
		own.sin_addr.s_addr = htonl((127u << 24) + 2 + source);
		if (setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT,
			&on, sizeof(on)) < 0 ||
		    bind(client->fd, (struct sockaddr *)&own, sizeof(own)) < 0)
			return -1;
	}
	if (connect(client->fd, &options.server.sa, options.server_len) < 0 &&
	    errno != EINPROGRESS)
		return -1;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event);
}

static void
client_refused(struct client *client, int error)
{
	client_fail(client,
	    error == ECONNREFUSED ? &window.refused : &window.resets,
	    error == ECONNREFUSED ? "refused" : "error", error);
}

/* The connection broke, by an error or an end of file (0). */
static void
client_broke(struct client *client, int error)
{
	if (client->phase == LOAD_KEPT) {
		client_hang_up(client);
	} else if (client->phase == LOAD_CONNECT) {
		client_refused(client, error);
	} else if (client->reused && client->received == 0) {
		window.again++;
		client_hang_up(client);
		client->sent = 0;
		if (client_connect(client) < 0)
			client_refused(client, errno);
	} else if (error != 0) {
		client_fail(client, &window.resets, "reset", error);
	} else {
		client_fail(client, &window.cut, "short", 0);
	}
}

static void
client_finish(struct client *client)
{
	uint64_t us = (uint64_t)(now_us() - client->due_us);

	window.requests++;
	histogram_add(happens || client->due_us < happened_us
			  ? &window.during_us
			  : &window.latency_us,
	    us);
	if (us > window.max_us)
		window.max_us = us;
	busy--;
	client->phase = LOAD_KEPT;
	client->reused = 1;
	if (!options.keepalive || ending)
		client_hang_up(client);
}

/* As much as may be sent by now: a pause holds the second half back. */
static size_t
client_may_send(const struct client *client)
{
	if (options.pause_ms > 0 &&
	    now_us() < client->due_us + options.pause_ms * LOAD_US)
		return client->len / 2;
	return client->len;
}

/* 0, or -1 once the client has come to its end. */
static int
client_send(struct client *client)
{
	size_t len = client_may_send(client);
	ssize_t n;

	while (client->sent < len) {
		n = send(client->fd, client->payload + client->sent,
		    len - client->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0) {
			client_broke(client, errno);
			return -1;
		}
		client->sent += (size_t)n;
	}
	return 0;
}

/* One byte more than is due would be too many. */
static void
client_receive(struct client *client)
{
	static char buf[65536];
	ssize_t n;

	for (;;) {
		n = recv(client->fd, buf, sizeof(buf), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			client_broke(client, n < 0 ? errno : 0);
			return;
		}
		if (client->phase == LOAD_KEPT ||
		    (size_t)n > client->len - client->received ||
		    memcmp(buf, client->payload + client->received,
			(size_t)n) != 0) {
			busy += client->phase == LOAD_KEPT;
			client_fail(client, &window.wrong, "wrong", 0);
			return;
		}
		client->received += (size_t)n;
		if (client->received == client->len) {
			client_finish(client);
			return;
		}
	}
}

static void
client_on_event(struct client *client, uint32_t events)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (client->phase == LOAD_CONNECT) {
		getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			client_broke(client, error);
			return;
		}
		if ((events & EPOLLOUT) == 0)
			return;
		client->phase = LOAD_ANSWER;
	}
	if (client->phase == LOAD_ANSWER && client_send(client) < 0)
		return;
	if (client->phase == LOAD_ANSWER || client->phase == LOAD_KEPT)
		client_receive(client);
}

static void
client_begin(struct client *client, int64_t due_us)
{
	client->len = 1 + (size_t)(load_random() % (uint64_t)options.size);
	client->payload =
	    pattern + load_random() % (LOAD_PATTERN_SIZE - client->len);
	client->sent = client->received = 0;
	client->due_us = due_us;
	busy++;
	if (client->phase == LOAD_KEPT) {
		client->phase = LOAD_ANSWER;
		client_on_event(client, EPOLLOUT);
	} else if (client_connect(client) < 0) {
		client_refused(client, errno);
	}
}

/* The load */

static struct client *
load_free_client(void)
{
	static long next;
	long i;

	for (i = 0; i < options.connections; i++) {
		struct client *client =
		    &clients[(next + i) % options.connections];

		if (client->phase == LOAD_IDLE || client->phase == LOAD_KEPT) {
			next = (next + i + 1) % options.connections;
			return client;
		}
	}
	return NULL;
}

static void
load_begin_due(void)
{
	int64_t us = now_us() - started_us, due;
	struct client *client;

	while (!ending && (due = begun * 1000000 / options.rate) <= us &&
	       (client = load_free_client()) != NULL) {
		begun++;
		client_begin(client, started_us + due);
	}
}

static void
load_end_pauses(void)
{
	long i;

	for (i = 0; options.pause_ms > 0 && i < options.connections; i++)
		if (clients[i].phase == LOAD_ANSWER &&
		    clients[i].sent == clients[i].len / 2)
			(void)client_send(&clients[i]);
}

/* What waits for so long has no answer. */
static void
load_give_up(void)
{
	int64_t limit = now_us() - LOAD_GIVE_UP_MS * LOAD_US;
	long i;

	for (i = 0; i < options.connections; i++)
		if ((clients[i].phase == LOAD_CONNECT ||
			clients[i].phase == LOAD_ANSWER) &&
		    clients[i].due_us < limit)
			client_fail(&clients[i], &window.late, "late", 0);
}

static void
load_on_signals(void)
{
	struct signalfd_siginfo info;
	char name[16];

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			snprintf(name, sizeof(name), "%d", ++windows);
			window_print(name);
		} else if (info.ssi_signo == SIGUSR2) {
			happens = !happens;
			happened_us = now_us();
		} else {
			ending = 1;
		}
	}
}

static void
load_run(void)
{
	struct epoll_event events[LOAD_EVENTS];
	int count, i;

	started_us = now_us();
	while (!ending || busy > 0) {
		load_begin_due();
		count = epoll_wait(epoll_fd, events, LOAD_EVENTS, 1);
		for (i = 0; i < count; i++)
			if (events[i].data.ptr == NULL)
				load_on_signals();
			else
				client_on_event(
				    events[i].data.ptr, events[i].events);
		load_end_pauses();
		load_give_up();
		if (options.duration_s > 0 &&
		    now_us() - started_us > options.duration_s * 1000000)
			ending = 1;
	}
}

static void
load_set_up(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	sigset_t set;
	long i;

	load_make_pattern();
	for (i = 0; i < options.connections; i++)
		clients[i].fd = -1;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (epoll_fd < 0 || signal_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd, &event) < 0)
		err(1, "events");
}

int
main(int argc, char **argv)
{
	load_options_read(&options, argc, argv);
	seed = options.seed;
	load_set_up();
	puts("begins");
	fflush(stdout);
	load_run();
	window_print("last");
	return 0;
}
