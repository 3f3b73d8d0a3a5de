/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A conversation as load, for `bevhost-dev bench': connections hold it again
 * and again, each as fast as it is answered, and every byte is compared.
 *
 *	dev-load --words FILE.conv
 *		what the host is to be told, a line each
 *	dev-load [--echo] PORT PID CONNECTIONS SECONDS FILE.conv
 *		prints requests, nanoseconds, and those of CPU that PID took
 *
 * A request is what is sent up to what must come back. With --echo it is what
 * was sent that must. The thread spins: to wake it would be the server's work.
 * Where there are two CPUs, the server gets the first and this one the last.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cpu.h"
#include "load_steps.h"

#define LOAD_NS		     UINT64_C(1000000000)
#define LOAD_GIVE_UP_NS	     (10 * LOAD_NS)
#define LOAD_WARM_UP_NS	     (LOAD_NS / 5)
#define LOAD_ROOM	     65536
#define LOAD_ROOM_MAX	     (256 * 1024 * 1024)
#define LOAD_EVENTS	     256
#define LOAD_CONNECTIONS_MAX 10000
/* An address has ports for so many connections; those that have ended keep
   theirs for a minute. */
#define LOAD_SOURCES 250

struct load_conn {
	int fd;	      /* -1: none */
	int readable; /* something may have come */
	int hangs_up; /* and the end after it */
	int ended;    /* the server has closed */
	int step;
	size_t sent; /* of this step */
	int pauses;
	char *came;
	size_t len, room;
};

static struct {
	struct load_steps steps;
	struct load_conn *conns;
	int conn_count, running, epoll_fd;
	struct sockaddr_in server;
	uint32_t source;
	uint64_t stop_ns, moved_ns, requests;
} load;

static uint64_t
load_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * LOAD_NS + (uint64_t)now.tv_nsec;
}

static int
load_words(void)
{
	int i;

	for (i = 0; i < load.steps.script.word_count; i++)
		printf("%s\n", load.steps.script.words[i]);
	for (i = 0; i < load.steps.script.option_count; i++)
		printf("--%s\n", load.steps.script.options[i]);
	return 0;
}

/*
 * A connection
 */

static void
load_wrong(const struct load_conn *conn, const char *why)
{
	const struct load_step *step = &load.steps.steps[conn->step];

	errx(EX_PROTOCOL, "%s:%d: %s: '%.*s'%s", load.steps.script.path,
	    step->of->line, why, conn->len < 200 ? (int)conn->len : 200,
	    conn->came, conn->ended ? " and the end" : "");
}

static int
load_bind(int fd)
{
	struct sockaddr_in source = load.server;
	const int on = 1;

	load.source = (load.source + 1) % LOAD_SOURCES;
	source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + load.source);
	source.sin_port = 0;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&source, sizeof(source));
}

static void
load_open(struct load_conn *conn)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLOUT |
					       EPOLLET,
		.data.ptr = conn };
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || load_bind(fd) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    (connect(fd, (struct sockaddr *)&load.server, sizeof(load.server)) <
		    0 &&
		errno != EINPROGRESS) ||
	    epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		err(EX_OSERR, "connecting");
	conn->fd = fd;
	conn->readable = conn->hangs_up = conn->ended = 0;
	conn->len = 0;
}

static int
load_sends(const struct load_conn *conn)
{
	return load.steps.steps[conn->step].kind == SCRIPT_SEND;
}

/* What comes is read while something is sent, however much it is: the server
   may read no more before it has written. */
static void
load_make_room(struct load_conn *conn)
{
	if (!load_sends(conn) || conn->len < conn->room)
		return;
	if (conn->room == LOAD_ROOM_MAX)
		load_wrong(conn, "so much has come while this was sent");
	conn->room *= 2;
	conn->came = realloc(conn->came, conn->room);
	if (conn->came == NULL)
		err(EX_OSERR, "receiving");
}

static void
load_receive(struct load_conn *conn)
{
	size_t room;
	ssize_t len;

	if (conn->fd < 0 || !conn->readable)
		return;
	load_make_room(conn);
	room = conn->room - conn->len;
	if (room == 0)
		return;
	len = recv(conn->fd, conn->came + conn->len, room, 0);
	if (len < 0 && errno != EAGAIN && errno != ECONNRESET)
		err(EX_OSERR, "receiving");
	conn->ended = len == 0 || (len < 0 && errno == ECONNRESET);
	conn->len += len > 0 ? (size_t)len : 0;
	/* With less than there was room for, it was all but the end. */
	conn->readable = len > 0 && ((size_t)len == room || conn->hangs_up);
}

/* The first len bytes of what has come are done with. */
static int
load_take(struct load_conn *conn, size_t len)
{
	conn->len -= len;
	memmove(conn->came, conn->came + len, conn->len);
	return 1;
}

/* These return whether the step is done. */

static int
load_send(struct load_conn *conn, const struct load_step *step)
{
	ssize_t len;

	while (conn->sent < step->len) {
		len = send(conn->fd, step->bytes + conn->sent,
		    step->len - conn->sent, MSG_NOSIGNAL);
		if (len < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return 0;
		if (len < 0)
			load_wrong(conn, "the server has closed, after");
		conn->sent += (size_t)len;
	}
	return 1;
}

static int
load_expect(struct load_conn *conn, const struct load_step *step)
{
	size_t part = conn->len < step->len ? conn->len : step->len;

	/* More than fits is compared piece by piece. */
	if (part > step->len - conn->sent)
		part = step->len - conn->sent;
	if (memcmp(conn->came, step->bytes + conn->sent, part) != 0)
		load_wrong(conn, "this came instead");
	conn->sent += part;
	return load_take(conn, part) && conn->sent == step->len;
}

static int
load_expect_line(struct load_conn *conn, const struct load_step *step)
{
	char *end = memchr(conn->came, '\n', conn->len);
	size_t len;

	if (end == NULL && conn->len == conn->room)
		load_wrong(conn, "the line is too long");
	if (end == NULL)
		return 0;
	len = (size_t)(end - conn->came) + 1;
	*end = '\0';
	if (end > conn->came && end[-1] == '\r')
		end[-1] = '\0';
	if (regexec(&step->of->regex, conn->came, 0, NULL, 0) != 0)
		load_wrong(conn, "this line came instead");
	return load_take(conn, len);
}

static int
load_expect_any(struct load_conn *conn, const struct load_step *step)
{
	size_t left = (size_t)step->of->number - conn->sent;
	size_t part = conn->len < left ? conn->len : left;

	conn->sent += part;
	return load_take(conn, part) && part == left;
}

static int
load_close(struct load_conn *conn, int by_reset)
{
	const struct linger linger = { .l_onoff = 1 };

	if (by_reset)
		setsockopt(
		    conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(conn->fd);
	conn->fd = -1;
	return 1;
}

static int
load_do(struct load_conn *conn, const struct load_step *step)
{
	switch (step->kind) {
	case SCRIPT_SEND:
		return load_send(conn, step);
	case SCRIPT_EXPECT:
		return load_expect(conn, step);
	case SCRIPT_EXPECT_LIKE:
		return load_expect_line(conn, step);
	case SCRIPT_EXPECT_ANY:
		return load_expect_any(conn, step);
	case SCRIPT_CLOSED:
		if (conn->len > 0)
			load_wrong(conn, "nothing more was to come");
		return conn->ended && load_close(conn, 0);
	case SCRIPT_END:
		return shutdown(conn->fd, SHUT_WR) == 0 || errno == ENOTCONN;
	default:
		return load_close(conn, step->kind == SCRIPT_RESET);
	}
}

/* As far as it comes. */
static void
load_move(struct load_conn *conn)
{
	const struct load_step *step;

	while (!conn->pauses) {
		step = &load.steps.steps[conn->step];
		if (step->begins && conn->sent == 0 &&
		    load_now() >= load.stop_ns) {
			conn->pauses = 1;
			load.running--;
			return;
		}
		if (conn->fd < 0)
			load_open(conn);
		load_receive(conn);
		if (!load_do(conn, step)) {
			if (conn->readable &&
			    (conn->len < conn->room || load_sends(conn)))
				continue;
			if (conn->ended && load_steps_is_answer(step->kind))
				load_wrong(conn, "the server has closed");
			return;
		}
		load.requests += (uint64_t)step->ends;
		load.moved_ns = load_now();
		conn->sent = 0;
		if (++conn->step < load.steps.count)
			continue;
		conn->step = 0;
		if (load.steps.reopens && conn->fd >= 0)
			load_close(conn, 0);
	}
}

/*
 * A window of time: begins and ends with no request under way.
 */

static void
load_turn(void)
{
	struct epoll_event events[LOAD_EVENTS];
	struct load_conn *conn;
	int i, count = epoll_wait(load.epoll_fd, events, LOAD_EVENTS, 0);

	for (i = 0; i < count; i++) {
		conn = events[i].data.ptr;
		conn->readable |= (events[i].events & ~(uint32_t)EPOLLOUT) != 0;
		conn->hangs_up |= (events[i].events &
				      (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
		load_move(conn);
	}
	if (count <= 0 && load_now() > load.moved_ns + LOAD_GIVE_UP_NS)
		errx(EX_PROTOCOL, "%s: no answer in 10 s",
		    load.steps.script.path);
}

static uint64_t
load_run(uint64_t ns)
{
	uint64_t begin_ns = load_now();
	int i;

	load.requests = 0;
	load.moved_ns = begin_ns;
	load.stop_ns = begin_ns + ns;
	load.running = load.conn_count;
	for (i = 0; i < load.conn_count; i++) {
		load.conns[i].pauses = 0;
		load_move(&load.conns[i]);
	}
	while (load.running > 0)
		load_turn();
	return load_now() - begin_ns;
}

static void
load_init(const char *port, const char *connections)
{
	struct rlimit limit;
	int i;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	load.server.sin_family = AF_INET;
	load.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	load.server.sin_port = htons((uint16_t)atoi(port));
	load.conn_count = atoi(connections);
	if (load.conn_count < 1 || load.conn_count > LOAD_CONNECTIONS_MAX)
		errx(EX_USAGE, "connections are 1 to %d", LOAD_CONNECTIONS_MAX);
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load.conns = calloc((size_t)load.conn_count, sizeof(*load.conns));
	if (load.epoll_fd < 0 || load.conns == NULL)
		err(EX_OSERR, "connections");
	for (i = 0; i < load.conn_count; i++) {
		load.conns[i].fd = -1;
		load.conns[i].room = LOAD_ROOM;
		load.conns[i].came = malloc(LOAD_ROOM);
		if (load.conns[i].came == NULL)
			err(EX_OSERR, "connections");
	}
}

int
main(int argc, char **argv)
{
	uint64_t elapsed_ns, before_ns, after_ns;
	pid_t pid;
	int echo;

	if (argc == 3 && strcmp(argv[1], "--words") == 0) {
		load_steps_read(&load.steps, argv[2], 0);
		return load_words();
	}
	echo = argc > 1 && strcmp(argv[1], "--echo") == 0;
	argv += echo;
	if (argc - echo != 6)
		errx(EX_USAGE, "usage: dev-load [--echo] PORT PID CONNECTIONS "
			       "SECONDS FILE.conv");
	pid = (pid_t)atoi(argv[2]);
	load_steps_read(&load.steps, argv[5], echo);
	load_init(argv[1], argv[3]);
	cpu_part(pid);
	load_run(LOAD_WARM_UP_NS);
	before_ns = cpu_at_rest_ns(pid);
	elapsed_ns = load_run((uint64_t)(atof(argv[4]) * 1e9));
	after_ns = cpu_at_rest_ns(pid);
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", load.requests,
	    elapsed_ns, after_ns - before_ns);
	return 0;
}
