/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The load: one thread which keeps a number of connections busy, each sending
 * its next request when the reply to the last one is complete (a closed loop),
 * and checks what it gets.
 *
 * A window begins and ends with no request under way and the server at rest,
 * so the CPU time in between is that of the requests counted, no more and no
 * less.
 *
 * The thread never sleeps inside a window: waking it would be done, and paid
 * for, by the server.
 *
 * Nor should the server: a fast one would sleep more often than a slow one and
 * the figure would be that of waking up.  The client's part of a new
 * connection costs more than the server's, so the server would always be ahead
 * and doze.  In bursts it is held while the client does its part, and finds
 * all connections of the burst at once.
 *
 * With --on-request a window is measured for each line on stdin, so that
 * windows with several servers can be interleaved without starting anew.
 */

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"
#include "server_cpu.h"

#define NS_PER_SECOND	UINT64_C(1000000000)
#define GIVE_UP_NS	(10 * NS_PER_SECOND)
#define EVENTS_MAX	1024
#define RECEIVE_BYTES	(256 * 1024)
#define CONNECTIONS_MAX 1000000
#define SIZE_BYTES_MAX	(64 * 1024 * 1024)

/* How many connections are being opened at a time: no backlog overflows. */
#define OPENING_MAX 64

/*
 * Each address and port of the server can be reached from as many ports as
 * one address has, less those in TIME_WAIT: so use many addresses.
 */
#define SOURCES	     250
#define SOURCE_FIRST 2

/* Requests begin at different places of the pattern, none like the last. */
#define PATTERN_STARTS 4096
#define PATTERN_STEP   61
#define PROBE_BYTES    8
#define PROBE_STEP     4096

enum load_mode {
	LOAD_MODE_GREETING,
	LOAD_MODE_ECHO,
	LOAD_MODE_CONNECT,
	LOAD_MODE_IDLE
};

struct options {
	enum load_mode mode;
	struct sockaddr_in server;
	size_t connections;
	uint64_t window_ns;
	uint64_t warm_up_ns;
	size_t size_bytes;
	pid_t server_pid; /* 0 when there is none to look at */
	bool bursts;
	bool on_request;
	bool again;
};

struct connection {
	int fd;
	size_t sent_bytes;
	size_t received_bytes;
	const char *request;
	const char *reply;
	uint64_t started_ns;
};

struct load {
	struct options options;
	int epoll_fd;
	struct connection *connections;
	char *pattern;
	size_t request_bytes;
	size_t reply_bytes;

	size_t pattern_start;
	uint32_t source;
	size_t active;	  /* connections with a request under way */
	uint64_t stop_ns; /* no request is begun after this */
	uint64_t finished;
	uint64_t finished_ns; /* when the latest reply was complete */
	bool check_all;	      /* every byte of a long reply, not probes */
	struct histogram latency_ns;
};

struct result {
	uint64_t requests;
	uint64_t elapsed_ns;
	uint64_t cpu_ns;
};

static const char load_request[] = "Hello";
static const char load_reply[] = "Hello World!";
static char receive_buffer[RECEIVE_BYTES];
static pid_t held_pid; /* the server while it is held, or 0 */

static uint64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Every failure ends the run: a figure with errors in it means nothing. */
static _Noreturn void
fail(const char *what, int error)
{
	if (held_pid != 0)
		kill(held_pid, SIGCONT);
	printf("errors=1\n");
	fflush(stdout);
	if (error != 0)
		errx(1, "%s: %s", what, strerror(error));
	errx(1, "%s", what);
}

/* Checks a piece of a reply against what it should be. */
static bool
reply_is_right(const struct load *load, const char *bytes, const char *expected,
    size_t size_bytes)
{
	size_t i;

	if (load->check_all || size_bytes <= 2 * PROBE_BYTES)
		return memcmp(bytes, expected, size_bytes) == 0;
	for (i = 0; i + PROBE_BYTES <= size_bytes; i += PROBE_STEP) {
		if (memcmp(bytes + i, expected + i, PROBE_BYTES) != 0)
			return false;
	}
	i = size_bytes - PROBE_BYTES;
	return memcmp(bytes + i, expected + i, PROBE_BYTES) == 0;
}

static void
connection_watch(struct load *load, struct connection *connection)
{
	/* Edges: armed once, there is no call to change what it waits for. */
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = connection,
	};

	if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) !=
	    0)
		fail("epoll_ctl", errno);
}

static int
connection_bind(struct load *load, int fd)
{
	const struct sockaddr_in *server = &load->options.server;
	struct sockaddr_in source = *server;
	const int on = 1;

	if (ntohl(server->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
		return 0;
	/* Leaves the port to connect(), which sees the whole 4-tuple. */
	if (setsockopt(
		fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0)
		return -1;
	load->source = (load->source + 1) % SOURCES;
	source.sin_addr.s_addr = htonl(
	    (INADDR_LOOPBACK & IN_CLASSC_NET) + SOURCE_FIRST + load->source);
	source.sin_port = 0;
	return bind(fd, (struct sockaddr *)&source, sizeof(source));
}

static void
connection_open(struct load *load, struct connection *connection)
{
	const struct sockaddr *server =
	    (const struct sockaddr *)&load->options.server;
	const int on = 1;
	int attempt, fd;

	for (attempt = 0; attempt < SOURCES; attempt++) {
		fd = socket(
		    AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			fail("socket", errno);
		if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) !=
		    0)
			fail("TCP_NODELAY", errno);
		if (connection_bind(load, fd) != 0)
			fail("bind", errno);
		if (connect(fd, server, sizeof(load->options.server)) == 0 ||
		    errno == EINPROGRESS) {
			connection->fd = fd;
			connection_watch(load, connection);
			return;
		}
		if (errno != EADDRNOTAVAIL)
			break;
		close(fd);
	}
	fail("connect", errno);
}

static void
connection_close(struct connection *connection)
{
	close(connection->fd);
	connection->fd = -1;
}

static void
connection_send(struct load *load, struct connection *connection)
{
	ssize_t sent_bytes;

	sent_bytes =
	    send(connection->fd, connection->request + connection->sent_bytes,
		load->request_bytes - connection->sent_bytes, MSG_NOSIGNAL);
	if (sent_bytes >= 0)
		connection->sent_bytes += (size_t)sent_bytes;
	else if (errno != EAGAIN)
		fail("send", errno);
}

static void
connection_begin(
    struct load *load, struct connection *connection, uint64_t now_ns)
{
	if (connection->fd < 0)
		connection_open(load, connection);
	if (load->options.mode == LOAD_MODE_ECHO) {
		load->pattern_start =
		    (load->pattern_start + PATTERN_STEP) % PATTERN_STARTS;
		connection->request = load->pattern + load->pattern_start;
		connection->reply = connection->request;
	} else {
		connection->request = load_request;
		connection->reply = load_reply;
	}
	connection->sent_bytes = 0;
	connection->received_bytes = 0;
	connection->started_ns = now_ns;
	load->active++;
	connection_send(load, connection);
}

static void
connection_finish(struct load *load, struct connection *connection)
{
	uint64_t now_ns;

	if (load->options.mode == LOAD_MODE_CONNECT)
		connection_close(connection);
	now_ns = clock_ns();
	histogram_add(&load->latency_ns, now_ns - connection->started_ns);
	load->active--;
	load->finished++;
	load->finished_ns = now_ns;
	if (!load->options.bursts && now_ns < load->stop_ns)
		connection_begin(load, connection, now_ns);
}

static void
connection_receive(struct load *load, struct connection *connection)
{
	ssize_t received_bytes;
	size_t size_bytes;

	do {
		received_bytes = recv(
		    connection->fd, receive_buffer, sizeof(receive_buffer), 0);
		if (received_bytes < 0 && errno == EAGAIN)
			return;
		if (received_bytes < 0)
			fail("recv", errno);
		if (received_bytes == 0)
			fail("the server closed a connection", 0);
		size_bytes = (size_t)received_bytes;
		if (size_bytes > load->reply_bytes - connection->received_bytes)
			fail("the server sent more than the reply", 0);
		if (!reply_is_right(load, receive_buffer,
			connection->reply + connection->received_bytes,
			size_bytes))
			fail("the server sent a wrong reply", 0);
		connection->received_bytes += size_bytes;
		if (connection->received_bytes == load->reply_bytes) {
			connection_finish(load, connection);
			return;
		}
		/* A full buffer means that there may be no further edge. */
	} while (size_bytes == sizeof(receive_buffer));
}

static void
connection_on_event(
    struct load *load, struct connection *connection, uint32_t events)
{
	if (connection->sent_bytes < load->request_bytes)
		connection_send(load, connection);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		connection_receive(load, connection);
}

static void
load_dispatch(struct load *load)
{
	struct epoll_event events[EVENTS_MAX];
	int count, i;

	count = epoll_wait(load->epoll_fd, events, EVENTS_MAX, 0);
	if (count < 0 && errno != EINTR)
		fail("epoll_wait", errno);
	if (count <= 0 && clock_ns() > load->finished_ns + GIVE_UP_NS)
		fail("no reply in 10 seconds", 0);
	for (i = 0; i < count; i++)
		connection_on_event(load, events[i].data.ptr, events[i].events);
}

/* Opens all connections; each does one request. */
static void
load_open(struct load *load)
{
	size_t opened = 0;

	load->check_all = true;
	load->stop_ns = 0;
	load->finished_ns = clock_ns();
	while (opened < load->options.connections) {
		while (load->active < OPENING_MAX &&
		       opened < load->options.connections)
			connection_begin(
			    load, &load->connections[opened++], clock_ns());
		load_dispatch(load);
	}
	while (load->active > 0)
		load_dispatch(load);
}

/* Returns whether there was a server to hold. */
static bool
load_hold_server(const struct load *load)
{
	if (!load->options.bursts)
		return false;
	if (kill(load->options.server_pid, SIGSTOP) != 0)
		fail("cannot hold the server", errno);
	held_pid = load->options.server_pid;
	return true;
}

static void
load_release_server(void)
{
	if (kill(held_pid, SIGCONT) != 0)
		fail("cannot release the server", errno);
	held_pid = 0;
}

/* Begins a request on each connection and waits until no more are begun. */
static void
load_run_once(struct load *load)
{
	bool held;
	size_t i;

	held = load_hold_server(load);
	for (i = 0; i < load->options.connections; i++)
		connection_begin(load, &load->connections[i], clock_ns());
	if (held)
		load_release_server();
	while (load->active > 0)
		load_dispatch(load);
}

/* Keeps all connections busy for the given time and until all are done. */
static void
load_run(struct load *load, uint64_t duration_ns, struct result *result)
{
	uint64_t begin_ns = clock_ns();

	load->finished = 0;
	load->finished_ns = begin_ns;
	load->stop_ns = begin_ns + duration_ns;
	histogram_clear(&load->latency_ns);
	do
		load_run_once(load);
	while (load->finished_ns < load->stop_ns);
	result->requests = load->finished;
	result->elapsed_ns = load->finished_ns - begin_ns;
}

static uint64_t
load_server_cpu_ns(const struct load *load)
{
	uint64_t cpu_ns = 0;
	int result;

	if (load->options.server_pid == 0)
		return 0;
	result = server_cpu_at_rest_ns(load->options.server_pid, &cpu_ns);
	if (result != 0)
		fail("cannot read the CPU time of the server", -result);
	return cpu_ns;
}

/* The warm-up also checks every byte, for which a window has no time. */
static void
load_measure(struct load *load, struct result *result)
{
	uint64_t before_ns;

	load->check_all = true;
	load_run(load, load->options.warm_up_ns, result);
	load->check_all = false;
	before_ns = load_server_cpu_ns(load);
	load_run(load, load->options.window_ns, result);
	result->cpu_ns = load_server_cpu_ns(load) - before_ns;
}

static double
microseconds(uint64_t duration_ns)
{
	return (double)duration_ns / 1e3;
}

static void
load_print_times(
    const struct histogram *latency_ns, const struct result *result)
{
	printf("seconds=%.6f\n",
	    (double)result->elapsed_ns / (double)NS_PER_SECOND);
	printf(
	    "p50_us=%.1f\n", microseconds(histogram_quantile(latency_ns, 0.5)));
	printf("p99_us=%.1f\n",
	    microseconds(histogram_quantile(latency_ns, 0.99)));
}

static void
load_print(const struct load *load, const struct result *result)
{
	const struct histogram *latency_ns = &load->latency_ns;

	printf("requests=%" PRIu64 "\n", result->requests);
	if (load->options.server_pid != 0)
		printf("cpu_ns=%" PRIu64 "\n", result->cpu_ns);
	/* The client sets the pace of bursts, so times mean nothing. */
	if (!load->options.bursts)
		load_print_times(latency_ns, result);
	printf("errors=0\n");
	fflush(stdout);
}

static void
load_measure_on_request(struct load *load)
{
	struct result result;
	int character;

	printf("ready\n");
	fflush(stdout);
	while ((character = getchar()) != EOF) {
		if (character != '\n')
			continue;
		load_measure(load, &result);
		load_print(load, &result);
	}
}

/* One more request on each connection, however long it has waited. */
static void
load_ask_again(struct load *load)
{
	load->finished = 0;
	load->finished_ns = clock_ns();
	load_run_once(load);
	printf("answered=%" PRIu64 "\n", load->finished);
}

/* Holds the connections, which the server must do too, until stdin ends. */
static void
load_hold(struct load *load)
{
	struct epoll_event event;
	char byte;
	int count;

	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, sizeof(byte)) > 0)
		continue;
	do {
		count = epoll_wait(load->epoll_fd, &event, 1, 0);
		if (count < 0)
			fail("epoll_wait", errno);
		if (count > 0 && (event.events & ~(uint32_t)EPOLLOUT) != 0)
			fail("an idle connection got something", 0);
	} while (count > 0);
	if (load->options.again)
		load_ask_again(load);
	printf("errors=0\n");
}

static void
load_fill_pattern(struct load *load)
{
	size_t size_bytes = load->options.size_bytes + PATTERN_STARTS;
	uint32_t state = 1;
	size_t i;

	load->pattern = malloc(size_bytes);
	if (load->pattern == NULL)
		err(1, "malloc");
	for (i = 0; i < size_bytes; i++) {
		state = state * 1664525 + 1013904223;
		load->pattern[i] = (char)(state >> 24);
	}
}

static void
load_init(struct load *load)
{
	const struct options *options = &load->options;
	struct rlimit limit;
	size_t i;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "setrlimit");

	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (load->epoll_fd < 0)
		err(1, "epoll_create1");
	load->connections =
	    calloc(options->connections, sizeof(load->connections[0]));
	if (load->connections == NULL)
		err(1, "calloc");
	for (i = 0; i < options->connections; i++)
		load->connections[i].fd = -1;

	load->request_bytes = sizeof(load_request) - 1;
	load->reply_bytes = sizeof(load_reply) - 1;
	if (options->mode == LOAD_MODE_ECHO) {
		load->request_bytes = options->size_bytes;
		load->reply_bytes = options->size_bytes;
		load_fill_pattern(load);
	}
}

static _Noreturn void
usage(void)
{
	fprintf(stderr,
	    "usage: bench_load MODE HOST PORT CONNECTIONS SECONDS [OPTION]\n"
	    "\n"
	    "  greeting   send 5 bytes, wait for 12, again\n"
	    "  echo       send a message, wait for it to come back, again\n"
	    "  connect    connect, send 5 bytes, wait for 12, close, again\n"
	    "  idle       connect, send 5 bytes, wait for 12, then print\n"
	    "             `ready' and hold the connections until stdin ends\n"
	    "\n"
	    "  --again            idle connections do one more request at\n"
	    "                     the end\n"
	    "  --bursts           begin all requests while the server is\n"
	    "                     held (SIGSTOP), then release it, again\n"
	    "  --on-request       print `ready', then measure once for\n"
	    "                     each line on stdin\n"
	    "  --server-pid=PID   print the CPU time that it used\n"
	    "  --size=BYTES       of an echo's message (65536)\n"
	    "  --warm-up=SECONDS  before a window (0.2)\n");
	exit(2);
}

static long
parse_number(const char *text, long low, long high)
{
	char *end;
	long number;

	number = strtol(text, &end, 10);
	if (end == text || *end != '\0' || number < low || number > high)
		errx(2, "not a number from %ld to %ld: %s", low, high, text);
	return number;
}

static uint64_t
parse_seconds_ns(const char *text)
{
	char *end;
	double seconds;

	seconds = strtod(text, &end);
	if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 3600)
		errx(2, "not a number of seconds: %s", text);
	return (uint64_t)(seconds * (double)NS_PER_SECOND);
}

static enum load_mode
parse_mode(const char *text)
{
	if (strcmp(text, "greeting") == 0)
		return LOAD_MODE_GREETING;
	if (strcmp(text, "echo") == 0)
		return LOAD_MODE_ECHO;
	if (strcmp(text, "connect") == 0)
		return LOAD_MODE_CONNECT;
	if (strcmp(text, "idle") == 0)
		return LOAD_MODE_IDLE;
	errx(2, "not a mode: %s", text);
}

static void
parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "again", no_argument, NULL, 'a' },
		{ "bursts", no_argument, NULL, 'b' },
		{ "on-request", no_argument, NULL, 'r' },
		{ "server-pid", required_argument, NULL, 'p' },
		{ "size", required_argument, NULL, 's' },
		{ "warm-up", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	int name;

	options->warm_up_ns = NS_PER_SECOND / 5;
	options->size_bytes = 65536;
	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (name) {
		case 'a':
			options->again = true;
			break;
		case 'b':
			options->bursts = true;
			break;
		case 'r':
			options->on_request = true;
			break;
		case 'p':
			options->server_pid =
			    (pid_t)parse_number(optarg, 1, INT32_MAX);
			break;
		case 's':
			options->size_bytes =
			    (size_t)parse_number(optarg, 1, SIZE_BYTES_MAX);
			break;
		case 'w':
			options->warm_up_ns = parse_seconds_ns(optarg);
			break;
		default:
			usage();
		}
	}
}

static void
parse_command_line(int argc, char **argv, struct options *options)
{
	parse_options(argc, argv, options);
	if (options->bursts && options->server_pid == 0)
		errx(2, "bursts need --server-pid");
	argv += optind;
	if (argc - optind != 5)
		usage();
	options->mode = parse_mode(argv[0]);
	options->server.sin_family = AF_INET;
	if (inet_pton(AF_INET, argv[1], &options->server.sin_addr) != 1)
		errx(2, "not an IPv4 address: %s", argv[1]);
	options->server.sin_port =
	    htons((uint16_t)parse_number(argv[2], 1, 65535));
	options->connections =
	    (size_t)parse_number(argv[3], 1, CONNECTIONS_MAX);
	options->window_ns = parse_seconds_ns(argv[4]);
}

int
main(int argc, char **argv)
{
	static struct load load;
	struct result result;

	parse_command_line(argc, argv, &load.options);
	load_init(&load);
	if (load.options.mode != LOAD_MODE_CONNECT)
		load_open(&load);
	if (load.options.mode == LOAD_MODE_IDLE)
		load_hold(&load);
	else if (load.options.on_request)
		load_measure_on_request(&load);
	else {
		load_measure(&load, &result);
		load_print(&load, &result);
	}
	free(load.connections);
	free(load.pattern);
	close(load.epoll_fd);
	return 0;
}
