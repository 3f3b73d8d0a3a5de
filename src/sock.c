/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sockets that the host listens on. What accepted ones inherit from them
 * on Linux (TCP_NODELAY) is set here, once, instead of at every accept.
 */
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

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

/* Returns 0 or an errno; nothing stays open then. */
static int
sock_open_one(const struct addr *addr, struct sock *sock)
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
	}
	/* [::] and 0.0.0.0 are two listeners, wherever this runs. */
	if (family == AF_INET6)
		sock_set(sock->fd, IPPROTO_IPV6, IPV6_V6ONLY);
	error = sock_bind(sock->fd, addr);
	if (error == 0) {
		sock_own_file(sock, addr);
		if (sock_bound(sock) < 0 || listen(sock->fd, SOMAXCONN) < 0)
			error = errno;
	}
	if (error != 0)
		sock_close(sock);
	return error;
}

/* A descriptor that somebody else opened must be what we would have opened. */
static int
sock_inherit(int fd, const char *text, struct sock *sock)
{
	int type = 0, listens = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(type);

	memset(sock, 0, sizeof(*sock));
	sock->fd = fd;
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
	return 1;
}

int
sock_open(
    const struct addr_spec *spec, const char *text, struct sock *socks, int max)
{
	struct addr addrs[16];
	char address[ADDR_TEXT_SIZE];
	const char *why;
	int count, opened, error;

	if (spec->kind == ADDR_FD)
		return sock_inherit(spec->fd, text, socks);
	count = addr_resolve(spec, addrs,
	    max < (int)(sizeof(addrs) / sizeof(addrs[0]))
		? max
		: (int)(sizeof(addrs) / sizeof(addrs[0])),
	    &why);
	if (count <= 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "cannot listen on '%s': host '%s': %s", text, spec->host,
		    count < 0 ? why : "has no address");
		return -EX_NOHOST;
	}
	for (opened = 0; opened < count; opened++) {
		error = sock_open_one(&addrs[opened], &socks[opened]);
		if (error != 0) {
			addr_text(&addrs[opened].u.sa, addrs[opened].len,
			    address, sizeof(address));
			while (opened > 0)
				sock_close(&socks[--opened]);
			return sock_fail(address, error);
		}
	}
	return opened;
}

void
sock_close(struct sock *sock)
{
	const char *path = sock->bound.u.un.sun_path;
	struct stat st;

	if (sock->unlink && lstat(path, &st) == 0 &&
	    st.st_dev == sock->device && st.st_ino == sock->inode)
		unlink(path);
	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
	sock->unlink = 0;
}
