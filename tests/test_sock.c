/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets: what opens, what is refused with which exit status and
 * with the address in the message, and what is left when one closes.
 */
#include "sock_bind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY	     65534

static char dir[64];	 /* a fresh folder for each test */
static char heard[2048]; /* what the last open wrote to standard error */
static struct sock opened[16];
static int descriptors;

static int
count_descriptors(void)
{
	DIR *fds = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(fds);
	while (readdir(fds) != NULL)
		count++;
	closedir(fds);
	return count;
}

static void
setup(void)
{
	descriptors = count_descriptors();
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-sock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(count_descriptors(), descriptors);
}

/* Opens what text says into `opened`, listening to standard error. */
static int
open_text(const char *text, int max)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int memory = memfd_create("stderr", MFD_CLOEXEC), count;
	struct addr_spec spec;
	const char *why = "";
	ssize_t len;

	ck_assert_msg(
	    addr_parse(text, &spec, &why) == 0, "'%s': %s", text, why);
	ck_assert_int_ge(saved, 0);
	ck_assert_int_ge(memory, 0);
	dup2(memory, STDERR_FILENO);
	count = sock_open(&spec, text, opened, max);
	dup2(saved, STDERR_FILENO);
	close(saved);
	len = pread(memory, heard, sizeof(heard) - 1, 0);
	close(memory);
	ck_assert_int_ge(len, 0);
	heard[len] = '\0';
	return count;
}

/* Opens exactly one. */
static struct sock *
open_one(const char *text)
{
	int count = open_text(text, 1);

	ck_assert_msg(count == 1, "%s: %d: %s", text, count, heard);
	ck_assert_str_eq(heard, "");
	return &opened[0];
}

static void
check_refused(const char *text, int status, const char *address)
{
	ck_assert_int_eq(open_text(text, 16), -status);
	ck_assert_int_eq(strncmp(heard, "bevhost: cannot listen on ", 26), 0);
	ck_assert_msg(strstr(heard, address) != NULL, "no \"%s\" in \"%s\"",
	    address, heard);
}

/* unix:DIR/NAME. */
static const char *
unix_text(const char *name)
{
	static char text[256];

	snprintf(text, sizeof(text), "unix:%s/%s", dir, name);
	return text;
}

/* unix:@NAME, of which no other process has one. */
static const char *
abstract_text(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "unix:@bevhost-test-%ld", (long)getpid());
	return text;
}

static const char *
bound_text(const struct sock *sock)
{
	static char text[ADDR_TEXT_SIZE];

	return addr_text(
	    &sock->bound.u.sa, sock->bound.len, text, sizeof(text));
}

/* A stream socket connected to a listening one, which has accepted it. */
static int
connect_to(const struct sock *sock, int *accepted)
{
	int fd =
	    socket(sock->bound.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, &sock->bound.u.sa, sock->bound.len), 0);
	*accepted = accept4(sock->fd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(*accepted, 0);
	return fd;
}

static void
check_serves(const struct sock *sock)
{
	int accepted, fd = connect_to(sock, &accepted);

	close(fd);
	close(accepted);
}

/* A socket of another program, bound to a path: listening when backlog >= 0. */
static int
stranger(const char *text, int type, int backlog)
{
	struct addr_spec spec;
	struct addr addr;
	const char *why;
	int fd;

	ck_assert_int_eq(addr_parse(text, &spec, &why), 0);
	ck_assert_int_eq(addr_resolve(&spec, &addr, 1, &why), 1);
	fd = socket(addr.u.sa.sa_family, type | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, &addr.u.sa, addr.len), 0);
	if (backlog >= 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static int
has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct addr addr = { .u.in6 = { .sin6_family = AF_INET6,
				 .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	int works = fd >= 0 && bind(fd, &addr.u.sa, sizeof(addr.u.in6)) == 0;

	if (fd >= 0)
		close(fd);
	return works;
}

START_TEST(port_zero_takes_a_free_port)
{
	struct sock *sock = open_one("127.0.0.1:0");
	const char *text = bound_text(sock);

	ck_assert_int_eq(strncmp(text, "127.0.0.1:", 10), 0);
	ck_assert_str_ne(text, "127.0.0.1:0");
	check_serves(sock);
	sock_close(sock);
}
END_TEST

START_TEST(two_free_ports_are_not_the_same)
{
	struct sock first = *open_one("127.0.0.1:0");
	struct sock *second = open_one("127.0.0.1:0");

	ck_assert_uint_ne(
	    first.bound.u.in.sin_port, second->bound.u.in.sin_port);
	sock_close(&first);
	sock_close(second);
}
END_TEST

START_TEST(socket_neither_blocks_nor_outlives_exec)
{
	const char *const texts[] = { "127.0.0.1:0", abstract_text(),
		unix_text("s") };
	struct sock *sock;
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		sock = open_one(texts[i]);
		ck_assert_int_ne(fcntl(sock->fd, F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_ne(fcntl(sock->fd, F_GETFD) & FD_CLOEXEC, 0);
		sock_close(sock);
	}
}
END_TEST

START_TEST(accepted_sockets_send_without_delay)
{
	struct sock *sock = open_one("127.0.0.1:0");
	int accepted, on = 0, fd = connect_to(sock, &accepted);
	socklen_t len = sizeof(on);

	ck_assert_int_eq(
	    getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	ck_assert_int_ne(on, 0);
	close(accepted);
	close(fd);
	sock_close(sock);
}
END_TEST

START_TEST(port_is_free_again_at_once)
{
	struct sock *sock = open_one("127.0.0.1:0");
	char text[ADDR_TEXT_SIZE];
	int accepted, fd = connect_to(sock, &accepted);

	snprintf(text, sizeof(text), "%s", bound_text(sock));
	/* Who closes first keeps the address for minutes. */
	close(accepted);
	close(fd);
	sock_close(sock);
	sock = open_one(text);
	sock_close(sock);
}
END_TEST

START_TEST(all_addresses_of_ipv4_and_of_ipv6_share_a_port)
{
	struct sock first;
	char text[32];

	if (!has_ipv6())
		return;
	first = *open_one("[::]:0");
	snprintf(text, sizeof(text), "0.0.0.0:%u",
	    ntohs(first.bound.u.in6.sin6_port));
	sock_close(open_one(text));
	sock_close(&first);
}
END_TEST

START_TEST(port_in_use_is_refused_as_unavailable)
{
	struct sock first = *open_one("127.0.0.1:0");
	char text[ADDR_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s", bound_text(&first));
	check_refused(text, EX_UNAVAILABLE, text);
	ck_assert_ptr_nonnull(strstr(heard, strerror(EADDRINUSE)));
	check_serves(&first);
	sock_close(&first);
}
END_TEST

START_TEST(address_of_another_machine_is_refused_as_unavailable)
{
	check_refused("192.0.2.1:0", EX_UNAVAILABLE, "192.0.2.1:0");
	ck_assert_ptr_nonnull(strstr(heard, strerror(EADDRNOTAVAIL)));
}
END_TEST

START_TEST(unknown_host_is_refused_with_its_name)
{
	check_refused("no..host:80", EX_NOHOST, "'no..host:80'");
	ck_assert_ptr_nonnull(strstr(heard, "'no..host'"));
}
END_TEST

static int
unprivileged_port(void)
{
	FILE *file =
	    fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	int port = 1024;

	if (file == NULL)
		return port;
	if (fscanf(file, "%d", &port) != 1)
		port = 1024;
	fclose(file);
	return port;
}

START_TEST(port_without_permission_is_refused_as_such)
{
	int root = geteuid() == 0;

	if (unprivileged_port() <= 1 || (root && seteuid(NOBODY) < 0))
		return;
	check_refused("127.0.0.1:1", EX_NOPERM, "127.0.0.1:1");
	ck_assert_int_eq(root ? seteuid(0) : 0, 0);
	ck_assert_ptr_nonnull(strstr(heard, strerror(EACCES)));
}
END_TEST

START_TEST(folder_without_permission_is_refused_as_such)
{
	int root = geteuid() == 0;
	const char *text = unix_text("s");

	ck_assert_int_eq(chmod(dir, 0555), 0);
	if (root && seteuid(NOBODY) < 0)
		return;
	check_refused(text, EX_NOPERM, text);
	ck_assert_int_eq(root ? seteuid(0) : 0, 0);
	ck_assert_int_eq(chmod(dir, 0700), 0);
}
END_TEST

START_TEST(no_descriptor_left_is_refused_as_such)
{
	struct rlimit before, limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	/* Two are needed to hear what is said. */
	limit.rlim_cur = (rlim_t)dup(STDERR_FILENO) + 2;
	close((int)limit.rlim_cur - 2);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	check_refused("127.0.0.1:0", EX_OSERR, "127.0.0.1:0");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_ptr_nonnull(strstr(heard, strerror(EMFILE)));
}
END_TEST

START_TEST(localhost_is_a_socket_for_each_of_its_addresses)
{
	struct addr_spec spec;
	struct addr addrs[16];
	const char *why;
	int count, i;

	ck_assert_int_eq(addr_parse("localhost:0", &spec, &why), 0);
	count = addr_resolve(&spec, addrs, 16, &why);
	ck_assert_int_gt(count, 0);
	ck_assert_int_eq(open_text("localhost:0", 16), count);
	for (i = 0; i < count; i++) {
		ck_assert_int_eq(
		    opened[i].bound.u.sa.sa_family, addrs[i].u.sa.sa_family);
		check_serves(&opened[i]);
		sock_close(&opened[i]);
	}
}
END_TEST

START_TEST(no_more_sockets_are_opened_than_there_is_room_for)
{
	open_one("localhost:0");
	sock_close(&opened[0]);
}
END_TEST

/*
 * Gives this test an /etc/hosts of its own. Returns -1 where that is not
 * allowed: there, what needs it is not tested.
 */
static int
hosts_set(const char *text)
{
	const char *fork_mode = getenv("CK_FORK");
	char path[] = "/tmp/bevhost-test-hosts-XXXXXX";
	int root = geteuid() == 0, fd, status = -1;

	/* A user namespace of its own is for life. */
	if (!root && fork_mode != NULL && strcmp(fork_mode, "no") == 0)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	if (unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)) == 0 &&
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0)
		status = mount(path, "/etc/hosts", "none", MS_BIND, NULL);
	unlink(path);
	return status;
}

static void
hosts_restore(void)
{
	ck_assert_int_eq(umount("/etc/hosts"), 0);
}

START_TEST(each_address_of_a_name_is_opened)
{
	if (hosts_set("127.0.0.2 two.test\n127.0.0.3 two.test\n") < 0)
		return;
	ck_assert_int_eq(open_text("two.test:0", 16), 2);
	ck_assert_int_eq(strncmp(bound_text(&opened[0]), "127.0.0.2:", 10), 0);
	ck_assert_int_eq(strncmp(bound_text(&opened[1]), "127.0.0.3:", 10), 0);
	sock_close(&opened[0]);
	sock_close(&opened[1]);
	ck_assert_int_eq(open_text("two.test:0", 1), 1);
	sock_close(&opened[0]);
	hosts_restore();
}
END_TEST

/* Files of hosts grow such lines; a second bind would be refused. */
START_TEST(address_that_a_name_has_twice_is_opened_once)
{
	if (hosts_set("127.0.0.2 twice.test\n127.0.0.2 twice.test\n") < 0)
		return;
	ck_assert_int_eq(open_text("twice.test:0", 16), 1);
	sock_close(&opened[0]);
	hosts_restore();
}
END_TEST

START_TEST(when_one_address_of_a_name_fails_none_stays_open)
{
	struct sock other;
	char text[ADDR_TEXT_SIZE + 16], address[ADDR_TEXT_SIZE];

	if (hosts_set("127.0.0.2 two.test\n127.0.0.3 two.test\n") < 0)
		return;
	other = *open_one("127.0.0.3:0");
	snprintf(address, sizeof(address), "%s", bound_text(&other));
	snprintf(text, sizeof(text), "two.test:%s", address + 10);
	check_refused(text, EX_UNAVAILABLE, address);
	snprintf(text, sizeof(text), "127.0.0.2:%s", address + 10);
	sock_close(open_one(text));
	sock_close(&other);
	hosts_restore();
}
END_TEST

START_TEST(unix_socket_leaves_no_file_when_it_closes)
{
	const char *text = unix_text("s");
	struct sock *sock = open_one(text);
	struct stat st;

	ck_assert_str_eq(bound_text(sock), text);
	ck_assert_int_eq(lstat(text + 5, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	check_serves(sock);
	sock_close(sock);
	ck_assert_int_eq(lstat(text + 5, &st), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(unix_path_of_107_bytes_is_opened)
{
	char name[128];
	const char *text;
	size_t len = 107 - strlen(dir) - 1;

	memset(name, 'p', len);
	name[len] = '\0';
	text = unix_text(name);
	ck_assert_uint_eq(strlen(text), 5 + 107);
	open_one(text);
	ck_assert_str_eq(bound_text(&opened[0]), text);
	check_serves(&opened[0]);
	sock_close(&opened[0]);
}
END_TEST

START_TEST(unix_path_of_a_dead_server_is_taken_over)
{
	const char *text = unix_text("s");
	struct sock *sock;

	close(stranger(text, SOCK_STREAM, 1));
	sock = open_one(text);
	check_serves(sock);
	sock_close(sock);
}
END_TEST

/* Refused, and whatever is there is there afterwards. */
static void
check_kept(const char *text)
{
	struct stat before, after;

	ck_assert_int_eq(lstat(text + 5, &before), 0);
	check_refused(text, EX_UNAVAILABLE, text);
	ck_assert_int_eq(lstat(text + 5, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(before.st_size, after.st_size);
}

START_TEST(unix_path_of_a_living_server_is_kept)
{
	const char *text = unix_text("s");
	struct sock first = *open_one(text);

	check_kept(text);
	check_serves(&first);
	sock_close(&first);
}
END_TEST

START_TEST(unix_path_of_a_server_too_busy_to_answer_is_kept)
{
	const char *text = unix_text("s");
	int server = stranger(text, SOCK_STREAM, 0), clients[8];
	struct sock sock = { .fd = server, .bound.len = sizeof(sock.bound.u) };
	size_t i;

	ck_assert_int_eq(
	    getsockname(server, &sock.bound.u.sa, &sock.bound.len), 0);
	for (i = 0; i < COUNT(clients); i++) {
		clients[i] = socket(
		    AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(clients[i], &sock.bound.u.sa, sock.bound.len) < 0)
			ck_assert_int_eq(errno, EAGAIN);
	}
	check_kept(text);
	for (i = 0; i < COUNT(clients); i++)
		close(clients[i]);
	close(server);
	unlink(text + 5);
}
END_TEST

START_TEST(unix_path_of_a_datagram_server_is_kept)
{
	const char *text = unix_text("s");
	int server = stranger(text, SOCK_DGRAM, -1);

	check_kept(text);
	close(server);
	unlink(text + 5);
}
END_TEST

START_TEST(regular_file_at_the_path_is_kept)
{
	const char *text = unix_text("s");
	int fd = open(text + 5, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_int_eq(write(fd, "precious", 8), 8);
	close(fd);
	check_kept(text);
	unlink(text + 5);
}
END_TEST

START_TEST(folder_or_link_at_the_path_is_kept)
{
	const char *text = unix_text("s");

	ck_assert_int_eq(mkdir(text + 5, 0700), 0);
	check_kept(text);
	rmdir(text + 5);
	ck_assert_int_eq(symlink("nowhere", text + 5), 0);
	check_kept(text);
	unlink(text + 5);
}
END_TEST

START_TEST(unix_path_in_a_missing_folder_is_refused)
{
	const char *text = unix_text("missing/s");

	check_refused(text, EX_CANTCREAT, text);
	ck_assert_ptr_nonnull(strstr(heard, strerror(ENOENT)));
}
END_TEST

START_TEST(abstract_name_is_no_file)
{
	const char *text = abstract_text();
	struct sock first = *open_one(text);
	struct stat st;

	ck_assert_str_eq(bound_text(&first), text);
	ck_assert_int_eq(lstat(text + 5, &st), -1);
	check_serves(&first);
	check_refused(text, EX_UNAVAILABLE, text);
	sock_close(&first);
	first = *open_one(text);
	sock_close(&first);
}
END_TEST

/* fd:N. */
static const char *
fd_text(int fd)
{
	static char text[32];

	snprintf(text, sizeof(text), "fd:%d", fd);
	return text;
}

START_TEST(inherited_socket_is_made_like_our_own)
{
	int fd = stranger("127.0.0.1:0", SOCK_STREAM, 8), on = 0, accepted;
	struct sock *sock;
	socklen_t len = sizeof(on);
	int client;

	ck_assert_int_eq(fcntl(fd, F_SETFD, 0), 0);
	sock = open_one(fd_text(fd));
	ck_assert_int_eq(sock->fd, fd);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(strncmp(bound_text(sock), "127.0.0.1:", 10), 0);
	client = connect_to(sock, &accepted);
	ck_assert_int_eq(
	    getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	ck_assert_int_ne(on, 0);
	close(accepted);
	close(client);
	sock_close(sock);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(file_of_an_inherited_unix_socket_is_not_ours)
{
	const char *text = unix_text("s");
	int fd = stranger(text, SOCK_STREAM, 8);
	struct sock *sock = open_one(fd_text(fd));
	struct stat st;

	ck_assert_str_eq(bound_text(sock), text);
	check_serves(sock);
	sock_close(sock);
	ck_assert_int_eq(lstat(text + 5, &st), 0);
	unlink(text + 5);
}
END_TEST

/* The descriptor is refused, and stays its owner's. */
static void
check_fd_refused(int fd, const char *why)
{
	ck_assert_int_ge(fd, 0);
	check_refused(fd_text(fd), EX_USAGE, fd_text(fd));
	ck_assert_msg(
	    strstr(heard, why) != NULL, "no \"%s\" in \"%s\"", why, heard);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	close(fd);
}

START_TEST(descriptor_that_is_no_listening_stream_is_refused)
{
	int fds[2];

	check_fd_refused(open("/dev/null", O_RDWR | O_CLOEXEC), "not a socket");
	ck_assert_int_eq(pipe(fds), 0);
	check_fd_refused(fds[0], "not a socket");
	check_fd_refused(fds[1], "not a socket");
	check_fd_refused(socket(AF_INET, SOCK_DGRAM, 0), "listening stream");
	check_fd_refused(
	    stranger("127.0.0.1:0", SOCK_DGRAM, -1), "listening stream");
	check_fd_refused(socket(AF_INET, SOCK_STREAM, 0), "listening stream");
	check_fd_refused(
	    stranger("127.0.0.1:0", SOCK_STREAM, -1), "listening stream");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_fd_refused(fds[0], "listening stream");
	check_fd_refused(fds[1], "listening stream");
	check_fd_refused(
	    stranger(abstract_text(), SOCK_SEQPACKET, 1), "listening stream");
}
END_TEST

START_TEST(descriptor_that_is_not_open_is_refused)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	/* Hearing what is said takes the next two. */
	check_refused(fd_text(fd + 2), EX_USAGE, fd_text(fd + 2));
	ck_assert_ptr_nonnull(strstr(heard, "no such descriptor is open"));
}
END_TEST

START_TEST(closing_twice_does_no_harm)
{
	struct sock *sock = open_one("127.0.0.1:0");

	sock_close(sock);
	ck_assert_int_eq(sock->fd, -1);
	sock_close(sock);
}
END_TEST

static void
add_inet(Suite *suite)
{
	TCase *tcase = tcase_create("inet");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, port_zero_takes_a_free_port);
	tcase_add_test(tcase, two_free_ports_are_not_the_same);
	tcase_add_test(tcase, socket_neither_blocks_nor_outlives_exec);
	tcase_add_test(tcase, accepted_sockets_send_without_delay);
	tcase_add_test(tcase, port_is_free_again_at_once);
	tcase_add_test(tcase, all_addresses_of_ipv4_and_of_ipv6_share_a_port);
	tcase_add_test(tcase, port_in_use_is_refused_as_unavailable);
	tcase_add_test(
	    tcase, address_of_another_machine_is_refused_as_unavailable);
	tcase_add_test(tcase, unknown_host_is_refused_with_its_name);
	tcase_add_test(tcase, port_without_permission_is_refused_as_such);
	tcase_add_test(tcase, no_descriptor_left_is_refused_as_such);
	tcase_add_test(tcase, closing_twice_does_no_harm);
	suite_add_tcase(suite, tcase);
}

static void
add_names(Suite *suite)
{
	TCase *tcase = tcase_create("names");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, localhost_is_a_socket_for_each_of_its_addresses);
	tcase_add_test(
	    tcase, no_more_sockets_are_opened_than_there_is_room_for);
	tcase_add_test(tcase, each_address_of_a_name_is_opened);
	tcase_add_test(tcase, address_that_a_name_has_twice_is_opened_once);
	tcase_add_test(tcase, when_one_address_of_a_name_fails_none_stays_open);
	suite_add_tcase(suite, tcase);
}

static void
add_unix(Suite *suite)
{
	TCase *tcase = tcase_create("unix");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, unix_socket_leaves_no_file_when_it_closes);
	tcase_add_test(tcase, unix_path_of_107_bytes_is_opened);
	tcase_add_test(tcase, unix_path_of_a_dead_server_is_taken_over);
	tcase_add_test(tcase, unix_path_of_a_living_server_is_kept);
	tcase_add_test(tcase, unix_path_of_a_server_too_busy_to_answer_is_kept);
	tcase_add_test(tcase, unix_path_of_a_datagram_server_is_kept);
	tcase_add_test(tcase, regular_file_at_the_path_is_kept);
	tcase_add_test(tcase, folder_or_link_at_the_path_is_kept);
	tcase_add_test(tcase, unix_path_in_a_missing_folder_is_refused);
	tcase_add_test(tcase, folder_without_permission_is_refused_as_such);
	tcase_add_test(tcase, abstract_name_is_no_file);
	suite_add_tcase(suite, tcase);
}

static void
add_inherited(Suite *suite)
{
	TCase *tcase = tcase_create("inherited");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, inherited_socket_is_made_like_our_own);
	tcase_add_test(tcase, file_of_an_inherited_unix_socket_is_not_ours);
	tcase_add_test(
	    tcase, descriptor_that_is_no_listening_stream_is_refused);
	tcase_add_test(tcase, descriptor_that_is_not_open_is_refused);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("sock");

	add_inet(suite);
	add_unix(suite);
	add_inherited(suite);
	add_names(suite);
	return tap_run(suite);
}
