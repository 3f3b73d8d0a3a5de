/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The load for servers that speak TLS: bench_load in small, with its windows
 * and its way to count the server's CPU time.
 *
 * A handshake is one connection: TCP, TLS from nothing, a reply of 12 bytes,
 * close_notify. The client offers one cipher, so that all servers use the
 * same; it does not look at whose certificate it gets.
 */

#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "histogram.h"
#include "server_cpu.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define GIVE_UP_NS    (10 * NS_PER_SECOND)
#define EVENTS_MAX    256

/* An address has as many ports as are not in TIME_WAIT: so use many. */
#define SOURCES	     250
#define SOURCE_FIRST 2

enum tls_mode { TLS_MODE_HANDSHAKE, TLS_MODE_ECHO };

struct options {
	enum tls_mode mode;
	struct sockaddr_in server;
	size_t connections;
	size_t size_bytes;
	uint64_t window_ns;
	uint64_t warm_up_ns;
	pid_t server_pid;
	bool speaks_first; /* the server does: it is sent nothing */
};

struct connection {
	int fd;
	SSL *ssl;
	size_t sent_bytes;
	size_t received_bytes;
	uint64_t started_ns;
};

struct load {
	struct options options;
	SSL_CTX *ctx;
	int epoll_fd;
	struct connection *connections;
	const char *request, *reply;
	size_t request_bytes, reply_bytes;
	size_t active;
	uint32_t source;
	uint64_t stop_ns, finished, finished_ns;
	struct histogram latency_ns;
};

static const char tls_request[] = "Hello";
static const char tls_reply[] = "Hello World!";
static char tls_buffer[256 * 1024];

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
	char text[256] = "";
	unsigned long code = ERR_get_error();

	if (code != 0)
		ERR_error_string_n(code, text, sizeof(text));
	printf("errors=1\n");
	fflush(stdout);
	errx(1, "%s: %s %s", what, error != 0 ? strerror(error) : "", text);
}

static void
connection_connect(struct load *load, struct connection *connection)
{
	struct sockaddr_in source = load->options.server;
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	load->source = (load->source + 1) % SOURCES;
	source.sin_addr.s_addr = htonl(
	    (INADDR_LOOPBACK & IN_CLASSC_NET) + SOURCE_FIRST + load->source);
	source.sin_port = 0;
	if (fd < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&source, sizeof(source)) != 0)
		fail("socket", errno);
	if (connect(fd, (const struct sockaddr *)&load->options.server,
		sizeof(source)) != 0 &&
	    errno != EINPROGRESS)
		fail("connect", errno);
	connection->fd = fd;
}

static void
connection_open(struct load *load, struct connection *connection)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = connection,
	};

	connection_connect(load, connection);
	connection->ssl = SSL_new(load->ctx);
	if (connection->ssl == NULL ||
	    SSL_set_fd(connection->ssl, connection->fd) != 1)
		fail("SSL_new", 0);
	SSL_set_connect_state(connection->ssl);
	if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) !=
	    0)
		fail("epoll_ctl", errno);
}

static void
connection_close(struct connection *connection)
{
	SSL_shutdown(connection->ssl);
	SSL_free(connection->ssl);
	close(connection->fd);
	connection->ssl = NULL;
}

/* Whether a call of OpenSSL is to be made again, later. */
static bool
connection_waits(const struct connection *connection, int result)
{
	switch (SSL_get_error(connection->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return true;
	case SSL_ERROR_ZERO_RETURN:
		fail("the server closed a connection", 0);
	default:
		fail("TLS", errno);
	}
}

static void
connection_send(struct load *load, struct connection *connection)
{
	size_t sent_bytes;
	int result;

	while (connection->sent_bytes < load->request_bytes) {
		result = SSL_write_ex(connection->ssl,
		    load->request + connection->sent_bytes,
		    load->request_bytes - connection->sent_bytes, &sent_bytes);
		if (result != 1) {
			connection_waits(connection, result);
			return;
		}
		connection->sent_bytes += sent_bytes;
	}
}

static void
connection_begin(
    struct load *load, struct connection *connection, uint64_t now_ns)
{
	if (connection->ssl == NULL)
		connection_open(load, connection);
	connection->sent_bytes = connection->received_bytes = 0;
	connection->started_ns = now_ns;
	load->active++;
	/* The first call of a new one sends its ClientHello when it can. */
	connection_send(load, connection);
}

static void
connection_finish(struct load *load, struct connection *connection)
{
	uint64_t now_ns;

	if (load->options.mode == TLS_MODE_HANDSHAKE)
		connection_close(connection);
	now_ns = clock_ns();
	histogram_add(&load->latency_ns, now_ns - connection->started_ns);
	load->active--;
	load->finished++;
	load->finished_ns = now_ns;
	if (now_ns < load->stop_ns)
		connection_begin(load, connection, now_ns);
}

static void
connection_receive(struct load *load, struct connection *connection)
{
	size_t received_bytes;
	int result;

	for (;;) {
		result = SSL_read_ex(connection->ssl, tls_buffer,
		    sizeof(tls_buffer), &received_bytes);
		if (result != 1) {
			connection_waits(connection, result);
			return;
		}
		if (received_bytes >
			load->reply_bytes - connection->received_bytes ||
		    memcmp(tls_buffer, load->reply + connection->received_bytes,
			received_bytes) != 0)
			fail("the server sent a wrong reply", 0);
		connection->received_bytes += received_bytes;
		if (connection->received_bytes < load->reply_bytes)
			continue;
		connection_finish(load, connection);
		return;
	}
}

static void
connection_on_event(struct load *load, struct connection *connection)
{
	int result;

	/* Of a burst of events the first may have ended it. */
	if (connection->ssl == NULL)
		return;
	if (!SSL_is_init_finished(connection->ssl)) {
		result = SSL_do_handshake(connection->ssl);
		if (result != 1) {
			connection_waits(connection, result);
			return;
		}
	}
	connection_send(load, connection);
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
		connection_on_event(load, events[i].data.ptr);
}

/* Keeps all connections busy for the given time and until all are done. */
static void
load_run(struct load *load, uint64_t duration_ns)
{
	uint64_t begin_ns = clock_ns();
	size_t i;

	load->finished = 0;
	load->finished_ns = begin_ns;
	load->stop_ns = begin_ns + duration_ns;
	histogram_clear(&load->latency_ns);
	for (i = 0; i < load->options.connections; i++)
		connection_begin(load, &load->connections[i], clock_ns());
	while (load->active > 0)
		load_dispatch(load);
}

static uint64_t
load_server_cpu_ns(const struct load *load)
{
	uint64_t cpu_ns = 0;
	int result = server_cpu_at_rest_ns(load->options.server_pid, &cpu_ns);

	if (result != 0)
		fail("cannot read the CPU time of the server", -result);
	return cpu_ns;
}

static void
load_measure(struct load *load)
{
	uint64_t before_ns, begin_ns;

	load_run(load, load->options.warm_up_ns);
	before_ns = load_server_cpu_ns(load);
	begin_ns = clock_ns();
	load_run(load, load->options.window_ns);
	printf("requests=%" PRIu64 "\n", load->finished);
	printf("cpu_ns=%" PRIu64 "\n", load_server_cpu_ns(load) - before_ns);
	printf("seconds=%.6f\n",
	    (double)(load->finished_ns - begin_ns) / (double)NS_PER_SECOND);
	printf("p50_us=%.1f\np99_us=%.1f\nerrors=0\n",
	    (double)histogram_quantile(&load->latency_ns, 0.5) / 1e3,
	    (double)histogram_quantile(&load->latency_ns, 0.99) / 1e3);
	fflush(stdout);
}

static void
load_init_tls(struct load *load)
{
	load->ctx = SSL_CTX_new(TLS_client_method());
	if (load->ctx == NULL ||
	    SSL_CTX_set_min_proto_version(load->ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(load->ctx, "TLS_AES_128_GCM_SHA256") !=
		1 ||
	    SSL_CTX_set1_groups_list(load->ctx, "X25519") != 1)
		fail("SSL_CTX_new", 0);
	SSL_CTX_set_verify(load->ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(load->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(load->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void
load_init(struct load *load)
{
	struct options *options = &load->options;
	char *message;
	size_t i;

	load_init_tls(load);
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load->connections =
	    calloc(options->connections, sizeof(*load->connections));
	if (load->epoll_fd < 0 || load->connections == NULL)
		err(1, "cannot begin");
	load->request = tls_request;
	load->request_bytes =
	    options->speaks_first ? 0 : sizeof(tls_request) - 1;
	load->reply = tls_reply;
	load->reply_bytes = sizeof(tls_reply) - 1;
	if (options->mode != TLS_MODE_ECHO)
		return;
	message = malloc(options->size_bytes);
	if (message == NULL)
		err(1, "cannot begin");
	for (i = 0; i < options->size_bytes; i++)
		message[i] = (char)(i * 2654435761u >> 24);
	load->request = load->reply = message;
	load->request_bytes = load->reply_bytes = options->size_bytes;
}

static _Noreturn void
usage(void)
{
	fprintf(stderr,
	    "usage: bench_tls MODE HOST PORT CONNECTIONS SECONDS [OPTION]\n"
	    "\n"
	    "  handshake  connect, shake hands, send 5 bytes, wait for 12,\n"
	    "             close, again\n"
	    "  echo       send a message, wait for it to come back, again\n"
	    "\n"
	    "  --on-request       as it always does: print `ready', then\n"
	    "                     measure once for each line on stdin\n"
	    "  --server-pid=PID   whose CPU time is counted\n"
	    "  --size=BYTES       of an echo's message (65536)\n"
	    "  --speaks-first     the server does, and is sent nothing\n"
	    "  --warm-up=SECONDS  before a window (0.2)\n");
	exit(2);
}

static uint64_t
parse_seconds_ns(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 3600)
		errx(2, "not a number of seconds: %s", text);
	return (uint64_t)(seconds * (double)NS_PER_SECOND);
}

static void
parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "on-request", no_argument, NULL, 'r' },
		{ "server-pid", required_argument, NULL, 'p' },
		{ "size", required_argument, NULL, 's' },
		{ "speaks-first", no_argument, NULL, 'f' },
		{ "warm-up", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	int name;

	options->warm_up_ns = NS_PER_SECOND / 5;
	options->size_bytes = 65536;
	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (name == 'p')
			options->server_pid = (pid_t)atoi(optarg);
		else if (name == 's')
			options->size_bytes = (size_t)atol(optarg);
		else if (name == 'f')
			options->speaks_first = true;
		else if (name == 'w')
			options->warm_up_ns = parse_seconds_ns(optarg);
		else if (name != 'r')
			usage();
	}
}

static void
parse_command_line(int argc, char **argv, struct options *options)
{
	parse_options(argc, argv, options);
	argv += optind;
	if (argc - optind != 5 || options->server_pid <= 0 ||
	    options->size_bytes == 0)
		usage();
	if (strcmp(argv[0], "echo") == 0)
		options->mode = TLS_MODE_ECHO;
	else if (strcmp(argv[0], "handshake") != 0)
		usage();
	options->server.sin_family = AF_INET;
	if (inet_pton(AF_INET, argv[1], &options->server.sin_addr) != 1)
		errx(2, "not an IPv4 address: %s", argv[1]);
	options->server.sin_port = htons((uint16_t)atoi(argv[2]));
	options->connections = (size_t)atol(argv[3]);
	options->window_ns = parse_seconds_ns(argv[4]);
}

int
main(int argc, char **argv)
{
	static struct load load;
	int character;

	parse_command_line(argc, argv, &load.options);
	load_init(&load);
	printf("ready\n");
	fflush(stdout);
	while ((character = getchar()) != EOF)
		if (character == '\n')
			load_measure(&load);
	return 0;
}
