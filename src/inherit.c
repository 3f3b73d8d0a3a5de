/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket activation without systemd's library: descriptors from 3 up that the
 * environment counts and names. It owns them.
 */
#include "inherit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

#define INHERIT_FIRST 3

struct inherited {
	const char *name; /* in inherit_names */
	int used;
};

static struct inherited *inherit_list;
static char *inherit_names;
static int inherit_total;

/* A number up to INT_MAX. Returns -1 when it is none. */
static int
inherit_number(const char *text)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	return isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 &&
		       number <= INT_MAX
		   ? (int)number
		   : -1;
}

static int
inherit_refuse(const char *name, const char *value, const char *why)
{
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "cannot take what the service manager passes: %s is '%s': %s", name,
	    value, why);
	return -EX_USAGE;
}

/* How many descriptors are meant for this process. */
static int
inherit_parse_count(const char *pid_text, const char *count_text)
{
	int pid, count;

	if (pid_text == NULL || count_text == NULL)
		return 0;
	pid = inherit_number(pid_text);
	if (pid <= 0)
		return inherit_refuse(
		    "LISTEN_PID", pid_text, "it is no process id");
	if (pid != getpid())
		return 0;
	count = inherit_number(count_text);
	if (count <= 0 || count > INT_MAX - INHERIT_FIRST)
		return inherit_refuse("LISTEN_FDS", count_text,
		    "it is no number of descriptors, 1 or more");
	return count;
}

/* 0 or an errno. */
static int
inherit_set_cloexec(int count, int on)
{
	int fd, flags;

	for (fd = INHERIT_FIRST; fd < INHERIT_FIRST + count; fd++) {
		flags = fcntl(fd, F_GETFD);
		if (flags < 0)
			return errno;
		flags = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
		if (fcntl(fd, F_SETFD, flags) < 0)
			return errno;
	}
	return 0;
}

/* Takes inherit_names apart. Returns how many there are in it. */
static int
inherit_split_names(int count)
{
	char *name = inherit_names, *colon;
	int i;

	for (i = 0; name != NULL; i++) {
		colon = strchr(name, ':');
		if (colon != NULL)
			*colon++ = '\0';
		if (i < count)
			inherit_list[i].name = name;
		name = colon;
	}
	return i;
}

static int
inherit_take(int count, const char *count_text, const char *names)
{
	int i;

	if (inherit_set_cloexec(count, 1) != 0)
		return inherit_refuse("LISTEN_FDS", count_text,
		    "not all of that many are open, from 3 up");
	inherit_list = calloc((size_t)count, sizeof(*inherit_list));
	inherit_names = names != NULL ? strdup(names) : NULL;
	if (inherit_list == NULL || (names != NULL && inherit_names == NULL)) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%m");
		return -EX_OSERR;
	}
	for (i = 0; i < count; i++)
		inherit_list[i].name = "unknown";
	if (names != NULL && inherit_split_names(count) != count)
		return inherit_refuse("LISTEN_FDNAMES", names,
		    "it must have as many names as LISTEN_FDS says");
	return inherit_total = count;
}

static void
inherit_forget(void)
{
	free(inherit_list);
	free(inherit_names);
	inherit_list = NULL;
	inherit_names = NULL;
	inherit_total = 0;
}

int
inherit_init(void)
{
	const char *count_text = getenv("LISTEN_FDS");
	int count = inherit_parse_count(getenv("LISTEN_PID"), count_text);

	if (count > 0) {
		inherit_forget();
		count =
		    inherit_take(count, count_text, getenv("LISTEN_FDNAMES"));
		if (count < 0)
			inherit_forget();
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_PIDFDID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return count;
}

/* The names with ':' between them, to be freed; NULL: no memory. */
static char *
inherit_join_names(void)
{
	size_t size = 1;
	char *names, *end;
	int i;

	for (i = 0; i < inherit_total; i++)
		size += strlen(inherit_list[i].name) + 1;
	names = end = malloc(size);
	for (i = 0; names != NULL && i < inherit_total; i++)
		end += sprintf(
		    end, "%s%s", i > 0 ? ":" : "", inherit_list[i].name);
	return names;
}

int
inherit_export(void)
{
	char number[16], *names;
	int error;

	if (inherit_total == 0)
		return 0;
	names = inherit_join_names();
	if (names == NULL)
		return -ENOMEM;
	error = setenv("LISTEN_FDNAMES", names, 1) < 0 ? errno : 0;
	free(names);
	snprintf(number, sizeof(number), "%d", inherit_total);
	if (error == 0 && setenv("LISTEN_FDS", number, 1) < 0)
		error = errno;
	snprintf(number, sizeof(number), "%ld", (long)getpid());
	if (error == 0 && setenv("LISTEN_PID", number, 1) < 0)
		error = errno;
	return error != 0 ? -error : -inherit_set_cloexec(inherit_total, 0);
}

int
inherit_count(void)
{
	return inherit_total;
}

int
inherit_fd(int index)
{
	return INHERIT_FIRST + index;
}

const char *
inherit_name(int index)
{
	return inherit_list[index].name;
}

int
inherit_find_name(const char *name, int after)
{
	int i;

	for (i = after + 1; i < inherit_total; i++)
		if (strcmp(inherit_list[i].name, name) == 0)
			return i;
	return -1;
}

/* Only what is an address: a sockaddr has bytes that mean nothing. */
static int
inherit_same_address(const struct addr *one, const struct addr *two)
{
	const struct sockaddr_in6 *in6 = &one->u.in6, *other = &two->u.in6;
	char one_text[ADDR_TEXT_SIZE], two_text[ADDR_TEXT_SIZE];

	if (one->u.sa.sa_family != two->u.sa.sa_family)
		return 0;
	switch (one->u.sa.sa_family) {
	case AF_INET:
		return one->u.in.sin_port == two->u.in.sin_port &&
		       one->u.in.sin_addr.s_addr == two->u.in.sin_addr.s_addr;
	case AF_INET6:
		return in6->sin6_port == other->sin6_port &&
		       in6->sin6_scope_id == other->sin6_scope_id &&
		       IN6_ARE_ADDR_EQUAL(&in6->sin6_addr, &other->sin6_addr);
	case AF_UNIX:
		addr_text(&one->u.sa, one->len, one_text, sizeof(one_text));
		addr_text(&two->u.sa, two->len, two_text, sizeof(two_text));
		return strcmp(one_text, two_text) == 0;
	default:
		return 0;
	}
}

static int
inherit_listens_on(int fd, const struct addr *addr)
{
	struct addr bound = { .len = sizeof(bound.u) };
	int type = 0, listens = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_STREAM)
		return 0;
	len = sizeof(listens);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
	       listens && getsockname(fd, &bound.u.sa, &bound.len) == 0 &&
	       inherit_same_address(&bound, addr);
}

int
inherit_find_fd(int fd)
{
	return fd >= INHERIT_FIRST && fd < INHERIT_FIRST + inherit_total
		   ? fd - INHERIT_FIRST
		   : -1;
}

int
inherit_find_address(const struct addr *addr)
{
	int i;

	for (i = 0; i < inherit_total; i++)
		if (inherit_listens_on(inherit_fd(i), addr))
			return i;
	return -1;
}

int
inherit_use(int index)
{
	int fd = fcntl(inherit_fd(index), F_DUPFD_CLOEXEC, INHERIT_FIRST);

	if (fd < 0)
		return -errno;
	inherit_list[index].used = 1;
	return fd;
}

void
inherit_warn_unused(void)
{
	int i;

	for (i = 0; i < inherit_total; i++)
		if (!inherit_list[i].used)
			log_write(BEVHOST_LOG_WARNING, NULL,
			    "nobody listens on descriptor %d, '%s', which the "
			    "service manager has passed: name it with "
			    "--listen=fd:%s",
			    inherit_fd(i), inherit_list[i].name,
			    inherit_list[i].name);
}

void
inherit_clear(void)
{
	int i;

	for (i = 0; i < inherit_total; i++)
		close(inherit_fd(i));
	inherit_forget();
}
