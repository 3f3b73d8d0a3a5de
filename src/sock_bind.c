/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the host comes to the sockets that it listens on. What accepted ones
 * inherit from them on Linux (TCP_NODELAY) is set here, once, instead of at
 * every accept.
 */
#include "sock_bind.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "inherit.h"
#include "log.h"

#define SOCK_ADDRESSES_MAX 16

static int
sock_set(int fd, int level, int name)
{
	int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on));
}

/* EX_* for an errno of socket, bind or listen. */
static int
sock_exit_status(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return EX_UNAVAILABLE;
	case EAFNOSUPPORT:
		return EX_UNAVAILABLE;
	case ENOTSOCK:
		return EX_UNAVAILABLE;
	case ENOENT:
	case ENOTDIR:
	case EROFS:
		return EX_CANTCREAT;
	default:
		return EX_OSERR;
	}
}

static const char *
sock_hint(const char *address, int error)
{
	int is_unix = strncmp(address, "unix:", 5) == 0;

	switch (error) {
	case EACCES:
	case EPERM:
		return is_unix ? "; the folder must be writable"
			       : "; ports below 1024 need CAP_NET_BIND_SERVICE";
	case ENOTSOCK:
		return "; a file that is no socket is there: remove it or take "
		       "another path";
	case EADDRINUSE:
		return is_unix ? "; a living server has it: stop it, or take "
				 "another path"
			       : "; stop the server that has it, or take "
				 "another with -l (port 0 takes a free one)";
	case EADDRNOTAVAIL:
		return "; no interface of this machine has it";
	case EINVAL:
		return "; a link-local address needs its zone: "
		       "[fe80::1%interface]:PORT";
	case ENOENT:
		return "; the folder must exist";
	case EMFILE:
		return "; raise the limit of open files (ulimit -n)";
	default:
		return "";
	}
}

static int
sock_fail(const char *address, int error)
{
	errno = error;
	log_write(BEVHOST_LOG_ERROR, NULL, "cannot listen on %s: %m%s", address,
	    sock_hint(address, error));
	return -sock_exit_status(error);
}

/*
 * A unix socket's file outlives its server. Removes it when nobody answers.
 * Returns 0 when bind may try again, else an errno.
 */
static int
sock_remove_dead(const struct addr *addr)
{
	struct stat st;
	int fd, error = EADDRINUSE;

	if (lstat(addr->u.un.sun_path, &st) < 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(st.st_mode))
		return ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, &addr->u.sa, addr->len) < 0 && errno == ECONNREFUSED)
		error = unlink(addr->u.un.sun_path) < 0 ? errno : 0;
	close(fd);
	return error;
}

static int
sock_bind(int fd, const struct addr *addr)
{
	int error;

	if (bind(fd, &addr->u.sa, addr->len) == 0)
		return 0;
	error = errno;
	if (error == EADDRINUSE && addr->u.sa.sa_family == AF_UNIX &&
	    addr->u.un.sun_path[0] != '\0') {
		error = sock_remove_dead(addr);
		if (error == 0 && bind(fd, &addr->u.sa, addr->len) < 0)
			error = errno;
	}
	return error;
}

static int
sock_bound(struct sock *sock)
{
	sock->bound.len = sizeof(sock->bound.u);
	return getsockname(sock->fd, &sock->bound.u.sa, &sock->bound.len);
}

/* Somebody may put another in its place while we serve. */
static void
sock_own_file(struct sock *sock, const struct addr *addr)
{
	struct stat st;

	if (addr->u.sa.sa_family != AF_UNIX || addr->u.un.sun_path[0] == '\0' ||
	    lstat(addr->u.un.sun_path, &st) < 0)
		return;
	sock->unlink = 1;
	sock->device = st.st_dev;
	sock->inode = st.st_ino;
}

/* The file is made with its mode: there is no moment at which it has another.
 */
static int
sock_bind_mode(int fd, const struct addr *addr, mode_t mode)
{
	mode_t before;
	int error;

	if (mode == 0)
		return sock_bind(fd, addr);
	before = umask(~mode & 0777);
	error = sock_bind(fd, addr);
	umask(before);
	return error;
}

/* Returns 0 or an errno; nothing stays open then. */
static int
sock_bind_one(const struct addr *addr, const struct sock_how *how, int share,
    struct sock *sock)
{
	int family = addr->u.sa.sa_family, error;

	memset(sock, 0, sizeof(*sock));
	sock->fd =
	    socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock->fd < 0)
		return errno;
	if (family != AF_UNIX) {
		sock_set(sock->fd, SOL_SOCKET, SO_REUSEADDR);
		sock_set(sock->fd, IPPROTO_TCP, TCP_NODELAY);
		if (share)
			sock_set(sock->fd, SOL_SOCKET, SO_REUSEPORT);
	}
	/* [::] and 0.0.0.0 are two listeners, wherever this runs. */
	if (family == AF_INET6)
		sock_set(sock->fd, IPPROTO_IPV6, IPV6_V6ONLY);
	error = sock_bind_mode(sock->fd, addr, how->mode);
	if (error == 0) {
		sock_own_file(sock, addr);
		if (sock_bound(sock) < 0)
			error = errno;
	}
	if (error != 0)
		sock_close(sock);
	return error;
}

/* A descriptor that somebody else opened must be what we would have opened. */
static int
sock_take(int fd, const char *text, struct sock *sock)
{
	int type = 0, listens = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(type);

	memset(sock, 0, sizeof(*sock));
	sock->fd = fd;
	sock->inherited = 1;
	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL, "cannot listen on %s: %s",
		    text,
		    flags < 0 ? "no such descriptor is open"
			      : "the descriptor is not a socket");
		return -EX_USAGE;
	}
	len = sizeof(listens);
	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
	if (type != SOCK_STREAM || !listens) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "cannot listen on %s: the socket is not a listening stream "
		    "socket",
		    text);
		return -EX_USAGE;
	}
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || sock_bound(sock) < 0)
		return sock_fail(text, errno);
	if (sock->bound.u.sa.sa_family != AF_UNIX)
		sock_set(fd, IPPROTO_TCP, TCP_NODELAY);
	return 0;
}

/* The one at index of what a service manager has passed. */
static int
sock_take_passed(int index, const char *text, struct sock *sock)
{
	int fd = inherit_use(index), status;

	if (fd < 0)
		return sock_fail(text, -fd);
	status = sock_take(fd, text, sock);
	if (status < 0)
		close(fd);
	return status;
}

static void
sock_close_all(struct sock *socks, int count)
{
	while (count > 0)
		sock_close(&socks[--count]);
}

static int
sock_take_named(const char *name, const char *text, struct sock *socks, int max)
{
	int index = -1, count = 0, status;

	while ((index = inherit_find_name(name, index)) >= 0 && count < max) {
		status = sock_take_passed(index, text, &socks[count]);
		if (status < 0) {
			sock_close_all(socks, count);
			return status;
		}
		count++;
	}
	if (count > 0)
		return count;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "cannot listen on %s: no descriptor of that name was passed; the "
	    "socket unit names it with FileDescriptorName=",
	    text);
	return -EX_USAGE;
}

int
sock_bind_addr(const struct addr *addr, const char *text,
    const struct sock_how *how, struct sock *sock)
{
	int index = inherit_find_address(addr), error;
	char address[ADDR_TEXT_SIZE];

	if (index >= 0)
		return sock_take_passed(index, text, sock);
	error = sock_bind_one(addr, how, how->beside, sock);
	if (error == 0)
		return 0;
	return sock_fail(
	    addr_text(&addr->u.sa, addr->len, address, sizeof(address)), error);
}

int
sock_resolve(
    const struct addr_spec *spec, const char *text, struct addr *addrs, int max)
{
	const char *why;
	int count = addr_resolve(spec, addrs, max, &why);

	if (count > 0)
		return count;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "cannot listen on '%s': host '%s': %s", text, spec->host,
	    count < 0 ? why : "has no address");
	return -EX_NOHOST;
}

static int
sock_bind_fds(
    const struct addr_spec *spec, const char *text, struct sock *socks, int max)
{
	int passed = spec->fd >= 0 ? inherit_find_fd(spec->fd) : -1, status;

	if (spec->fd < 0)
		return sock_take_named(spec->path, text, socks, max);
	if (passed >= 0)
		status = sock_take_passed(passed, text, socks);
	else
		status = sock_take(spec->fd, text, socks);
	return status < 0 ? status : 1;
}

int
sock_bind_all(const struct addr_spec *spec, const char *text,
    const struct sock_how *how, struct sock *socks, int max)
{
	static const struct sock_how plain;
	struct addr addrs[SOCK_ADDRESSES_MAX];
	int count, opened, status;

	if (spec->kind == ADDR_FD)
		return sock_bind_fds(spec, text, socks, max);
	count = sock_resolve(spec, text, addrs,
	    max < SOCK_ADDRESSES_MAX ? max : SOCK_ADDRESSES_MAX);
	if (count < 0)
		return count;
	for (opened = 0; opened < count; opened++) {
		status = sock_bind_addr(&addrs[opened], text,
		    how != NULL ? how : &plain, &socks[opened]);
		if (status < 0) {
			sock_close_all(socks, opened);
			return status;
		}
	}
	return opened;
}

int
sock_listen(struct sock *sock)
{
	char address[ADDR_TEXT_SIZE];
	int error = 0;

	if (sock->inherited)
		return 0;
	if (listen(sock->fd, SOMAXCONN) < 0)
		error = errno;
	/* Until now it looked like a dead server's to one that starts. */
	else if (sock->unlink && !sock_has_file(sock))
		error = EADDRINUSE;
	if (error != 0)
		return sock_fail(addr_text(&sock->bound.u.sa, sock->bound.len,
				     address, sizeof(address)),
		    error);
	/*
	 * Only now: two servers that both had it while they only were bound
	 * would both be let through here.
	 */
	if (!sock_is_shared(sock))
		sock_set(sock->fd, SOL_SOCKET, SO_REUSEPORT);
	return 0;
}

int
sock_open(
    const struct addr_spec *spec, const char *text, struct sock *socks, int max)
{
	int count = sock_bind_all(spec, text, NULL, socks, max), i, status;

	for (i = 0; i < count; i++) {
		status = sock_listen(&socks[i]);
		if (status < 0) {
			sock_close_all(socks, count);
			return status;
		}
	}
	return count;
}

int
sock_clone(const struct sock *first, struct sock *more)
{
	static const struct sock_how plain;
	char address[ADDR_TEXT_SIZE];
	int error;

	assert(!sock_is_shared(first));
	error = sock_bind_one(&first->bound, &plain, 1, more);
	if (error == 0)
		return 0;
	return sock_fail(addr_text(&first->bound.u.sa, first->bound.len,
			     address, sizeof(address)),
	    error);
}
