/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the order to READY, then message by message to the end. What goes wrong
 * before READY is logged here, and told to the master too: it is the answer to
 * whoever asked for the reload.
 *
 * When the master is gone this process drains. Should its loop stand still
 * just then, the kernel's alarm ends it.
 */
#include "managed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "confine.h"
#include "crash.h"
#include "gate_host.h"
#include "ipc.h"
#include "load_workers.h"
#include "log.h"
#include "order.h"
#include "privileges.h"
#include "serve.h"
#include "settings.h"
#include "share.h"
#include "sock.h"
#include "stats.h"
#include "tls_say.h"
#include "tls_ticket.h"

/* No library uses it. */
#define MANAGED_ORPHAN_SIGNAL (SIGRTMIN + 6)
#define MANAGED_SPARE_S	      5 /* after the end of the deadline */

/* Files of plugins that are handed on: what all workers after this one are told
   of fits into a queue that nobody reads yet. */
#define MANAGED_CODE_MAX 64

struct managed {
	struct order order;
	struct settings settings;
	struct stats_share *share;
	struct serve *serve;
	struct event *ipc;
	char name[128];
};

static unsigned managed_alarm_s;

static void
managed_on_orphan(int number)
{
	(void)number;
	alarm(managed_alarm_s);
}

/* What is left to the master, if it comes to saying it. */
static int managed_is_told;
static char managed_told[IPC_TEXT_SIZE];

/* Before READY: the master keeps the first one, and may say it. One that is
   too long for that is said here. */
static int
managed_say(const char *text)
{
	struct ipc_message message = { .type = IPC_SAY, .fd = -1 };
	int first = managed_is_told;

	managed_is_told = 0;
	snprintf(message.text, sizeof(message.text), "%s", text);
	if (ipc_send(ORDER_FD_IPC, &message) < 0) {
		log_set_listener(NULL);
		return 0;
	}
	if (!first || strlen(text) >= sizeof(managed_told))
		return 0;
	memcpy(managed_told, message.text, sizeof(managed_told));
	return 1;
}

static int
managed_refuse(const char *what)
{
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "--worker is for bevhost itself, which gives it descriptors: %s: "
	    "%m",
	    what);
	return EX_USAGE;
}

static int
managed_check_ipc(void)
{
	int type = 0;
	socklen_t size = sizeof(type);

	if (getsockopt(ORDER_FD_IPC, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return -1;
	errno = EPROTO;
	return type == SOCK_SEQPACKET ? 0 : -1;
}

/* Whatever a plugin executes gets none of ours. */
static void
managed_close_on_exec(int socket_count)
{
	int fd;

	for (fd = ORDER_FD_IPC; fd < ORDER_FD_SOCKETS + socket_count; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int
managed_read_order(struct managed *managed)
{
	if (managed_check_ipc() < 0)
		return managed_refuse("messages");
	if (order_read(&managed->order, ORDER_FD_ORDER) < 0)
		return managed_refuse("order");
	managed_close_on_exec(managed->order.socket_count);
	settings_init(&managed->settings);
	if (settings_read(&managed->settings, ORDER_FD_SETTINGS) < 0)
		return managed_refuse("settings");
	managed->share = stats_attach(ORDER_FD_STATS, managed->order.share);
	if (managed->share == NULL)
		return managed_refuse("counters");
	if (gate_host_start(ORDER_FD_LIMITS, managed->order.share,
		&managed->share->counters, &managed->settings) < 0)
		return managed_refuse("limits");
	if (tls_ticket_attach(ORDER_FD_TICKETS) < 0)
		return managed_refuse("keys of tickets");
	tls_say_warnings(managed->order.first);
	close(ORDER_FD_ORDER);
	close(ORDER_FD_SETTINGS);
	close(ORDER_FD_TICKETS);
	return 0;
}

/* The files that the first worker of this generation has loaded. What does not
   come is looked for anew. */
static int
managed_take_code(const struct managed *managed)
{
	struct pollfd poll_fd = { .fd = ORDER_FD_IPC, .events = POLLIN };
	struct ipc_message message;
	int64_t handler;
	int i;

	for (i = 0; i < managed->order.code_count; i++) {
		while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
			continue;
		if (ipc_receive(ORDER_FD_IPC, &message) <= 0)
			return managed_refuse("code");
		handler = message.numbers[0];
		if (message.type != IPC_CODE || message.fd < 0 || handler < 0 ||
		    handler >= managed->settings.handler_count)
			return managed_refuse("code");
		serve_provide(managed->settings.handlers[handler].plugin,
		    message.text, message.fd);
	}
	return 0;
}

/* Before anybody from outside has a word: the master keeps what is loaded. */
static void
managed_tell_code(const struct managed *managed)
{
	struct ipc_message message = { .type = IPC_CODE };
	const char *path;
	int i, handler, told = 0;

	for (i = 0; told < MANAGED_CODE_MAX &&
		    (message.fd = serve_open_code(
			 managed->serve, i, &handler, &path)) != -2;
	     i++) {
		if (message.fd < 0)
			continue;
		message.numbers[0] = handler;
		if (snprintf(message.text, sizeof(message.text), "%s", path) <
			(int)sizeof(message.text) &&
		    ipc_send(ORDER_FD_IPC, &message) == 0)
			told++;
		close(message.fd);
	}
}

static void
managed_name(struct managed *managed)
{
	char name[96];
	size_t len;

	order_name(&managed->order, name, sizeof(name));
	len = strlen(name) - 1; /* the ')' */
	snprintf(managed->name, sizeof(managed->name), "%.*s, pid %d)",
	    (int)len, name, (int)getpid());
}

static void
managed_pin(const struct managed *managed)
{
	cpu_set_t set;

	if (managed->order.cpu < 0 || managed->order.cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)managed->order.cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "%s: cannot stay on CPU %d: %m", managed->name,
		    managed->order.cpu);
}

/* The master's, which removes its file. 0, or -1 with errno. */
static int
managed_sock(int fd, struct sock *sock)
{
	memset(sock, 0, sizeof(*sock));
	sock->fd = fd;
	sock->bound.len = sizeof(sock->bound.u);
	return getsockname(fd, &sock->bound.u.sa, &sock->bound.len);
}

static int
managed_listen(struct managed *managed)
{
	struct sock sock;
	int i, status;

	for (i = 0; i < managed->order.socket_count; i++) {
		if (managed_sock(ORDER_FD_SOCKETS + i, &sock) < 0)
			return managed_refuse("sockets");
		status = serve_listen(
		    managed->serve, managed->order.handlers[i], &sock);
		if (status != 0)
			return status;
	}
	return 0;
}

static int
managed_drop_privileges(const struct managed *managed)
{
	static struct privileges to;

	if (!managed->order.drop)
		return 0;
	to.uid = managed->order.uid;
	to.gid = managed->order.gid;
	to.group_count = managed->order.group_count;
	memcpy(to.groups, managed->order.groups, sizeof(to.groups));
	return -privileges_drop(&to);
}

/* After the privileges, with which the kernel forgets it. */
static void
managed_expect_orphan(const struct managed *managed)
{
	const struct sigaction action = { .sa_handler = managed_on_orphan };

	managed_alarm_s = (unsigned)(managed->settings.drain_timeout / 1000) +
			  MANAGED_SPARE_S;
	sigaction(MANAGED_ORPHAN_SIGNAL, &action, NULL);
	prctl(PR_SET_PDEATHSIG, MANAGED_ORPHAN_SIGNAL);
}

/* Messages */

static void
managed_reopen(int fd)
{
	if (fd >= 0 && dup2(fd, STDERR_FILENO) < 0)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "cannot write to the reopened log: %m");
}

/* A socket of a worker that is not there for the time being. */
static void
managed_borrow(struct managed *managed, int handler, int fd)
{
	struct sock sock;
	int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (copy >= 0 && managed_sock(copy, &sock) == 0 &&
	    serve_borrow(managed->serve, handler, &sock) == 0)
		return;
	if (copy >= 0)
		close(copy);
}

static void
managed_obey(struct managed *managed, const struct ipc_message *message)
{
	switch (message->type) {
	case IPC_SERVE:
		serve_accept(managed->serve);
		return;
	case IPC_LEAVING:
		serve_leave(managed->serve, message->text);
		return;
	case IPC_RETIRE:
		serve_retire(managed->serve, message->numbers[0]);
		return;
	case IPC_DRAIN:
		serve_drain_within(
		    managed->serve, message->numbers[0], message->numbers[1]);
		return;
	case IPC_STOP:
		serve_stop(managed->serve);
		return;
	case IPC_REOPEN:
		managed_reopen(message->fd);
		return;
	case IPC_PAUSE:
		serve_pause(managed->serve, (int)message->numbers[0]);
		return;
	case IPC_LEND:
		managed_borrow(managed, (int)message->numbers[0], message->fd);
		return;
	case IPC_SHARE:
		share_give(
		    managed->serve, message->fd, (int)message->numbers[0]);
		return;
	case IPC_TAKE:
		share_take(managed->serve, message->fd);
		return;
	default:
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "message %d is not for a worker", (int)message->type);
	}
}

static void
managed_on_ipc(evutil_socket_t fd, short what, void *arg)
{
	struct managed *managed = arg;
	struct ipc_message message;
	int status;

	(void)what;
	while ((status = ipc_receive(fd, &message)) > 0) {
		managed_obey(managed, &message);
		if (message.fd >= 0)
			close(message.fd);
	}
	if (status == -EAGAIN)
		return;
	if (status < 0)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "the master sent what is no message of this version");
	else
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "%s: the master has gone: stopping", managed->name);
	event_del(managed->ipc);
	serve_drain(managed->serve);
}

static int
managed_hear(struct managed *managed)
{
	managed->ipc = event_new(serve_base(managed->serve), ORDER_FD_IPC,
	    EV_READ | EV_PERSIST, managed_on_ipc, managed);
	if (managed->ipc != NULL && event_add(managed->ipc, NULL) == 0)
		return 0;
	log_write(BEVHOST_LOG_ERROR, NULL, "cannot hear the master: %m");
	return EX_OSERR;
}

static int
managed_report_ready(void)
{
	const struct ipc_message message = { .type = IPC_READY, .fd = -1 };

	log_set_listener(NULL);
	/* It was no reason not to serve, so the master does not say it. */
	if (managed_told[0] != '\0')
		log_write(BEVHOST_LOG_ERROR, NULL, "%s", managed_told);
	return ipc_send(ORDER_FD_IPC, &message) < 0 ? EX_OSERR : 0;
}

/* Up to READY. Returns 0 or an exit status. */
static int
managed_start(struct managed *managed)
{
	const struct serve_managed with = {
		.beat = &managed->share->heartbeat_ms,
		.counters = &managed->share->counters,
	};
	/* All would say the same. */
	const struct confine_host host = {
		.settings = &managed->settings,
		.quiet = managed->order.slot > 1,
	};
	int status;

	status = managed_take_code(managed);
	if (status != 0)
		return status;
	status = serve_load(
	    &managed->serve, &managed->settings, managed->order.worker_group);
	if (status == 0) {
		managed_tell_code(managed);
		status = managed_listen(managed);
	}
	if (status == 0)
		status = serve_ready(managed->serve);
	if (status == 0 && managed->order.first)
		load_say_workers(
		    serve_loaded(managed->serve), managed->order.workers);
	if (status == 0)
		status = managed_drop_privileges(managed);
	if (status != 0)
		return status;
	managed_expect_orphan(managed);
	status = serve_start(managed->serve, &with);
	if (status == 0)
		status = managed_hear(managed);
	if (status == 0)
		confine(serve_loaded(managed->serve), &host);
	return status != 0 ? status : managed_report_ready();
}

static int
managed_live(struct managed *managed)
{
	int status = managed_start(managed);

	if (status == 0 && !managed->order.test)
		status = serve_run(managed->serve);
	log_set_listener(NULL);
	if (managed->ipc != NULL)
		event_free(managed->ipc);
	share_clear();
	serve_clear(managed->serve);
	gate_host_say_counts();
	return status;
}

int
managed_run(void)
{
	static struct managed managed; /* the order is large */
	int status = managed_read_order(&managed);

	if (status == 0) {
		log_set_level((enum bevhost_level)managed.settings.level);
		managed_is_told = managed.order.told;
		log_set_listener(managed_say);
		managed_name(&managed);
		/* As long as it loads, whatever may hold it up. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (crash_init(managed.name, &managed.share->crash,
			&managed.share->heartbeat_ms) < 0)
			log_write(BEVHOST_LOG_WARNING, NULL,
			    "crashes will not be named: %m");
		managed_pin(&managed);
		status = managed_live(&managed);
	}
	settings_clear(&managed.settings);
	return status;
}
