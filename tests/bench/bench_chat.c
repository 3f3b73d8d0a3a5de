/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The load of a chat: members of one room, some of whom speak.  In a round
 * each of these says one line, and the round is over when all lines have come
 * to all but who said them.  A request is a line that has come to a member.
 *
 * Several lines are sent while the server is held, so that it finds all of them
 * at once: in how many parts it would see them is else a matter of chance, and
 * decides how often each member is written to.
 *
 * Every line that comes is counted, and in the warm-up compared with what was
 * said; a window begins and ends with the server at rest, as bench_load's do.
 * The thread never sleeps inside a window.
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

#define NS_PER_SECOND UINT64_C(1000000000)
#define GIVE_UP_NS    (10 * NS_PER_SECOND)
#define EVENTS_MAX    1024
#define RECEIVE_BYTES 65536
#define MEMBERS_MAX   100000
#define TEXT_MAX      512

struct options {
	struct sockaddr_in server;
	size_t members;
	size_t speakers;
	size_t size_bytes; /* of a line, with its end */
	uint64_t window_ns;
	uint64_t warm_up_ns;
	pid_t server_pid;
};

struct member {
	int fd;
	uint64_t lines; /* that are still to come in this round */
	bool welcome;	/* it is the first one, of any text */
};

struct load {
	struct options options;
	int epoll_fd;
	struct member *members;
	size_t waiting; /* members with lines to come */
	size_t first_speaker;
	uint64_t came_ns; /* the last one */
	bool check_all;
	char text[TEXT_MAX];
	struct histogram latency_ns;
};

struct result {
	uint64_t requests;
	uint64_t elapsed_ns;
	uint64_t cpu_ns;
};

static char receive_buffer[RECEIVE_BYTES];

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
	printf("errors=1\n");
	fflush(stdout);
	if (error != 0)
		errx(1, "%s: %s", what, strerror(error));
	errx(1, "%s", what);
}

/* The end of a line that is all in the buffer is what was said. */
static void
member_check(
    const struct load *load, const struct member *member, const char *end)
{
	size_t size_bytes = load->options.size_bytes;

	if (member->welcome || !load->check_all ||
	    (size_t)(end + 1 - receive_buffer) < size_bytes)
		return;
	if (memcmp(end + 1 - size_bytes, load->text, size_bytes) != 0)
		fail("a line came that was not said", 0);
}

static void
member_take(struct load *load, struct member *member, size_t received_bytes)
{
	const char *at = receive_buffer, *limit = at + received_bytes, *end;

	while ((end = memchr(at, '\n', (size_t)(limit - at))) != NULL) {
		member_check(load, member, end);
		if (member->lines == 0)
			fail("a line came too often", 0);
		member->welcome = false;
		if (--member->lines == 0)
			load->waiting--;
		at = end + 1;
	}
}

static void
member_receive(struct load *load, struct member *member)
{
	ssize_t received_bytes =
	    recv(member->fd, receive_buffer, sizeof(receive_buffer), 0);

	if (received_bytes < 0 && errno == EAGAIN)
		return;
	if (received_bytes < 0)
		fail("recv", errno);
	if (received_bytes == 0)
		fail("the server closed a connection", 0);
	load->came_ns = clock_ns();
	member_take(load, member, (size_t)received_bytes);
}

static void
load_dispatch(struct load *load)
{
	struct epoll_event events[EVENTS_MAX];
	int count, i;

	count = epoll_wait(load->epoll_fd, events, EVENTS_MAX, 0);
	if (count < 0 && errno != EINTR)
		fail("epoll_wait", errno);
	if (count <= 0 && clock_ns() > load->came_ns + GIVE_UP_NS)
		fail("nothing came in 10 seconds", 0);
	for (i = 0; i < count; i++)
		member_receive(load, events[i].data.ptr);
}

static void
load_wait(struct load *load)
{
	load->came_ns = clock_ns();
	while (load->waiting > 0)
		load_dispatch(load);
}

/* Each has been welcomed before the next one comes. */
static void
load_open(struct load *load)
{
	const struct sockaddr *server =
	    (const struct sockaddr *)&load->options.server;
	const int on = 1;
	size_t i;

	for (i = 0; i < load->options.members; i++) {
		struct member *member = &load->members[i];
		struct epoll_event event = {
			.events = EPOLLIN,
			.data.ptr = member,
		};

		member->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (member->fd < 0)
			fail("socket", errno);
		if (setsockopt(member->fd, IPPROTO_TCP, TCP_NODELAY, &on,
			sizeof(on)) != 0)
			fail("TCP_NODELAY", errno);
		if (connect(member->fd, server, sizeof(load->options.server)) !=
		    0)
			fail("connect", errno);
		if (epoll_ctl(
			load->epoll_fd, EPOLL_CTL_ADD, member->fd, &event) != 0)
			fail("epoll_ctl", errno);
		member->welcome = true;
		member->lines = 1;
		load->waiting++;
		load_wait(load);
	}
}

static bool
load_speaks(const struct load *load, size_t member)
{
	size_t place = (member + load->options.members - load->first_speaker) %
		       load->options.members;

	return place < load->options.speakers;
}

/* Returns how many lines are to come. */
static uint64_t
load_expect(struct load *load)
{
	uint64_t lines, all = 0;
	size_t i;

	for (i = 0; i < load->options.members; i++) {
		lines = load->options.speakers - load_speaks(load, i);
		load->members[i].lines = lines;
		load->waiting += lines > 0;
		all += lines;
	}
	return all;
}

static void
load_signal(const struct load *load, int number)
{
	if (load->options.speakers > 1 &&
	    kill(load->options.server_pid, number) != 0)
		fail("cannot hold or release the server", errno);
}

static void
load_speak(const struct load *load)
{
	size_t members = load->options.members, i;

	for (i = 0; i < load->options.speakers; i++) {
		int fd = load->members[(load->first_speaker + i) % members].fd;

		if (send(fd, load->text, load->options.size_bytes,
			MSG_NOSIGNAL) != (ssize_t)load->options.size_bytes) {
			load_signal(load, SIGCONT);
			fail("send", errno);
		}
	}
}

static uint64_t
load_round(struct load *load)
{
	size_t members = load->options.members;
	uint64_t lines = load_expect(load), begin_ns = clock_ns();

	load_signal(load, SIGSTOP);
	load_speak(load);
	load_signal(load, SIGCONT);
	load_wait(load);
	histogram_add(&load->latency_ns, clock_ns() - begin_ns);
	load->first_speaker =
	    (load->first_speaker + load->options.speakers) % members;
	return lines;
}

static void
load_run(struct load *load, uint64_t duration_ns, struct result *result)
{
	uint64_t begin_ns = clock_ns(), now_ns;

	result->requests = 0;
	histogram_clear(&load->latency_ns);
	do {
		result->requests += load_round(load);
		now_ns = clock_ns();
	} while (now_ns < begin_ns + duration_ns);
	result->elapsed_ns = now_ns - begin_ns;
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
	const struct histogram *latency_ns = &load->latency_ns;
	struct result result;
	uint64_t before_ns;

	load->check_all = true;
	load_run(load, load->options.warm_up_ns, &result);
	load->check_all = false;
	before_ns = load_server_cpu_ns(load);
	load_run(load, load->options.window_ns, &result);
	result.cpu_ns = load_server_cpu_ns(load) - before_ns;

	printf("requests=%" PRIu64 "\n", result.requests);
	printf("cpu_ns=%" PRIu64 "\n", result.cpu_ns);
	printf("seconds=%.6f\n",
	    (double)result.elapsed_ns / (double)NS_PER_SECOND);
	printf(
	    "p50_us=%.1f\n", (double)histogram_quantile(latency_ns, 0.5) / 1e3);
	printf("p99_us=%.1f\n",
	    (double)histogram_quantile(latency_ns, 0.99) / 1e3);
	printf("errors=0\n");
	fflush(stdout);
}

static void
load_init(struct load *load)
{
	size_t size_bytes = load->options.size_bytes, i;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "setrlimit");
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (load->epoll_fd < 0)
		err(1, "epoll_create1");
	load->members = calloc(load->options.members, sizeof(load->members[0]));
	if (load->members == NULL)
		err(1, "calloc");
	for (i = 0; i + 1 < size_bytes; i++)
		load->text[i] = (char)('a' + i % 26);
	load->text[size_bytes - 1] = '\n';
}

static _Noreturn void
usage(void)
{
	fprintf(stderr,
	    "usage: bench_chat chat HOST PORT MEMBERS SECONDS [OPTION]\n"
	    "\n"
	    "prints `ready', then measures once for each line on stdin\n"
	    "\n"
	    "  --on-request       that is so anyway\n"
	    "  --server-pid=PID   whose CPU time is printed\n"
	    "  --size=BYTES       of a line, with its end (64)\n"
	    "  --speakers=N       lines in a round (1)\n"
	    "  --warm-up=SECONDS  before a window (0.2)\n");
	exit(2);
}

static long
parse_number(const char *text, long low, long high)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (end == text || *end != '\0' || number < low || number > high)
		errx(2, "not a number from %ld to %ld: %s", low, high, text);
	return number;
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
		{ "speakers", required_argument, NULL, 'k' },
		{ "warm-up", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (name == 'p')
			options->server_pid =
			    (pid_t)parse_number(optarg, 1, INT32_MAX);
		else if (name == 's')
			options->size_bytes =
			    (size_t)parse_number(optarg, 2, TEXT_MAX);
		else if (name == 'k')
			options->speakers =
			    (size_t)parse_number(optarg, 1, MEMBERS_MAX);
		else if (name == 'w')
			options->warm_up_ns = parse_seconds_ns(optarg);
		else if (name != 'r')
			usage();
	}
}

static void
parse_command_line(int argc, char **argv, struct options *options)
{
	*options = (struct options){
		.speakers = 1,
		.size_bytes = 64,
		.warm_up_ns = NS_PER_SECOND / 5,
	};
	parse_options(argc, argv, options);
	argv += optind;
	if (argc - optind != 5 || strcmp(argv[0], "chat") != 0 ||
	    options->server_pid == 0)
		usage();
	options->server.sin_family = AF_INET;
	if (inet_pton(AF_INET, argv[1], &options->server.sin_addr) != 1)
		errx(2, "not an IPv4 address: %s", argv[1]);
	options->server.sin_port =
	    htons((uint16_t)parse_number(argv[2], 1, 65535));
	options->members = (size_t)parse_number(argv[3], 2, MEMBERS_MAX);
	options->window_ns = parse_seconds_ns(argv[4]);
	if (options->speakers > options->members)
		options->speakers = options->members;
}

int
main(int argc, char **argv)
{
	static struct load load;
	int character;

	parse_command_line(argc, argv, &load.options);
	load_init(&load);
	load_open(&load);
	printf("ready\n");
	fflush(stdout);
	while ((character = getchar()) != EOF)
		if (character == '\n')
			load_measure(&load);
	free(load.members);
	close(load.epoll_fd);
	return 0;
}
