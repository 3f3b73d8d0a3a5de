/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The newer worker first offers the addresses that it listens on; connections
 * of others stay with the older. A connection goes over as a descriptor, before
 * a byte of it was read, and what cannot be sent is served here: nothing is
 * lost when the newer one dies but what it has taken.
 */
#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "addr.h"
#include "ipc.h"
#include "log.h"
#include "serve.h"

#define SHARE_TAKERS 64 /* older workers that give to one */

struct share_address {
	struct share_address *next;
	int given; /* whose places are ours until the newer one has its own */
	char text[ADDR_TEXT_SIZE];
};

/* There is one newer worker to give to. */
static struct {
	struct serve *serve;
	int channel; /* or -1 */
	struct event *event;
	int percent, turn;
	struct share_address *offered;
} share_giver = { .channel = -1 };

static struct {
	struct serve *serve;
	struct event *events[SHARE_TAKERS];
	int count;
} share_taker;

static void
share_end_event(struct event **event)
{
	if (*event == NULL)
		return;
	close(event_get_fd(*event));
	event_free(*event);
	*event = NULL;
}

/* Giving */

static void
share_end_giving(void)
{
	struct share_address *address;

	serve_set_taker(NULL);
	share_end_event(&share_giver.event);
	share_giver.channel = -1;
	while ((address = share_giver.offered) != NULL) {
		share_giver.offered = address->next;
		while (address->given-- > 0)
			serve_return_place(share_giver.serve, address->text);
		free(address);
	}
}

static struct share_address *
share_find_offer(const char *address)
{
	struct share_address *offered = share_giver.offered;

	while (offered != NULL && strcmp(offered->text, address) != 0)
		offered = offered->next;
	return offered;
}

/* Evenly: with 30 per cent each third or fourth one. */
static int
share_is_turn(void)
{
	share_giver.turn += share_giver.percent;
	if (share_giver.turn < 100)
		return 0;
	share_giver.turn -= 100;
	return 1;
}

static int
share_send(const char *address, int fd)
{
	struct ipc_message message = { .type = IPC_CONN, .fd = fd };
	struct share_address *offered = share_find_offer(address);

	if (offered == NULL || !share_is_turn())
		return 0;
	snprintf(message.text, sizeof(message.text), "%s", address);
	if (ipc_send(share_giver.channel, &message) < 0)
		return 0;
	offered->given++;
	close(fd);
	return 1;
}

static void
share_add_offer(const char *text)
{
	struct share_address *address = calloc(1, sizeof(*address));

	if (address == NULL)
		return;
	snprintf(address->text, sizeof(address->text), "%.*s",
	    (int)sizeof(address->text) - 1, text);
	address->next = share_giver.offered;
	share_giver.offered = address;
}

static void
share_end_place(const char *text)
{
	struct share_address *address = share_find_offer(text);

	if (address == NULL || address->given == 0)
		return;
	address->given--;
	serve_return_place(share_giver.serve, text);
}

static void
share_on_offer(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_message message;
	int status;

	(void)what;
	(void)arg;
	while ((status = ipc_receive(fd, &message)) > 0) {
		if (message.type == IPC_OFFER)
			share_add_offer(message.text);
		if (message.type == IPC_TAKEN)
			share_end_place(message.text);
		if (message.fd >= 0)
			close(message.fd);
	}
	if (status != -EAGAIN)
		share_end_giving();
}

/* A copy of the channel, read by an event that owns it. */
static struct event *
share_listen(struct event_base *base, int channel, event_callback_fn callback)
{
	int copy = fcntl(channel, F_DUPFD_CLOEXEC, 0);
	struct event *event = NULL;

	if (copy >= 0)
		event =
		    event_new(base, copy, EV_READ | EV_PERSIST, callback, NULL);
	if (event != NULL && event_add(event, NULL) == 0)
		return event;
	log_write(BEVHOST_LOG_ERROR, NULL, "no canary: %m");
	if (event != NULL)
		event_free(event);
	if (copy >= 0)
		close(copy);
	return NULL;
}

void
share_give(struct serve *serve, int channel, int percent)
{
	share_end_giving();
	if (channel < 0)
		return;
	share_giver.serve = serve;
	share_giver.event =
	    share_listen(serve_base(serve), channel, share_on_offer);
	if (share_giver.event == NULL)
		return;
	share_giver.channel = event_get_fd(share_giver.event);
	share_giver.percent = percent;
	share_giver.turn = 0;
	serve_set_taker(share_send);
}

/* Taking */

static void
share_end_taking(evutil_socket_t fd)
{
	int i;

	for (i = 0; i < share_taker.count; i++)
		if (share_taker.events[i] != NULL &&
		    event_get_fd(share_taker.events[i]) == fd)
			share_end_event(&share_taker.events[i]);
}

static void
share_on_conn(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_message message;
	int status;

	(void)what;
	(void)arg;
	while ((status = ipc_receive(fd, &message)) > 0) {
		if (message.fd < 0)
			continue;
		if (message.type != IPC_CONN) {
			close(message.fd);
			continue;
		}
		serve_take(share_taker.serve, message.text, message.fd);
		message.type = IPC_TAKEN;
		message.fd = -1;
		(void)!ipc_send(fd, &message); /* else when the channel ends */
	}
	if (status != -EAGAIN)
		share_end_taking(fd);
}

static void
share_offer(int channel)
{
	struct ipc_message message = { .type = IPC_OFFER, .fd = -1 };
	const struct addr *bound;
	const char *plugin;
	int i;

	for (i = 0; i < SERVE_LISTENERS_MAX; i++) {
		bound = serve_address(share_taker.serve, i, &plugin);
		if (bound == NULL)
			return;
		addr_text(&bound->u.sa, bound->len, message.text,
		    sizeof(message.text));
		if (ipc_send(channel, &message) < 0)
			return; /* what was not offered stays there */
	}
}

void
share_take(struct serve *serve, int channel)
{
	if (channel < 0 || share_taker.count == SHARE_TAKERS)
		return;
	share_taker.serve = serve;
	share_taker.events[share_taker.count] =
	    share_listen(serve_base(serve), channel, share_on_conn);
	if (share_taker.events[share_taker.count] == NULL)
		return;
	share_taker.count++;
	share_offer(channel);
}

void
share_clear(void)
{
	int i;

	share_end_giving();
	for (i = 0; i < share_taker.count; i++)
		share_end_event(&share_taker.events[i]);
	share_taker.count = 0;
}
