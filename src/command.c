/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --run: one child, whose end is the host's.
 */
#include "command.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

/* The address that reaches a listener which takes all addresses. */
static struct addr
command_reachable(const struct addr *bound)
{
	struct addr addr = *bound;

	if (addr.u.sa.sa_family == AF_INET &&
	    addr.u.in.sin_addr.s_addr == htonl(INADDR_ANY))
		addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (addr.u.sa.sa_family == AF_INET6 &&
		 IN6_IS_ADDR_UNSPECIFIED(&addr.u.in6.sin6_addr))
		addr.u.in6.sin6_addr = in6addr_loopback;
	return addr;
}

static void
command_set_environment(const struct addr *bound)
{
	struct addr addr = command_reachable(bound);
	char text[ADDR_TEXT_SIZE], host[INET6_ADDRSTRLEN] = "", port[16] = "";

	if (addr.u.sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &addr.u.in.sin_addr, host, sizeof(host));
		snprintf(port, sizeof(port), "%u", ntohs(addr.u.in.sin_port));
	} else if (addr.u.sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr.u.in6.sin6_addr, host, sizeof(host));
		snprintf(port, sizeof(port), "%u", ntohs(addr.u.in6.sin6_port));
	}
	setenv("BEVHOST_HOST", host, 1);
	setenv("BEVHOST_PORT", port, 1);
	setenv("BEVHOST_ADDRESS",
	    addr_text(&addr.u.sa, addr.len, text, sizeof(text)), 1);
}

static int
command_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
command_on_child(evutil_socket_t number, short what, void *arg)
{
	struct command *command = arg;
	int status;

	(void)number;
	(void)what;
	if (command->pid == 0 ||
	    waitpid(command->pid, &status, WNOHANG) != command->pid)
		return;
	command->pid = 0;
	command->status =
	    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	command->on_end(command->arg);
}

/* In the child: as if a shell had started it, not a server. */
static void
command_exec(
    const char *text, const struct addr *bound, const struct rlimit *files)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	command_set_environment(bound);
	setrlimit(RLIMIT_NOFILE, files);
	execl("/bin/sh", "sh", "-c", text, (char *)NULL);
	log_write(BEVHOST_LOG_ERROR, NULL, "cannot run /bin/sh: %m");
	_exit(127);
}

int
command_start(struct command *command, const char *text,
    const struct addr *bound, const struct rlimit *files,
    struct event_base *base, void (*on_end)(void *arg), void *arg)
{
	sigset_t all, before;

	memset(command, 0, sizeof(*command));
	command->on_end = on_end;
	command->arg = arg;
	command->child = evsignal_new(base, SIGCHLD, command_on_child, command);
	if (command->child == NULL || event_add(command->child, NULL) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "cannot watch the command of --run: %m");
		return -1;
	}
	/* A signal between fork and exec must not reach the loop's handler,
	   which shares its wake-up socket with the parent. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	command->pid = fork();
	if (command->pid == 0)
		command_exec(text, bound, files);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (command->pid < 0) {
		command->pid = 0;
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "cannot start the command of --run: %m");
		return -1;
	}
	return 0;
}

/* Asks, and after two seconds makes sure. Returns the wait status. */
static int
command_end(pid_t pid)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int tries, status = 0;

	kill(pid, SIGTERM);
	for (tries = 0; tries < 200; tries++) {
		if (waitpid(pid, &status, WNOHANG) != 0)
			return status;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

void
command_clear(struct command *command)
{
	if (command->pid > 0) {
		command->status = command_status(command_end(command->pid));
		command->pid = 0;
	}
	if (command->child != NULL)
		event_free(command->child);
	command->child = NULL;
}
