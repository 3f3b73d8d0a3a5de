/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The hand-written chat: one room, in which each line comes to all but who
 * said it, with a nick before it.  What a turn of the loop has read goes to
 * each member in one write, straight from one buffer; only what a socket did
 * not take is copied.  There are no commands, no history and no checks.
 */

#include <sys/epoll.h>
#include <sys/socket.h>

#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#define LINE_BYTES    1024
#define SAID_BYTES    (1024 * 1024)
#define SAID_LINES    4096
#define EVENTS_MAX    64
#define PENDING_BYTES (256 * 1024)

struct member {
	struct member *next, *previous;
	char *pending; /* what the socket did not take, or NULL */
	size_t pending_bytes;
	size_t line_bytes;
	int fd;
	bool spoke;
	bool dead;
	char nick[24];
	char line[LINE_BYTES]; /* the beginning of one */
};

struct piece {
	const struct member *from;
	size_t offset_bytes, size_bytes;
};

static struct member *members;
static char said[SAID_BYTES];
static struct piece pieces[SAID_LINES];
static size_t said_bytes, piece_count, nick_count;
static int epoll_fd, listener_fd;

static void
member_free(struct member *member)
{
	if (member->next != NULL)
		member->next->previous = member->previous;
	if (member->previous != NULL)
		member->previous->next = member->next;
	else
		members = member->next;
	close(member->fd);
	free(member->pending);
	free(member);
}

static void
member_wait_for(struct member *member, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = member };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, member->fd, &event) != 0)
		member->dead = true;
}

static void
member_keep(struct member *member, const char *bytes, size_t size_bytes)
{
	char *pending;

	if (member->pending_bytes + size_bytes > PENDING_BYTES) {
		member->dead = true;
		return;
	}
	pending = realloc(member->pending, member->pending_bytes + size_bytes);
	if (pending == NULL) {
		member->dead = true;
		return;
	}
	memcpy(pending + member->pending_bytes, bytes, size_bytes);
	member->pending = pending;
	if (member->pending_bytes == 0)
		member_wait_for(member, EPOLLIN | EPOLLOUT);
	member->pending_bytes += size_bytes;
}

static void
member_send(struct member *member, const char *bytes, size_t size_bytes)
{
	ssize_t sent_bytes = 0;

	if (member->pending_bytes == 0) {
		sent_bytes = send(member->fd, bytes, size_bytes, MSG_NOSIGNAL);
		if (sent_bytes < 0 && errno != EAGAIN) {
			member->dead = true;
			return;
		}
		if (sent_bytes < 0)
			sent_bytes = 0;
	}
	if ((size_t)sent_bytes < size_bytes)
		member_keep(member, bytes + sent_bytes,
		    size_bytes - (size_t)sent_bytes);
}

/* All that was said between its own lines. */
static void
member_send_others(struct member *member)
{
	size_t from_bytes = 0, i;

	for (i = 0; i < piece_count; i++) {
		if (pieces[i].from != member)
			continue;
		if (pieces[i].offset_bytes > from_bytes)
			member_send(member, said + from_bytes,
			    pieces[i].offset_bytes - from_bytes);
		from_bytes = pieces[i].offset_bytes + pieces[i].size_bytes;
	}
	if (said_bytes > from_bytes)
		member_send(member, said + from_bytes, said_bytes - from_bytes);
	member->spoke = false;
}

static void
room_flush(void)
{
	struct member *member, *next;

	for (member = members; member != NULL; member = next) {
		next = member->next;
		if (!member->dead && member->spoke)
			member_send_others(member);
		else if (!member->dead && said_bytes > 0)
			member_send(member, said, said_bytes);
		if (member->dead)
			member_free(member);
	}
	said_bytes = piece_count = 0;
}

static void
member_say(struct member *member, const char *line, size_t size_bytes)
{
	size_t room_bytes = SAID_BYTES - said_bytes;
	int nick_bytes =
	    snprintf(said + said_bytes, room_bytes, "%s: ", member->nick);
	struct piece *piece = &pieces[piece_count++];

	memcpy(said + said_bytes + nick_bytes, line, size_bytes);
	piece->from = member;
	piece->offset_bytes = said_bytes;
	piece->size_bytes = (size_t)nick_bytes + size_bytes;
	said_bytes += piece->size_bytes;
	member->spoke = true;
}

static void
member_on_readable(struct member *member)
{
	ssize_t received_bytes =
	    recv(member->fd, member->line + member->line_bytes,
		LINE_BYTES - member->line_bytes, 0);
	size_t begin = 0;
	const char *end;

	if (received_bytes <= 0) {
		member->dead = received_bytes == 0 || errno != EAGAIN;
		return;
	}
	member->line_bytes += (size_t)received_bytes;
	while ((end = memchr(member->line + begin, '\n',
		    member->line_bytes - begin)) != NULL) {
		if (piece_count == SAID_LINES ||
		    SAID_BYTES - said_bytes < 2 * LINE_BYTES) {
			member->dead = true; /* no load here does that */
			return;
		}
		member_say(member, member->line + begin,
		    (size_t)(end + 1 - member->line) - begin);
		begin = (size_t)(end + 1 - member->line);
	}
	member->line_bytes -= begin;
	memmove(member->line, member->line + begin, member->line_bytes);
	if (member->line_bytes == LINE_BYTES)
		member->dead = true;
}

static void
member_on_writable(struct member *member)
{
	ssize_t sent_bytes = send(
	    member->fd, member->pending, member->pending_bytes, MSG_NOSIGNAL);

	if (sent_bytes < 0) {
		member->dead = errno != EAGAIN;
		return;
	}
	member->pending_bytes -= (size_t)sent_bytes;
	memmove(member->pending, member->pending + sent_bytes,
	    member->pending_bytes);
	if (member->pending_bytes == 0)
		member_wait_for(member, EPOLLIN);
}

static void
member_new(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct member *member = calloc(1, sizeof(*member));
	char welcome[64];
	int size_bytes;

	if (member == NULL) {
		close(fd);
		return;
	}
	member->fd = fd;
	snprintf(member->nick, sizeof(member->nick), "guest%zu", ++nick_count);
	member->next = members;
	if (members != NULL)
		members->previous = member;
	members = member;
	event.data.ptr = member;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		member_free(member);
		return;
	}
	size_bytes =
	    snprintf(welcome, sizeof(welcome), "* You are %s.\n", member->nick);
	member_send(member, welcome, (size_t)size_bytes);
}

static void
listener_on_readable(void)
{
	int fd;

	while ((fd = accept4(listener_fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		member_new(fd);
	if (errno != EAGAIN && errno != ECONNABORTED)
		err(1, "accept4");
}

static void
listener_start(const struct sockaddr_in *address)
{
	struct epoll_event event = { .events = EPOLLIN };
	const int on = 1;

	listener_fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener_fd < 0)
		err(1, "socket");
	if (setsockopt(
		listener_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		err(1, "TCP_NODELAY");
	if (bind(listener_fd, (const struct sockaddr *)address,
		sizeof(*address)) != 0)
		err(1, "bind");
	if (listen(listener_fd, PEER_BACKLOG) != 0)
		err(1, "listen");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener_fd, &event) != 0)
		err(1, "epoll_ctl");
}

static void
on_event(const struct epoll_event *event)
{
	struct member *member = event->data.ptr;

	if (member == NULL) {
		listener_on_readable();
		return;
	}
	if (event->events & EPOLLOUT)
		member_on_writable(member);
	if (!member->dead && (event->events & ~(uint32_t)EPOLLOUT) != 0)
		member_on_readable(member);
}

int
main(int argc, char **argv)
{
	static struct epoll_event events[EVENTS_MAX];
	struct sockaddr_in address;
	enum peer_mode mode;
	int count, i;

	peer_init(argc, argv, &mode, &address);
	if (mode != PEER_MODE_CHAT)
		errx(1, "this is a chat");
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		err(1, "epoll_create1");
	listener_start(&address);
	peer_announce(listener_fd);

	for (;;) {
		count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
		if (count < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (i = 0; i < count; i++)
			on_event(&events[i]);
		room_flush();
	}
}
