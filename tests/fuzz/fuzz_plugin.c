/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any plugin, at one end of a socket pair. An input is a byte of flags, and
 * then what the peer sends, in pieces: a length, and as many bytes. After each
 * piece the loop comes round. In the end nothing is left of the connection, by
 * itself or because it is cut.
 *
 * BEVHOST_FUZZ_PLUGIN chooses the plugin, with its parameters; without it each
 * of those that come with the host gets the input. Outbound connections lead
 * back here, to a peer that sends back what it gets; no name is looked up.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "conns.h"
#include "fuzz.h"
#include "plugin_load.h"
#include "runtime.h"
#include "worker.h"

enum {
	FUZZ_PLUGIN_END = 1,   /* the peer ends its side */
	FUZZ_PLUGIN_LEAVE = 2, /* it closes, whatever it has not read */
	FUZZ_PLUGIN_DEAF = 4,  /* it reads at the end alone */
	FUZZ_PLUGIN_DRAIN = 8, /* the handler is asked to finish */
	FUZZ_PLUGIN_SMALL = 16 /* the sockets take little */
};

#define FUZZ_PLUGIN_TURNS 100
#define FUZZ_PLUGIN_MAX	  16
#define FUZZ_PLUGIN_CUTS  5000 /* of a millisecond */

static const char *const fuzz_plugin_all[] = { "chat", "discard", "echo",
	"finger", "greeting", "greeting-async", "greeting-generator",
	"print file=/dev/null", "proxy to=127.0.0.1:9", "socks private=on" };

static struct bevhost_instance fuzz_instances[FUZZ_PLUGIN_MAX];
static int fuzz_instance_count;
static struct worker fuzz_worker;
static struct event *fuzz_tick;
static int fuzz_outbound[4], fuzz_outbound_count;

/* Not libc's: the plugin's and the host's calls come here. */

int
connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int pair[2];

	(void)len;
	if (addr->sa_family != AF_UNIX &&
	    ((const struct sockaddr_in *)(const void *)addr)->sin_port == 0) {
		errno = ECONNREFUSED;
		return -1;
	}
	if (fuzz_outbound_count == 4 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		pair) < 0) {
		errno = ENETUNREACH;
		return -1;
	}
	dup3(pair[0], fd, O_CLOEXEC);
	close(pair[0]);
	fuzz_outbound[fuzz_outbound_count++] = pair[1];
	return 0;
}

int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
    struct addrinfo **list)
{
	(void)host;
	(void)port;
	(void)hints;
	(void)list;
	return EAI_NONAME;
}

static void
fuzz_plugin_send_back(int fd)
{
	char bytes[4096];
	ssize_t len;

	while ((len = read(fd, bytes, sizeof(bytes))) > 0)
		(void)!send(fd, bytes, (size_t)len, MSG_NOSIGNAL);
	if (len == 0)
		shutdown(fd, SHUT_WR);
}

/* The instance of a plugin, given as its name and words. */
static void
fuzz_plugin_add(const struct plugin_dirs *dirs, const char *words)
{
	struct bevhost_instance *instance =
	    &fuzz_instances[fuzz_instance_count++];
	char *copy = fuzz_string((const uint8_t *)words, strlen(words));
	char *rest = copy, *word = strsep(&rest, " "), *value;
	struct plugin *plugin = plugin_load(dirs, word);

	assert(plugin != NULL && instance_init(instance, plugin) == 0);
	while (rest != NULL) {
		word = strsep(&rest, " ");
		value = strchr(word, '=');
		if (value != NULL)
			*value++ = '\0';
		assert(instance_config(instance, value != NULL ? word : NULL,
			   value != NULL ? value : word) == 0);
	}
	assert(instance_ready(instance) == 0);
	free(copy);
}

static void
fuzz_plugin_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void
fuzz_plugin_init(void)
{
	const struct worker_settings settings = { .job_threads = 1,
		.managed = 1 };
	const char *words = getenv("BEVHOST_FUZZ_PLUGIN");
	struct plugin_dirs dirs;
	size_t i;

	assert(plugin_dirs_init(&dirs, FUZZ_PLUGINS) == 0);
	if (words != NULL)
		fuzz_plugin_add(&dirs, words);
	else
		for (i = 0; i < sizeof(fuzz_plugin_all) / sizeof(char *); i++)
			fuzz_plugin_add(&dirs, fuzz_plugin_all[i]);
	plugin_dirs_clear(&dirs);
	assert(worker_init(&fuzz_worker, &settings, fuzz_instances,
		   fuzz_instance_count, NULL, 0) == 0);
	/* Who stops the process is not the host. */
	event_del(fuzz_worker.signals[0]);
	fuzz_tick =
	    event_new(fuzz_worker.base, -1, 0, fuzz_plugin_on_tick, NULL);
	assert(fuzz_tick != NULL);
}

static size_t
fuzz_plugin_left(void)
{
	return conns_count(fuzz_worker.conns) + runtime_left();
}

/* Returns whether something came back. */
static int
fuzz_plugin_read(int fd)
{
	char bytes[16384];
	int came = 0;

	while (read(fd, bytes, sizeof(bytes)) > 0)
		came = 1;
	return came;
}

static void
fuzz_plugin_turn(int fd, int flags)
{
	int i;

	event_base_loop(fuzz_worker.base, EVLOOP_NONBLOCK);
	for (i = 0; i < fuzz_outbound_count; i++)
		fuzz_plugin_send_back(fuzz_outbound[i]);
	if (!(flags & FUZZ_PLUGIN_DEAF) && fd >= 0)
		fuzz_plugin_read(fd);
}

static void
fuzz_plugin_say(int fd, int flags, const uint8_t *data, size_t size)
{
	size_t len;

	while (size > 0) {
		len = *data++;
		size--;
		if (len > size)
			len = size;
		(void)!send(fd, data, len, MSG_NOSIGNAL);
		data += len;
		size -= len;
		fuzz_plugin_turn(fd, flags);
	}
}

/* What waits for a timeout, or has stopped reading, does not end by itself. */
static void
fuzz_plugin_end(int fd, int flags)
{
	const struct timeval ms = { .tv_usec = 1000 };
	int i;

	for (i = 0; i < FUZZ_PLUGIN_TURNS && fuzz_plugin_left() > 0; i++)
		fuzz_plugin_turn(fd, flags);
	for (i = 0; i < FUZZ_PLUGIN_CUTS && fuzz_plugin_left() > 0; i++) {
		conns_cut(fuzz_worker.conns);
		runtime_cut();
		/* A job ends by itself, on its thread. */
		if (i > 2)
			event_add(fuzz_tick, &ms);
		event_base_loop(fuzz_worker.base,
		    EVLOOP_ONCE | (i > 2 ? 0 : EVLOOP_NONBLOCK));
	}
	assert(fuzz_plugin_left() == 0);
	/* What libevent finalises late needs one more. */
	event_base_loop(fuzz_worker.base, EVLOOP_NONBLOCK);
}

static void
fuzz_plugin_converse(
    struct bevhost_instance *instance, const uint8_t *data, size_t size)
{
	const struct sockaddr_in peer = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	const int little = 1024;
	int fds[2], flags = data[0];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		   0, fds) == 0);
	if (flags & FUZZ_PLUGIN_SMALL)
		setsockopt(
		    fds[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	conns_accept(fuzz_worker.conns, instance, NULL, fds[0],
	    (const struct sockaddr *)&peer, sizeof(peer));
	fuzz_plugin_say(fds[1], flags, data + 1, size - 1);
	if (flags & FUZZ_PLUGIN_DRAIN) {
		conns_begin_turns(fuzz_worker.conns);
		conns_sweep(fuzz_worker.conns, CONNS_CLOSE, 0, UINT64_MAX);
	}
	if (flags & FUZZ_PLUGIN_END)
		shutdown(fds[1], SHUT_WR);
	if (flags & FUZZ_PLUGIN_LEAVE) {
		close(fds[1]);
		fds[1] = -1;
	}
	fuzz_plugin_end(fds[1], 0);
	if (fds[1] >= 0)
		close(fds[1]);
	while (fuzz_outbound_count > 0)
		close(fuzz_outbound[--fuzz_outbound_count]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int next;
	int i;

	if (fuzz_instance_count == 0) {
		fuzz_plugin_init();
		next = fuzz_next_fd();
	}
	if (size == 0)
		return 0;
	for (i = 0; i < fuzz_instance_count; i++)
		fuzz_plugin_converse(&fuzz_instances[i], data, size);
	/* Some are made when they are needed first, and kept. */
	assert(fuzz_next_fd() < next + 8);
	return 0;
}
