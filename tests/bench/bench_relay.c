/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Both ends of a relay: one thread which sends bytes into it and takes them
 * out on the other side, as fast as the relay moves them.
 *
 * It listens first and prints the port, which is where the relay must lead.
 * A line `direct PORT PID' or `socks PORT PID' on stdin then tells where the
 * relay listens and what it speaks; `ready' is the answer.  From then on each
 * further line measures once: the CPU time of the relay for all the bytes.
 *
 * As in bench_load the thread never sleeps while it measures, so the relay is
 * not charged for waking it; and what arrives is dropped without being
 * copied, so that the relay is the slower one.  Before each measurement some
 * bytes are moved and compared.
 */

#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server_cpu.h"

#define NS_PER_SECOND	UINT64_C(1000000000)
#define GIVE_UP_NS	(10 * NS_PER_SECOND)
#define GIVE_UP_SECONDS 10
#define CHUNK_BYTES	((size_t)256 * 1024)
#define CHECKED_BYTES	(UINT64_C(32) * 1024 * 1024)

/* A prime, so that pieces begin anywhere in it. */
#define PATTERN_BYTES ((size_t)65521)

struct relay {
	int listener_fd;
	int source_fd;
	int sink_fd;
	in_port_t sink_port; /* in the order of the network */
	pid_t pid;
};

/* One direction for a while. */
struct transfer {
	uint64_t size_bytes;
	uint64_t sent_bytes;
	uint64_t received_bytes;
	uint64_t moved_ns; /* when something last moved */
	bool check;
};

/* The pattern, again and again: each offset in it has a chunk behind it. */
static char pattern[PATTERN_BYTES + CHUNK_BYTES];
static char receive_buffer[CHUNK_BYTES];

static uint64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static void
pattern_fill(void)
{
	uint32_t state = 1;
	size_t i;

	for (i = 0; i < PATTERN_BYTES; i++) {
		state = state * 1664525 + 1013904223;
		pattern[i] = (char)(state >> 24);
	}
	for (; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PATTERN_BYTES];
}

static size_t
chunk_of(uint64_t left_bytes)
{
	return left_bytes < CHUNK_BYTES ? (size_t)left_bytes : CHUNK_BYTES;
}

/* Connecting */

static void
relay_listen(struct relay *relay)
{
	const struct timeval patience = { .tv_sec = GIVE_UP_SECONDS };
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);

	relay->listener_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (relay->listener_fd < 0 ||
	    bind(relay->listener_fd, (struct sockaddr *)&address, size) != 0 ||
	    listen(relay->listener_fd, 1) != 0 ||
	    getsockname(
		relay->listener_fd, (struct sockaddr *)&address, &size) != 0)
		err(1, "cannot listen");
	if (setsockopt(relay->listener_fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof(patience)) != 0)
		err(1, "SO_RCVTIMEO");
	relay->sink_port = address.sin_port;
	printf("%u\n", (unsigned)ntohs(address.sin_port));
	fflush(stdout);
}

static void
relay_connect(struct relay *relay, unsigned port)
{
	const struct timeval patience = { .tv_sec = GIVE_UP_SECONDS };
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	relay->source_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (relay->source_fd < 0)
		err(1, "socket");
	if (setsockopt(relay->source_fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof(patience)) != 0)
		err(1, "SO_RCVTIMEO");
	if (connect(relay->source_fd, (struct sockaddr *)&address,
		sizeof(address)) != 0)
		err(1, "connect");
}

/* Sends a question and takes the answer, which must begin like expected. */
static void
socks_ask(int fd, const unsigned char *question, size_t question_bytes,
    unsigned char *answer, size_t answer_bytes)
{
	static const unsigned char expected[2] = { 5, 0 };

	if (send(fd, question, question_bytes, MSG_NOSIGNAL) !=
	    (ssize_t)question_bytes)
		err(1, "send to the SOCKS server");
	if (recv(fd, answer, answer_bytes, MSG_WAITALL) !=
	    (ssize_t)answer_bytes)
		errx(1, "the SOCKS server did not answer");
	if (memcmp(answer, expected, sizeof(expected)) != 0)
		errx(1, "the SOCKS server refused with code %u", answer[1]);
}

/* RFC 1928: no password, CONNECT to an IPv4 address. */
static void
relay_request_socks(const struct relay *relay)
{
	static const unsigned char hello[3] = { 5, 1, 0 };
	unsigned char request[10] = { 5, 1, 0, 1, 127, 0, 0, 1 };
	unsigned char answer[10];

	memcpy(request + 8, &relay->sink_port, 2);
	socks_ask(relay->source_fd, hello, sizeof(hello), answer, 2);
	socks_ask(
	    relay->source_fd, request, sizeof(request), answer, sizeof(answer));
}

static void
set_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		err(1, "O_NONBLOCK");
}

static void
relay_open(struct relay *relay)
{
	char line[64], how[16];
	unsigned port;
	long pid;

	if (fgets(line, sizeof(line), stdin) == NULL ||
	    sscanf(line, "%15s %u %ld", how, &port, &pid) != 3)
		errx(2, "no line `direct PORT PID' or `socks PORT PID'");
	relay->pid = (pid_t)pid;
	relay_connect(relay, port);
	if (strcmp(how, "socks") == 0)
		relay_request_socks(relay);
	relay->sink_fd = accept4(relay->listener_fd, NULL, NULL, SOCK_CLOEXEC);
	if (relay->sink_fd < 0)
		err(1, "the relay does not connect");
	set_nonblocking(relay->source_fd);
	set_nonblocking(relay->sink_fd);
	printf("ready\n");
	fflush(stdout);
}

/* Moving */

static void
transfer_send(struct transfer *transfer, int fd)
{
	uint64_t left_bytes = transfer->size_bytes - transfer->sent_bytes;
	ssize_t sent_bytes;

	sent_bytes = send(fd, pattern + transfer->sent_bytes % PATTERN_BYTES,
	    chunk_of(left_bytes), MSG_NOSIGNAL);
	if (sent_bytes > 0)
		transfer->sent_bytes += (uint64_t)sent_bytes;
	else if (errno != EAGAIN)
		err(1, "send");
}

static void
transfer_receive(struct transfer *transfer, int fd)
{
	const char *expected =
	    pattern + transfer->received_bytes % PATTERN_BYTES;
	ssize_t received_bytes;

	/* TCP drops the bytes when MSG_TRUNC is asked for. */
	received_bytes = recv(fd, receive_buffer, sizeof(receive_buffer),
	    transfer->check ? 0 : MSG_TRUNC);
	if (received_bytes < 0 && errno == EAGAIN)
		return;
	if (received_bytes < 0)
		err(1, "recv");
	if (received_bytes == 0)
		errx(1, "the relay closed the connection");
	if (transfer->check &&
	    memcmp(receive_buffer, expected, (size_t)received_bytes) != 0)
		errx(1, "the relay changed the bytes");
	transfer->received_bytes += (uint64_t)received_bytes;
	if (transfer->received_bytes > transfer->sent_bytes)
		errx(1, "more came out of the relay than went in");
}

static void
transfer_run(struct transfer *transfer, const struct relay *relay)
{
	struct pollfd fds[2] = {
		{ .fd = relay->sink_fd, .events = POLLIN },
		{ .fd = relay->source_fd, .events = POLLOUT },
	};

	transfer->moved_ns = clock_ns();
	while (transfer->received_bytes < transfer->size_bytes) {
		if (transfer->sent_bytes == transfer->size_bytes)
			fds[1].fd = -1;
		if (poll(fds, 2, 0) > 0)
			transfer->moved_ns = clock_ns();
		else if (clock_ns() > transfer->moved_ns + GIVE_UP_NS)
			errx(1, "nothing moved in 10 seconds");
		if (fds[0].revents != 0)
			transfer_receive(transfer, relay->sink_fd);
		if (fds[1].fd >= 0 && fds[1].revents != 0)
			transfer_send(transfer, relay->source_fd);
	}
}

/* Measuring */

static uint64_t
relay_cpu_ns(const struct relay *relay)
{
	uint64_t cpu_ns = 0;
	int result;

	result = server_cpu_at_rest_ns(relay->pid, &cpu_ns);
	if (result != 0)
		errx(1, "cannot read the CPU time of the relay: %s",
		    strerror(-result));
	return cpu_ns;
}

static void
relay_measure(const struct relay *relay, uint64_t size_bytes)
{
	struct transfer warm_up = {
		.size_bytes = CHECKED_BYTES,
		.check = true,
	};
	struct transfer transfer = { .size_bytes = size_bytes };
	uint64_t before_ns, begin_ns, end_ns;

	transfer_run(&warm_up, relay);
	before_ns = relay_cpu_ns(relay);
	begin_ns = clock_ns();
	transfer_run(&transfer, relay);
	end_ns = clock_ns();
	printf("bytes=%" PRIu64 "\n", transfer.received_bytes);
	printf("seconds=%.6f\n",
	    (double)(end_ns - begin_ns) / (double)NS_PER_SECOND);
	printf("cpu_ns=%" PRIu64 "\n", relay_cpu_ns(relay) - before_ns);
	printf("errors=0\n");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct relay relay;
	uint64_t size_bytes;
	int character;
	char *end;

	if (argc != 2)
		errx(2, "usage: bench_relay BYTES");
	size_bytes = strtoull(argv[1], &end, 10);
	if (size_bytes == 0 || *end != '\0')
		errx(2, "not a number of bytes: %s", argv[1]);
	pattern_fill();
	relay_listen(&relay);
	relay_open(&relay);
	while ((character = getchar()) != EOF)
		if (character == '\n')
			relay_measure(&relay, size_bytes);
	close(relay.source_fd);
	close(relay.sink_fd);
	close(relay.listener_fd);
	return 0;
}
