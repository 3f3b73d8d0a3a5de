/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a master and its workers need of listening sockets: bound first and
 * listening later, one for each worker on one address, shared with nobody
 * else, files with a mode, and what a service manager has passed.
 */
#include "sock_bind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "inherit.h"
#include "heard.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY	     65534
#define CLIENTS	     64

static char dir[64]; /* a fresh folder for each test */

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-workers-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
bind_text(const char *text, const struct sock_how *how, struct sock *sock)
{
	struct addr_spec spec;
	const char *why = "";
	int count;

	ck_assert_msg(
	    addr_parse(text, &spec, &why) == 0, "'%s': %s", text, why);
	listen_to_stderr();
	count = sock_bind_all(&spec, text, how, sock, 1);
	restore_stderr();
	return count;
}

static struct sock
bound(const char *text, const struct sock_how *how)
{
	struct sock sock;

	ck_assert_msg(bind_text(text, how, &sock) == 1, "%s", heard);
	ck_assert_str_eq(heard, "");
	return sock;
}

static int
listen_quietly(struct sock *sock)
{
	int status;

	listen_to_stderr();
	status = sock_listen(sock);
	restore_stderr();
	return status;
}

static void
must_listen(struct sock *sock)
{
	ck_assert_msg(listen_quietly(sock) == 0, "%s", heard);
	ck_assert_str_eq(heard, "");
}

static struct sock
cloned(const struct sock *first)
{
	struct sock more;
	int status;

	listen_to_stderr();
	status = sock_clone(first, &more);
	restore_stderr();
	ck_assert_msg(status == 0, "%s", heard);
	return more;
}

static const char *
text_of(const struct sock *sock)
{
	static char text[ADDR_TEXT_SIZE];

	return addr_text(
	    &sock->bound.u.sa, sock->bound.len, text, sizeof(text));
}

static const char *
unix_text(void)
{
	static char text[80];

	snprintf(text, sizeof(text), "unix:%s/s", dir);
	return text;
}

/* A client, or -1 with errno. */
static int
client_of(const struct sock *sock)
{
	int fd =
	    socket(sock->bound.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, &sock->bound.u.sa, sock->bound.len) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Accepts all that wait, and answers each with its letter. */
static int
answer_all(const struct sock *sock, char letter)
{
	int count = 0, fd;

	while ((fd = accept4(sock->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		ck_assert_int_eq(write(fd, &letter, 1), 1);
		close(fd);
		count++;
	}
	ck_assert_int_eq(errno, EAGAIN);
	return count;
}

static char
answer_of(int client)
{
	char letter = 0;

	ck_assert_int_eq(read(client, &letter, 1), 1);
	close(client);
	return letter;
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

/* Another server, in a process of its own. Returns its exit status, 0 when it
   could open text; what it says is in `heard`. */
static int
other_server(const char *text)
{
	struct addr_spec spec;
	const char *why;
	struct sock sock;
	int status;
	pid_t pid;

	ck_assert_int_eq(addr_parse(text, &spec, &why), 0);
	listen_to_stderr();
	pid = fork();
	if (pid == 0) {
		status = sock_open(&spec, text, &sock, 1);
		_exit(status == 1 ? 0 : -status);
	}
	restore_stderr();
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
check_silent_at_first(const char *text)
{
	struct sock sock = bound(text, NULL);
	int fd;

	ck_assert_int_eq(client_of(&sock), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	must_listen(&sock);
	fd = client_of(&sock);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(answer_all(&sock, 'a'), 1);
	ck_assert_int_eq(answer_of(fd), 'a');
	sock_close(&sock);
}

START_TEST(nobody_can_connect_before_it_listens)
{
	check_silent_at_first("127.0.0.1:0");
	check_silent_at_first(unix_text());
}
END_TEST

/* The kernel lets both bind: none of them listens yet. */
static void
check_one_of_two(const char *text)
{
	struct sock first = bound(text, NULL), second;
	char address[ADDR_TEXT_SIZE];

	snprintf(address, sizeof(address), "%s", text_of(&first));
	second = bound(address, NULL);
	must_listen(&first);
	ck_assert_int_eq(listen_quietly(&second), -EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(heard, address));
	ck_assert_ptr_nonnull(strstr(heard, strerror(EADDRINUSE)));
	sock_close(&second);
	sock_close(&first);
}

START_TEST(of_two_servers_that_have_bound_one_can_listen)
{
	check_one_of_two("127.0.0.1:0");
	if (has_ipv6())
		check_one_of_two("[::1]:0");
}
END_TEST

START_TEST(of_two_servers_with_workers_one_can_listen)
{
	struct sock first = bound("127.0.0.1:0", NULL), second, more, other;

	second = bound(text_of(&first), NULL);
	more = cloned(&first);
	other = cloned(&second);
	must_listen(&second);
	ck_assert_int_eq(listen_quietly(&first), -EX_UNAVAILABLE);
	must_listen(&other);
	sock_close(&first);
	sock_close(&more);
	sock_close(&second);
	sock_close(&other);
}
END_TEST

/* Bound and silent, the file looks like that of a dead server. */
START_TEST(unix_server_whose_file_was_taken_meanwhile_cannot_listen)
{
	struct sock first = bound(unix_text(), NULL), second;
	struct stat st;

	second = bound(unix_text(), NULL);
	must_listen(&second);
	ck_assert_int_eq(listen_quietly(&first), -EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(heard, unix_text()));
	sock_close(&first);
	ck_assert_int_eq(lstat(unix_text() + 5, &st), 0);
	sock_close(&second);
	ck_assert_int_eq(lstat(unix_text() + 5, &st), -1);
}
END_TEST

/* Connects until each socket had a client; the test's own limit ends it. */
static void
check_spread(const char *text, int clone_late)
{
	struct sock first = bound(text, NULL), more;
	int clients[CLIENTS], i, first_count = 0, more_count = 0;

	if (clone_late)
		must_listen(&first);
	more = cloned(&first);
	ck_assert_str_eq(text_of(&more), text_of(&first));
	if (!clone_late)
		must_listen(&first);
	must_listen(&more);
	while (first_count == 0 || more_count == 0) {
		for (i = 0; i < CLIENTS; i++) {
			clients[i] = client_of(&first);
			ck_assert_int_ge(clients[i], 0);
		}
		first_count += answer_all(&first, 'a');
		more_count += answer_all(&more, 'b');
		for (i = 0; i < CLIENTS; i++)
			answer_of(clients[i]);
	}
	ck_assert_int_eq((first_count + more_count) % CLIENTS, 0);
	sock_close(&more);
	sock_close(&first);
}

START_TEST(connections_spread_over_a_socket_and_its_clone)
{
	check_spread("127.0.0.1:0", 0);
	check_spread("127.0.0.1:0", 1);
	if (!has_ipv6())
		return;
	check_spread("[::1]:0", 0);
	check_spread("[::1]:0", 1);
}
END_TEST

START_TEST(clients_in_the_queue_survive_that_a_clone_is_added)
{
	struct sock first = bound("127.0.0.1:0", NULL), more;
	int clients[CLIENTS], i;

	must_listen(&first);
	for (i = 0; i < CLIENTS; i++)
		clients[i] = client_of(&first);
	more = cloned(&first);
	must_listen(&more);
	ck_assert_int_eq(answer_all(&more, 'b'), 0);
	ck_assert_int_eq(answer_all(&first, 'a'), CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(answer_of(clients[i]), 'a');
	sock_close(&more);
	sock_close(&first);
}
END_TEST

START_TEST(clone_is_like_the_first)
{
	struct sock first = bound("127.0.0.1:0", NULL), more;

	must_listen(&first);
	more = cloned(&first);
	ck_assert_int_ne(fcntl(more.fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(more.fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert(!sock_is_shared(&first) && !sock_is_shared(&more));
	sock_close(&more);
	sock_close(&first);
}
END_TEST

static void
check_not_shared(const char *text)
{
	struct sock first = bound(text, NULL), more;
	char address[ADDR_TEXT_SIZE];

	snprintf(address, sizeof(address), "%s", text_of(&first));
	must_listen(&first);
	ck_assert_int_eq(other_server(address), EX_UNAVAILABLE);
	more = cloned(&first);
	ck_assert_int_eq(other_server(address), EX_UNAVAILABLE);
	must_listen(&more);
	ck_assert_int_eq(other_server(address), EX_UNAVAILABLE);
	sock_close(&first);
	ck_assert_int_eq(other_server(address), EX_UNAVAILABLE);
	sock_close(&more);
	ck_assert_int_eq(other_server(address), 0);
}

START_TEST(second_server_is_refused_though_workers_share)
{
	check_not_shared("127.0.0.1:0");
	if (has_ipv6())
		check_not_shared("[::1]:0");
}
END_TEST

START_TEST(second_server_is_told_what_to_do)
{
	struct sock first = bound("127.0.0.1:0", NULL);
	char text[256];

	must_listen(&first);
	snprintf(text, sizeof(text),
	    "bevhost: cannot listen on %s: %s; stop the server that has it, or "
	    "take another with -l (port 0 takes a free one)\n",
	    text_of(&first), strerror(EADDRINUSE));
	listen_to_stderr();
	restore_stderr();
	ck_assert_int_eq(bind_text(text_of(&first), NULL, &(struct sock){ 0 }),
	    -EX_UNAVAILABLE);
	ck_assert_str_eq(heard, text);
	sock_close(&first);
}
END_TEST

/* 0.0.0.0 and an address of it, in either order. */
static void
check_beside(const char *wide, const char *narrow, int narrow_first)
{
	static const struct sock_how beside = { .beside = 1 };
	struct sock one = bound(narrow_first ? narrow : wide, NULL), two;
	struct sock *inner = narrow_first ? &one : &two;
	char text[64];
	int port = ntohs(one.bound.u.in.sin_port), client;

	must_listen(&one);
	snprintf(text, sizeof(text), "%.*s%d",
	    (int)strlen(narrow_first ? wide : narrow) - 1,
	    narrow_first ? wide : narrow, port);
	ck_assert_int_eq(bind_text(text, NULL, &two), -EX_UNAVAILABLE);
	two = bound(text, &beside);
	must_listen(&two);
	client = client_of(inner);
	ck_assert_int_eq(answer_all(inner, 'i'), 1);
	ck_assert_int_eq(answer_of(client), 'i');
	sock_close(&two);
	sock_close(&one);
}

START_TEST(part_of_an_address_that_is_ours_can_be_ours_too)
{
	check_beside("0.0.0.0:0", "127.0.0.1:0", 0);
	check_beside("0.0.0.0:0", "127.0.0.1:0", 1);
	if (!has_ipv6())
		return;
	check_beside("[::]:0", "[::1]:0", 0);
	check_beside("[::]:0", "[::1]:0", 1);
}
END_TEST

/* Sharing is for one user. */
START_TEST(part_of_an_address_of_another_user_is_refused)
{
	static const struct sock_how beside = { .beside = 1 };
	struct sock one, two;
	char text[64];

	if (geteuid() != 0)
		return;
	one = bound("0.0.0.0:0", NULL);
	must_listen(&one);
	snprintf(
	    text, sizeof(text), "127.0.0.1:%d", ntohs(one.bound.u.in.sin_port));
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(bind_text(text, &beside, &two), -EX_UNAVAILABLE);
	ck_assert_int_eq(seteuid(0), 0);
	sock_close(&one);
}
END_TEST

static mode_t
mode_of(const char *text)
{
	struct stat st;

	ck_assert_int_eq(lstat(text + 5, &st), 0);
	return st.st_mode & 07777;
}

START_TEST(file_has_the_mode_from_the_start_whatever_the_umask)
{
	static const mode_t modes[] = { 0600, 0660, 0666, 0777, 0700 };
	mode_t before = umask(0077);
	struct sock_how how = { 0 };
	struct sock sock;
	size_t i;

	for (i = 0; i < COUNT(modes); i++) {
		how.mode = modes[i];
		sock = bound(unix_text(), &how);
		ck_assert_uint_eq(mode_of(unix_text()), modes[i]);
		sock_close(&sock);
	}
	ck_assert_uint_eq(umask(0077), 0077);
	sock = bound(unix_text(), NULL);
	ck_assert_uint_eq(mode_of(unix_text()), 0700);
	sock_close(&sock);
	umask(before);
}
END_TEST

START_TEST(file_is_only_for_whom_its_mode_says)
{
	static const struct sock_how secret = { .mode = 0600 };
	static const struct sock_how open_to_all = { .mode = 0666 };
	struct sock sock;
	int client;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chmod(dir, 0755), 0);
	sock = bound(unix_text(), &secret);
	must_listen(&sock);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(client_of(&sock), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(seteuid(0), 0);
	sock_close(&sock);
	sock = bound(unix_text(), &open_to_all);
	must_listen(&sock);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	client = client_of(&sock);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_ge(client, 0);
	close(client);
	sock_close(&sock);
}
END_TEST

START_TEST(dropped_copy_leaves_the_file)
{
	struct sock sock = bound(unix_text(), NULL), copy;
	int client;

	must_listen(&sock);
	ck_assert(sock_is_shared(&sock));
	copy = sock;
	copy.fd = fcntl(sock.fd, F_DUPFD_CLOEXEC, 3);
	sock_drop(&copy);
	ck_assert_int_eq(copy.fd, -1);
	sock_drop(&copy);
	sock_close(&copy);
	client = client_of(&sock);
	ck_assert_int_ge(client, 0);
	close(client);
	sock_close(&sock);
	ck_assert_int_eq(access(unix_text() + 5, F_OK), -1);
}
END_TEST

/* Passes fd at 3, whose place is given back by pass_end. */
static int
pass(int fd, const char *name)
{
	int kept = fcntl(3, F_DUPFD_CLOEXEC, 30);
	char pid[16];

	if (fd != 3) {
		dup2(fd, 3);
		close(fd);
	}
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", name, 1);
	/* Nothing is asserted while Check's own descriptor may be away. */
	return inherit_init() == 1 ? kept : -2;
}

static void
pass_end(int kept)
{
	inherit_clear();
	if (kept >= 0) {
		dup3(kept, 3, O_CLOEXEC);
		close(kept);
	}
}

/* Opens text with a listening socket passed, of which it says the address. */
static int
open_passed(const char *text, struct sock *sock, struct addr *address)
{
	struct addr_spec spec;
	const char *why;
	struct sock passed = bound("127.0.0.1:0", NULL);
	int kept, count = -1;

	must_listen(&passed);
	*address = passed.bound;
	if (text == NULL)
		text = text_of(&passed);
	ck_assert_int_eq(addr_parse(text, &spec, &why), 0);
	listen_to_stderr();
	kept = pass(passed.fd, "http");
	if (kept != -2)
		count = sock_bind_all(&spec, text, NULL, sock, 1);
	pass_end(kept);
	restore_stderr();
	return count;
}

static void
check_passed(const char *text)
{
	struct sock sock;
	struct addr address;
	int client;

	ck_assert_int_eq(open_passed(text, &sock, &address), 1);
	ck_assert_str_eq(heard, "");
	ck_assert_mem_eq(&sock.bound.u.in, &address.u.in, sizeof(address.u.in));
	ck_assert(sock_is_shared(&sock));
	must_listen(&sock);
	client = client_of(&sock);
	ck_assert_int_eq(answer_all(&sock, 'p'), 1);
	ck_assert_int_eq(answer_of(client), 'p');
	sock_close(&sock);
}

START_TEST(passed_socket_is_taken_by_its_name)
{
	check_passed("fd:http");
}
END_TEST

START_TEST(passed_socket_is_taken_by_its_address)
{
	check_passed(NULL);
}
END_TEST

START_TEST(name_that_was_not_passed_is_refused)
{
	struct sock sock;
	struct addr address;

	ck_assert_int_eq(open_passed("fd:https", &sock, &address), -EX_USAGE);
	ck_assert_ptr_nonnull(strstr(heard, "cannot listen on fd:https: "));
}
END_TEST

static void
add_listen(Suite *suite)
{
	TCase *tcase = tcase_create("listen");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nobody_can_connect_before_it_listens);
	tcase_add_test(tcase, of_two_servers_that_have_bound_one_can_listen);
	tcase_add_test(tcase, of_two_servers_with_workers_one_can_listen);
	tcase_add_test(
	    tcase, unix_server_whose_file_was_taken_meanwhile_cannot_listen);
	tcase_add_test(tcase, dropped_copy_leaves_the_file);
	tcase_add_test(
	    tcase, file_has_the_mode_from_the_start_whatever_the_umask);
	tcase_add_test(tcase, file_is_only_for_whom_its_mode_says);
	suite_add_tcase(suite, tcase);
}

static void
add_clone(Suite *suite)
{
	TCase *tcase = tcase_create("clone");

	tcase_add_test(tcase, connections_spread_over_a_socket_and_its_clone);
	tcase_add_test(
	    tcase, clients_in_the_queue_survive_that_a_clone_is_added);
	tcase_add_test(tcase, clone_is_like_the_first);
	tcase_add_test(tcase, second_server_is_refused_though_workers_share);
	tcase_add_test(tcase, second_server_is_told_what_to_do);
	tcase_add_test(tcase, part_of_an_address_that_is_ours_can_be_ours_too);
	tcase_add_test(tcase, part_of_an_address_of_another_user_is_refused);
	suite_add_tcase(suite, tcase);
}

static void
add_passed(Suite *suite)
{
	TCase *tcase = tcase_create("passed");

	tcase_add_test(tcase, passed_socket_is_taken_by_its_name);
	tcase_add_test(tcase, passed_socket_is_taken_by_its_address);
	tcase_add_test(tcase, name_that_was_not_passed_is_refused);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("sock_bind");

	add_listen(suite);
	add_clone(suite);
	add_passed(suite);
	return tap_run(suite);
}
