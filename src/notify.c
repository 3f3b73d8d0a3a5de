/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The notification protocol of systemd, without its library: datagrams to the
 * socket that the environment names. It owns that socket and what was taken
 * from the environment.
 */
#include "notify.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define NOTIFY_MAX 2048

static struct {
	int open;
	int fd;
	int failed; /* and it was said */
	struct sockaddr_un address;
	socklen_t address_len;
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	int64_t watchdog_us;  /* 0: not watched */
	int64_t watchdog_pid; /* 0: whoever has the variables */
} notify;

static void
notify_set_socket(const char *text)
{
	size_t len = strlen(text);
	struct sockaddr_un *address = &notify.address;
	int fd;

	if ((text[0] != '/' && text[0] != '@') || len < 2 ||
	    len >= sizeof(address->sun_path)) {
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "NOTIFY_SOCKET is ignored: '%s' is neither a path nor "
		    "@NAME, of at most 107 bytes",
		    text);
		return;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "NOTIFY_SOCKET is ignored: no socket to write to '%s' "
		    "with: %m",
		    text);
		return;
	}
	if (notify.open)
		close(notify.fd);
	notify.failed = 0;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, text, len);
	if (text[0] == '@')
		address->sun_path[0] = '\0';
	notify.address_len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	memcpy(notify.socket, text, len + 1);
	notify.fd = fd;
	notify.open = 1;
}

/* A number from 1 up. Returns 0 when there is none that makes sense. */
static int64_t
notify_number(const char *name, const char *text)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 &&
	    number > 0)
		return number;
	log_write(BEVHOST_LOG_WARNING, NULL,
	    "WATCHDOG_USEC and WATCHDOG_PID are ignored: %s is '%s', which is "
	    "not a number above 0",
	    name, text);
	return 0;
}

static void
notify_set_watchdog(const char *usec, const char *pid)
{
	int64_t us = notify_number("WATCHDOG_USEC", usec), number = 0;

	if (us > 0 && pid != NULL) {
		number = notify_number("WATCHDOG_PID", pid);
		if (number == 0)
			return;
	}
	notify.watchdog_us = us;
	notify.watchdog_pid = number;
}

void
notify_init(void)
{
	const char *socket_text = getenv("NOTIFY_SOCKET");
	const char *usec = getenv("WATCHDOG_USEC");

	if (socket_text != NULL)
		notify_set_socket(socket_text);
	if (usec != NULL)
		notify_set_watchdog(usec, getenv("WATCHDOG_PID"));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static int
notify_setenv_number(const char *name, int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	return setenv(name, text, 1);
}

int
notify_export(void)
{
	if (notify.open && setenv("NOTIFY_SOCKET", notify.socket, 1) < 0)
		return -errno;
	if (notify.watchdog_us > 0 &&
	    notify_setenv_number("WATCHDOG_USEC", notify.watchdog_us) < 0)
		return -errno;
	if (notify.watchdog_pid > 0 &&
	    notify_setenv_number("WATCHDOG_PID", notify.watchdog_pid) < 0)
		return -errno;
	return 0;
}

void
notify_clear(void)
{
	if (notify.open)
		close(notify.fd);
	memset(&notify, 0, sizeof(notify));
}

static void
notify_put(const char *text, size_t len)
{
	int saved_errno = errno;

	if (sendto(notify.fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		(const void *)&notify.address, notify.address_len) < 0 &&
	    !notify.failed) {
		notify.failed = 1;
		log_write(BEVHOST_LOG_WARNING, NULL,
		    "cannot tell the service manager at '%s': %m; further "
		    "failures are not logged",
		    notify.socket);
	}
	errno = saved_errno;
}

static void notify_vsend(const char *prefix, const char *format, va_list args)
    BEVHOST_PRINTF(2, 0);

static void
notify_vsend(const char *prefix, const char *format, va_list args)
{
	char text[NOTIFY_MAX];
	size_t used = strlen(prefix), i;
	int len;

	if (!notify.open)
		return;
	memcpy(text, prefix, used);
	len = vsnprintf(text + used, sizeof(text) - used, format, args);
	if (len < 0)
		return;
	len = (int)strlen(text);
	/* After a prefix, a line of the text would be an assignment. */
	for (i = used; used > 0 && text[i] != '\0'; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	notify_put(text, (size_t)len);
}

void
notify_send(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	notify_vsend("", format, args);
	va_end(args);
}

void
notify_status(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	notify_vsend("STATUS=", format, args);
	va_end(args);
}

void
notify_ready(void)
{
	notify_send("READY=1");
}

void
notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void
notify_stopping(void)
{
	notify_send("STOPPING=1");
}

int64_t
notify_watchdog_ms(void)
{
	if (notify.watchdog_us == 0 ||
	    (notify.watchdog_pid > 0 && notify.watchdog_pid != getpid()))
		return 0;
	return notify.watchdog_us < 1000 ? 1 : notify.watchdog_us / 1000;
}
