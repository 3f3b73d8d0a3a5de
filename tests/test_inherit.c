/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passed descriptors: which are taken, under which names, how they are found,
 * and what is refused. The descriptors from 3 up are kept free for them.
 */
#include "inherit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "tap.h"

#define RESERVED     16
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char heard[2048]; /* what was logged while listened to */
static int saved_stderr, memory;

/* Check's own descriptors are to be above those that a test passes. */
static void
reserve(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	for (fd = 3; fd < 3 + RESERVED; fd++)
		if (null != fd)
			dup3(null, fd, O_CLOEXEC);
	if (null >= 3 + RESERVED)
		close(null);
}

/* At the start of a test: after a fixture, Check opens a file once more. */
static void
begin(void)
{
	int fd;

	for (fd = 3; fd < 3 + RESERVED; fd++)
		close(fd);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static void
teardown(void)
{
	int fd;

	inherit_clear();
	for (fd = 3; fd < 3 + RESERVED; fd++)
		ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	reserve();
}

static void
listen_to_stderr(void)
{
	int low;

	saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3 + RESERVED);
	ck_assert_int_ge(saved_stderr, 0);
	low = memfd_create("stderr", MFD_CLOEXEC);
	memory = fcntl(low, F_DUPFD_CLOEXEC, 3 + RESERVED);
	close(low);
	ck_assert_int_ge(memory, 0);
	dup2(memory, STDERR_FILENO);
}

static void
restore_stderr(void)
{
	ssize_t len;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	len = pread(memory, heard, sizeof(heard) - 1, 0);
	close(memory);
	ck_assert_int_ge(len, 0);
	heard[len] = '\0';
}

static int
init_with(const char *pid, const char *count, const char *names)
{
	char own[16];
	int result;

	snprintf(own, sizeof(own), "%ld", (long)getpid());
	if (pid != NULL)
		setenv("LISTEN_PID", pid[0] == '$' ? own : pid, 1);
	if (count != NULL)
		setenv("LISTEN_FDS", count, 1);
	if (names != NULL)
		setenv("LISTEN_FDNAMES", names, 1);
	listen_to_stderr();
	result = inherit_init();
	restore_stderr();
	ck_assert_ptr_null(getenv("LISTEN_PID"));
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
	return result;
}

/* At the next free number, as a manager leaves it: open across exec. */
static int
pass_file(void)
{
	return open("/dev/null", O_RDWR);
}

static struct addr
address_of(const char *text)
{
	struct addr_spec spec;
	struct addr addr;
	const char *why = "";

	ck_assert_int_eq(addr_parse(text, &spec, &why), 0);
	ck_assert_int_eq(addr_resolve(&spec, &addr, 1, &why), 1);
	return addr;
}

/* Returns the address it is bound to. */
static struct addr
pass_socket(const char *text, int type, int listens)
{
	struct addr addr = address_of(text);
	int fd = socket(addr.u.sa.sa_family, type, 0);

	ck_assert_int_ge(fd, 3);
	ck_assert_int_eq(bind(fd, &addr.u.sa, addr.len), 0);
	if (listens)
		ck_assert_int_eq(listen(fd, 8), 0);
	addr.len = sizeof(addr.u);
	ck_assert_int_eq(getsockname(fd, &addr.u.sa, &addr.len), 0);
	return addr;
}

START_TEST(descriptors_are_counted_and_named)
{
	begin();
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(pass_file(), 4);
	ck_assert_int_eq(pass_file(), 5);
	ck_assert_int_eq(init_with("$", "3", "http:admin:http"), 3);
	ck_assert_str_eq(heard, "");
	ck_assert_int_eq(inherit_count(), 3);
	ck_assert_str_eq(inherit_name(1), "admin");
	ck_assert_int_eq(inherit_fd(1), 4);
	ck_assert_int_eq(inherit_find_name("http", -1), 0);
	ck_assert_int_eq(inherit_find_name("http", 0), 2);
	ck_assert_int_eq(inherit_find_name("http", 2), -1);
	ck_assert_int_eq(inherit_find_name("htt", -1), -1);
}
END_TEST

START_TEST(descriptors_do_not_outlive_exec)
{
	begin();
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(fcntl(3, F_GETFD), 0);
	ck_assert_int_eq(init_with("$", "1", NULL), 1);
	ck_assert_int_eq(fcntl(3, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(nameless_descriptors_are_unknown)
{
	begin();
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(init_with("$", "1", NULL), 1);
	ck_assert_str_eq(inherit_name(0), "unknown");
}
END_TEST

START_TEST(name_may_be_empty)
{
	begin();
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(pass_file(), 4);
	ck_assert_int_eq(init_with("$", "2", ":b"), 2);
	ck_assert_str_eq(inherit_name(0), "");
	ck_assert_str_eq(inherit_name(1), "b");
}
END_TEST

START_TEST(without_the_variables_there_are_none)
{
	begin();
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(init_with(NULL, NULL, NULL), 0);
	ck_assert_int_eq(init_with("$", NULL, NULL), 0);
	ck_assert_int_eq(init_with(NULL, "1", NULL), 0);
	ck_assert_int_eq(inherit_count(), 0);
	ck_assert_str_eq(heard, "");
	ck_assert_int_eq(fcntl(3, F_GETFD), 0);
	close(3);
}
END_TEST

START_TEST(descriptors_of_another_process_are_not_taken)
{
	begin();
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(init_with("1", "1", "http"), 0);
	ck_assert_str_eq(heard, "");
	ck_assert_int_eq(inherit_count(), 0);
	ck_assert_int_eq(fcntl(3, F_GETFD), 0);
	close(3);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused_by_name)
{
	static const struct {
		const char *pid, *count, *names, *bad;
	} cases[] = {
		{ "", "1", NULL, "LISTEN_PID is ''" },
		{ "0", "1", NULL, "LISTEN_PID is '0'" },
		{ "-1", "1", NULL, "LISTEN_PID is '-1'" },
		{ "1x", "1", NULL, "LISTEN_PID is '1x'" },
		{ "99999999999", "1", NULL, "LISTEN_PID is '99999999999'" },
		{ "$", "", NULL, "LISTEN_FDS is ''" },
		{ "$", "0", NULL, "LISTEN_FDS is '0'" },
		{ "$", "-1", NULL, "LISTEN_FDS is '-1'" },
		{ "$", "one", NULL, "LISTEN_FDS is 'one'" },
		{ "$", "2147483647", NULL, "LISTEN_FDS is '2147483647'" },
		{ "$", "2147483640", NULL, "LISTEN_FDS is '2147483640'" },
		{ "$", "2", NULL, "LISTEN_FDS is '2': not all" },
		{ "$", "1", "a:b", "LISTEN_FDNAMES is 'a:b'" },
		{ "$", "1", ":", "LISTEN_FDNAMES is ':'" },
	};
	size_t i;

	begin();
	ck_assert_int_eq(pass_file(), 3);
	for (i = 0; i < COUNT(cases); i++) {
		unsetenv("LISTEN_FDNAMES");
		ck_assert_int_eq(
		    init_with(cases[i].pid, cases[i].count, cases[i].names),
		    -EX_USAGE);
		ck_assert_msg(strstr(heard, cases[i].bad) != NULL,
		    "no \"%s\" in \"%s\"", cases[i].bad, heard);
		ck_assert_ptr_eq(
		    strchr(heard, '\n'), heard + strlen(heard) - 1);
		ck_assert_int_eq(inherit_count(), 0);
	}
	close(3);
}
END_TEST

START_TEST(listening_socket_is_found_by_its_address)
{
	struct addr tcp, other, abstract;
	char text[64];

	begin();
	tcp = pass_socket("127.0.0.1:0", SOCK_STREAM, 1);
	other = pass_socket("127.0.0.2:0", SOCK_STREAM, 1);
	snprintf(text, sizeof(text), "unix:@bevhost-test-%ld", (long)getpid());
	pass_socket(text, SOCK_STREAM, 1);
	abstract = address_of(text);
	ck_assert_int_eq(init_with("$", "3", NULL), 3);
	ck_assert_int_eq(inherit_find_address(&tcp), 0);
	ck_assert_int_eq(inherit_find_address(&other), 1);
	ck_assert_int_eq(inherit_find_address(&abstract), 2);
	tcp.u.in.sin_addr.s_addr = htonl(INADDR_ANY);
	ck_assert_int_eq(inherit_find_address(&tcp), -1);
	other.u.in.sin_port = htons(1);
	ck_assert_int_eq(inherit_find_address(&other), -1);
	snprintf(text, sizeof(text), "unix:@bevhost-test-%ldx", (long)getpid());
	abstract = address_of(text);
	ck_assert_int_eq(inherit_find_address(&abstract), -1);
}
END_TEST

START_TEST(unix_socket_is_found_by_its_path)
{
	char text[64];
	struct addr addr;

	begin();
	snprintf(text, sizeof(text), "unix:/tmp/bevhost-test-inherit-%ld",
	    (long)getpid());
	pass_socket(text, SOCK_STREAM, 1);
	unlink(text + 5);
	addr = address_of(text);
	ck_assert_int_eq(init_with("$", "1", NULL), 1);
	ck_assert_int_eq(inherit_find_address(&addr), 0);
}
END_TEST

START_TEST(ipv6_socket_is_found_by_its_address)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct addr addr = address_of("[::1]:0");
	int works = fd >= 0 && bind(fd, &addr.u.sa, addr.len) == 0;

	begin();
	close(fd);
	if (!works)
		return; /* there is no IPv6 here */
	addr = pass_socket("[::1]:0", SOCK_STREAM, 1);
	ck_assert_int_eq(init_with("$", "1", NULL), 1);
	ck_assert_int_eq(inherit_find_address(&addr), 0);
	addr.u.in6.sin6_addr = in6addr_any;
	ck_assert_int_eq(inherit_find_address(&addr), -1);
}
END_TEST

START_TEST(only_listening_stream_sockets_are_found_by_address)
{
	struct addr deaf, datagram;

	begin();
	deaf = pass_socket("127.0.0.1:0", SOCK_STREAM, 0);
	datagram = pass_socket("127.0.0.1:0", SOCK_DGRAM, 0);
	ck_assert_int_eq(pass_file(), 5);
	ck_assert_int_eq(init_with("$", "3", NULL), 3);
	ck_assert_int_eq(inherit_find_address(&deaf), -1);
	ck_assert_int_eq(inherit_find_address(&datagram), -1);
}
END_TEST

START_TEST(who_uses_one_gets_a_copy)
{
	int fd;

	begin();
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(init_with("$", "1", NULL), 1);
	fd = inherit_use(0);
	ck_assert_int_gt(fd, 3);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	ck_assert_int_ge(fcntl(3, F_GETFD), 0);
}
END_TEST

START_TEST(each_that_nobody_uses_is_named)
{
	int fd;

	begin();
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(pass_file(), 4);
	ck_assert_int_eq(init_with("$", "2", "http:admin"), 2);
	fd = inherit_use(0);
	close(fd);
	listen_to_stderr();
	inherit_warn_unused();
	restore_stderr();
	ck_assert_ptr_nonnull(strstr(heard, "descriptor 4, 'admin'"));
	ck_assert_ptr_null(strstr(heard, "http"));
	ck_assert_int_eq(inherit_use(1), fd);
	close(fd);
	listen_to_stderr();
	inherit_warn_unused();
	restore_stderr();
	ck_assert_str_eq(heard, "");
}
END_TEST

START_TEST(what_was_taken_can_be_put_back_and_taken_again)
{
	char pid[16];

	begin();
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	ck_assert_int_eq(pass_file(), 3);
	ck_assert_int_eq(pass_file(), 4);
	ck_assert_int_eq(init_with("$", "2", "a:b"), 2);
	ck_assert_int_eq(inherit_export(), 0);
	ck_assert_str_eq(getenv("LISTEN_PID"), pid);
	ck_assert_str_eq(getenv("LISTEN_FDS"), "2");
	ck_assert_str_eq(getenv("LISTEN_FDNAMES"), "a:b");
	ck_assert_int_eq(fcntl(3, F_GETFD), 0);
	ck_assert_int_eq(fcntl(4, F_GETFD), 0);
	ck_assert_int_eq(inherit_init(), 2);
	ck_assert_int_eq(fcntl(4, F_GETFD), FD_CLOEXEC);
	ck_assert_str_eq(inherit_name(1), "b");
	ck_assert_ptr_null(getenv("LISTEN_PID"));
}
END_TEST

START_TEST(nothing_taken_is_nothing_put_back)
{
	begin();
	ck_assert_int_eq(init_with(NULL, NULL, NULL), 0);
	ck_assert_int_eq(inherit_export(), 0);
	ck_assert_ptr_null(getenv("LISTEN_PID"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("inherit");
	TCase *tcase = tcase_create("inherit");

	reserve();
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, descriptors_are_counted_and_named);
	tcase_add_test(tcase, descriptors_do_not_outlive_exec);
	tcase_add_test(tcase, nameless_descriptors_are_unknown);
	tcase_add_test(tcase, name_may_be_empty);
	tcase_add_test(tcase, without_the_variables_there_are_none);
	tcase_add_test(tcase, descriptors_of_another_process_are_not_taken);
	tcase_add_test(tcase, what_makes_no_sense_is_refused_by_name);
	tcase_add_test(tcase, listening_socket_is_found_by_its_address);
	tcase_add_test(tcase, unix_socket_is_found_by_its_path);
	tcase_add_test(tcase, ipv6_socket_is_found_by_its_address);
	tcase_add_test(
	    tcase, only_listening_stream_sockets_are_found_by_address);
	tcase_add_test(tcase, who_uses_one_gets_a_copy);
	tcase_add_test(tcase, each_that_nobody_uses_is_named);
	tcase_add_test(tcase, what_was_taken_can_be_put_back_and_taken_again);
	tcase_add_test(tcase, nothing_taken_is_nothing_put_back);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
