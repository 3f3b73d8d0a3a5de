/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process from its birth to its end, as the master sees it: an order, a
 * socket pair for messages, a share of the counters, and an exit status.
 */
#include "slot_limits.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "copy.h"
#include "limiter.h"
#include "log.h"
#include "order.h"
#include "spawn.h"
#include "stats.h"

/* Of this process. */
static struct spawn slot_spawn_program = { .fd = -1 };
static struct stats slot_stats = { .fd = -1 };
static int slot_limits_fd = -1;

#define SLOT_FDS  (ORDER_FD_SOCKETS - ORDER_FD_IPC) /* before its sockets */
#define SLOT_PAGE 4096

/* Takes fd, unless it fails. */
static int
slot_use_limits(struct slot_host *host, int fd)
{
	struct limiter *limiter = fd >= 0 ? limiter_attach(fd, 0) : NULL;

	if (limiter == NULL)
		return -1;
	limiter_detach(host->limiter);
	if (slot_limits_fd >= 0)
		close(slot_limits_fd);
	host->limiter = limiter;
	slot_limits_fd = fd;
	return 0;
}

static int
slot_make_limits(struct slot_host *host)
{
	int fd = limiter_create();

	if (slot_use_limits(host, fd) == 0)
		return 0;
	if (fd >= 0)
		close(fd);
	return -1;
}

int
slot_host_init(struct slot_host *host, struct event_base *base)
{
	host->base = base;
	host->spawn = &slot_spawn_program;
	host->stats = &slot_stats;
	host->limiter = NULL;
	return spawn_init(&slot_spawn_program) < 0 ||
		       stats_init(&slot_stats) < 0 ||
		       slot_make_limits(host) < 0 || slot_tickets_init(host) < 0
		   ? -1
		   : 0;
}

void
slot_host_clear(struct slot_host *host)
{
	host->spawn = NULL;
	host->stats = NULL;
	limiter_detach(host->limiter);
	host->limiter = NULL;
	if (slot_limits_fd >= 0)
		close(slot_limits_fd);
	slot_limits_fd = -1;
	slot_tickets_clear(host);
	stats_clear(&slot_stats);
	spawn_clear(&slot_spawn_program);
}

int
slot_host_stats(const struct slot_host *host, size_t *size)
{
	*size = sizeof(*host->stats->shares);
	return host->stats->fd;
}

int
slot_host_adopt_stats(struct slot_host *host, int fd)
{
	struct stats adopted;

	if (stats_adopt(&adopted, fd) < 0)
		return -1;
	stats_clear(host->stats);
	*host->stats = adopted;
	return 0;
}

int
slot_host_limits(const struct slot_host *host, size_t *pages)
{
	(void)host;
	*pages = limiter_size() / SLOT_PAGE;
	return slot_limits_fd;
}

int
slot_host_adopt_limits(struct slot_host *host, int fd)
{
	return slot_use_limits(host, fd);
}

static void
slot_hang_up(struct slot *slot)
{
	if (slot->ipc_event != NULL)
		event_free(slot->ipc_event);
	slot->ipc_event = NULL;
	if (slot->ipc >= 0)
		close(slot->ipc);
	slot->ipc = -1;
}

static void
slot_hear(struct slot *slot, const struct ipc_message *message)
{
	if (message->fd >= 0 && message->type != IPC_CODE)
		close(message->fd);
	switch (message->type) {
	case IPC_CODE:
		slot->host->on_code(
		    slot, message->numbers[0], message->text, message->fd);
		return;
	case IPC_SAY:
		slot->host->on_say(slot, message->text);
		return;
	case IPC_READY:
		if (slot->state != SLOT_STARTING)
			return;
		slot->state = SLOT_READY;
		slot->host->on_ready(slot);
		return;
	default:
		log_write(BEVHOST_LOG_WARNING, slot->name,
		    "message %d is not for a master", (int)message->type);
	}
}

/* What it has sent until now; its end is seen by SIGCHLD. */
static void
slot_hear_all(struct slot *slot)
{
	struct ipc_message message;
	int status = -EAGAIN;

	while (
	    slot->ipc >= 0 && (status = ipc_receive(slot->ipc, &message)) > 0)
		slot_hear(slot, &message);
	if (status == -EAGAIN || slot->ipc < 0)
		return;
	if (status == -EPROTO)
		log_write(BEVHOST_LOG_ERROR, slot->name,
		    "it sent what is no message of this version");
	slot_hang_up(slot);
}

static void
slot_on_ipc(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	slot_hear_all(arg);
}

static int
slot_listen(struct slot *slot)
{
	slot->ipc_event = event_new(slot->host->base, slot->ipc,
	    EV_READ | EV_PERSIST, slot_on_ipc, slot);
	return slot->ipc_event != NULL && event_add(slot->ipc_event, NULL) == 0
		   ? 0
		   : -1;
}

/* A file without a name, for the child to read. */
static int
slot_memory(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC);
}

static pid_t
slot_spawn(struct slot *slot, int ipc, int order, int settings,
    const int *sockets, int socket_count)
{
	char title[128], mode[] = "--worker";
	char *argv[] = { title, mode, NULL };
	int *fds = calloc((size_t)socket_count + SLOT_FDS, sizeof(*fds));
	pid_t pid;

	if (fds == NULL)
		return -1;
	fds[0] = ipc;
	fds[1] = order;
	fds[2] = settings;
	fds[3] = slot->host->stats->fd;
	fds[4] = slot_limits_fd;
	fds[5] = slot_host_tickets(slot->host);
	if (socket_count > 0)
		memcpy(fds + SLOT_FDS, sockets,
		    (size_t)socket_count * sizeof(*fds));
	snprintf(title, sizeof(title), "bevhost: %s", slot->name);
	pid = spawn_start(
	    slot->host->spawn, argv, fds, socket_count + SLOT_FDS, 0);
	free(fds);
	return pid;
}

/* Writes the order and the settings, and starts. -1 with errno. */
static int
slot_give_birth(struct slot *slot, const struct settings *settings,
    struct order *order, const int *sockets, int ipc)
{
	int order_fd = slot_memory("bevhost-order");
	int settings_fd = slot_memory("bevhost-settings"), status = -1;

	if (order_fd >= 0 && settings_fd >= 0 &&
	    order_write(order, order_fd) == 0 &&
	    settings_write(settings, settings_fd) == 0) {
		slot->pid = slot_spawn(slot, ipc, order_fd, settings_fd,
		    sockets, order->socket_count);
		status = slot->pid > 0 ? 0 : -1;
	}
	if (order_fd >= 0)
		close(order_fd);
	if (settings_fd >= 0)
		close(settings_fd);
	return status;
}

/* Without one it counted for a master whose counters were of another form. */
static void
slot_return_share(struct slot *slot)
{
	const struct stats_share *share;

	slot->crash_handler = -1;
	if (slot->share < 0)
		return;
	share = &slot->host->stats->shares[slot->share];
	if (share->crash.signal != 0)
		slot->crash_handler = share->crash.handler;
	limiter_close(slot->host->limiter, slot->share);
	stats_return(slot->host->stats, slot->share);
	slot->share = -1;
}

int
slot_start(struct slot *slot, const struct settings *settings,
    struct order *order, const int *sockets)
{
	int pair[2] = { -1, -1 }, status;

	assert(slot->state == SLOT_EMPTY);
	slot->ipc = -1;
	order_name(order, slot->name, sizeof(slot->name));
	slot->share = stats_take(slot->host->stats);
	if (slot->share < 0) {
		log_write(BEVHOST_LOG_ERROR, slot->name,
		    "not started: there are %d processes already",
		    STATS_SHARES - 1);
		return -1;
	}
	limiter_open(slot->host->limiter, slot->share);
	order->share = slot->share;
	status = ipc_pair(pair);
	if (status == 0) {
		slot->ipc = pair[0];
		status = slot_listen(slot);
	}
	if (status == 0)
		status =
		    slot_give_birth(slot, settings, order, sockets, pair[1]);
	if (pair[1] >= 0)
		close(pair[1]);
	if (status < 0) {
		log_write(
		    BEVHOST_LOG_ERROR, slot->name, "cannot be started: %m");
		slot_hang_up(slot);
		slot_return_share(slot);
		return -1;
	}
	slot->state = SLOT_STARTING;
	slot->started_ms = clock_ms();
	slot->stall_said_ms = 0;
	slot->stall_killed = 0;
	return 0;
}

int
slot_adopt(struct slot *slot)
{
	if (slot->share >= 0 && stats_keep(slot->host->stats, slot->share) < 0)
		return -1;
	slot->started_ms = clock_ms();
	return slot->ipc < 0 ? 0 : slot_listen(slot);
}

int
slot_send_message(struct slot *slot, const struct ipc_message *message)
{
	int status = slot->ipc >= 0 ? ipc_send(slot->ipc, message) : -EPIPE;

	/* It drains by a signal, too, once it goes on. */
	if (status < 0 &&
	    (message->type == IPC_DRAIN || message->type == IPC_RETIRE))
		slot_kill(slot, SIGTERM);
	return status;
}

int
slot_send(
    struct slot *slot, enum ipc_type type, int64_t one, int64_t two, int fd)
{
	const struct ipc_message message = {
		.type = type,
		.numbers = { one, two },
		.fd = fd,
	};

	return slot_send_message(slot, &message);
}

void
slot_kill(struct slot *slot, int number)
{
	if (slot->pid > 0)
		kill(slot->pid, number);
}

void
slot_reap(struct slot *slot)
{
	int status;

	if (slot->pid <= 0 || waitpid(slot->pid, &status, WNOHANG) != slot->pid)
		return;
	slot_hear_all(slot); /* why, if it said so */
	slot_hang_up(slot);
	slot_return_share(slot);
	/* As another user it could not; what a core needs stays. */
	if (WIFEXITED(status))
		copy_remove_of(slot->pid);
	slot->state = SLOT_EMPTY;
	slot->ended_pid = slot->pid;
	slot->pid = 0;
	slot->host->on_end(slot, status);
}

void
slot_clear(struct slot *slot)
{
	assert(slot->state == SLOT_EMPTY);
	slot_hang_up(slot);
	if (slot->timer != NULL)
		event_free(slot->timer);
	slot->timer = NULL;
}
