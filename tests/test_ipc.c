/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: what one side sends is what the other gets, and whatever no
 * ipc_send() has sent is refused, with its descriptors closed.
 */
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A packet as it is on the wire. */
struct wire {
	uint32_t magic;
	uint16_t version, type;
	uint32_t text_size, has_fd;
	int64_t numbers[IPC_NUMBERS];
	char text[IPC_TEXT_SIZE + 8];
};

#define FIXED offsetof(struct wire, text)

static int ends[2];
static struct ipc_message got;

static void
setup(void)
{
	ck_assert_int_eq(ipc_pair(ends), 0);
	memset(&got, 0x55, sizeof(got));
}

static void
teardown(void)
{
	if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
}

static int
lowest_free(void)
{
	int fd = dup(STDERR_FILENO);

	ck_assert_int_ge(fd, 0);
	close(fd);
	return fd;
}

/* One that ipc_receive() takes. */
static struct wire
sound(const char *text)
{
	struct wire wire = {
		.magic = 0x62657668u,
		.version = 1,
		.type = IPC_SAY,
		.text_size = (uint32_t)strlen(text) + 1,
		.numbers = { 7, -8 },
	};

	snprintf(wire.text, sizeof(wire.text), "%s", text);
	return wire;
}

static void
send_raw(const void *bytes, size_t size, int fd_count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec part = { (void *)(uintptr_t)bytes, size };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *fds;
	int i, fd = STDERR_FILENO;

	memset(&control, 0, sizeof(control));
	if (fd_count > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen =
		    CMSG_SPACE((size_t)fd_count * sizeof(fd));
		fds = CMSG_FIRSTHDR(&header);
		fds->cmsg_level = SOL_SOCKET;
		fds->cmsg_type = SCM_RIGHTS;
		fds->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(fd));
		for (i = 0; i < fd_count; i++)
			memcpy(CMSG_DATA(fds) + (size_t)i * sizeof(fd), &fd,
			    sizeof(fd));
	}
	ck_assert_int_eq(sendmsg(ends[0], &header, 0), (ssize_t)size);
}

static void
must_be_refused(const void *bytes, size_t size, int fd_count)
{
	const struct wire good = sound("after");
	int low = lowest_free();

	send_raw(bytes, size, fd_count);
	ck_assert_int_eq(ipc_receive(ends[1], &got), -EPROTO);
	ck_assert_int_eq(got.fd, -1);
	ck_assert_int_eq(lowest_free(), low);
	/* Only that packet is lost. */
	send_raw(&good, FIXED + good.text_size, 0);
	ck_assert_int_eq(ipc_receive(ends[1], &got), 1);
	ck_assert_str_eq(got.text, "after");
}

START_TEST(a_message_arrives_as_it_was_sent)
{
	const struct ipc_message message = {
		.type = (enum ipc_type)_i,
		.numbers = { INT64_MIN, INT64_MAX },
		.text = "two\nlines",
		.fd = -1,
	};

	ck_assert_int_eq(ipc_send(ends[0], &message), 0);
	ck_assert_int_eq(ipc_receive(ends[1], &got), 1);
	ck_assert_int_eq(got.type, message.type);
	ck_assert(got.numbers[0] == INT64_MIN && got.numbers[1] == INT64_MAX);
	ck_assert_str_eq(got.text, "two\nlines");
	ck_assert_int_eq(got.fd, -1);
	ck_assert_int_eq(ipc_receive(ends[1], &got), -EAGAIN);
}
END_TEST

START_TEST(messages_stay_apart_and_in_order)
{
	struct ipc_message message = { .type = IPC_SAY, .fd = -1 };
	int i;

	for (i = 0; i < 20; i++) {
		message.numbers[0] = i;
		snprintf(message.text, sizeof(message.text), "%*s", i, "");
		ck_assert_int_eq(ipc_send(ends[_i], &message), 0);
	}
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(ipc_receive(ends[!_i], &got), 1);
		ck_assert(got.numbers[0] == i);
		ck_assert_uint_eq(strlen(got.text), (size_t)i);
	}
}
END_TEST

START_TEST(a_text_may_fill_its_room_and_is_cut_where_it_has_no_end)
{
	struct ipc_message message = { .type = IPC_SAY, .fd = -1 };

	memset(message.text, 'x', sizeof(message.text));
	if (_i == 0)
		message.text[IPC_TEXT_SIZE - 1] = '\0';
	ck_assert_int_eq(ipc_send(ends[0], &message), 0);
	ck_assert_int_eq(ipc_receive(ends[1], &got), 1);
	ck_assert_uint_eq(strlen(got.text), IPC_TEXT_SIZE - 1);
	ck_assert_int_eq(got.text[IPC_TEXT_SIZE - 2], 'x');
}
END_TEST

START_TEST(a_descriptor_comes_along_close_on_exec)
{
	struct ipc_message message = { .type = IPC_REOPEN, .fd = -1 };
	struct stat sent, received;
	int low;

	message.fd = open("/dev/null", O_RDONLY);
	ck_assert_int_ge(message.fd, 0);
	ck_assert_int_eq(ipc_send(ends[0], &message), 0);
	/* The sender's stays the sender's. */
	ck_assert_int_eq(fstat(message.fd, &sent), 0);
	close(message.fd);
	low = lowest_free();
	ck_assert_int_eq(ipc_receive(ends[1], &got), 1);
	ck_assert_int_eq(got.fd, low);
	ck_assert_int_eq(fstat(got.fd, &received), 0);
	ck_assert(sent.st_ino == received.st_ino);
	ck_assert_int_eq(fcntl(got.fd, F_GETFD), FD_CLOEXEC);
	close(got.fd);
}
END_TEST

START_TEST(a_closed_descriptor_is_not_sent)
{
	const struct ipc_message message = { .type = IPC_REOPEN, .fd = 9999 };

	ck_assert_int_eq(ipc_send(ends[0], &message), -EBADF);
	ck_assert_int_eq(ipc_receive(ends[1], &got), -EAGAIN);
}
END_TEST

START_TEST(both_ends_neither_block_nor_survive_exec)
{
	int i;

	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(fcntl(ends[i], F_GETFD), FD_CLOEXEC);
		ck_assert(fcntl(ends[i], F_GETFL) & O_NONBLOCK);
	}
}
END_TEST

START_TEST(who_does_not_read_is_not_waited_for)
{
	struct ipc_message message = { .type = IPC_SAY, .fd = -1 };
	int count = 0, status;

	while ((status = ipc_send(ends[0], &message)) == 0)
		count++;
	ck_assert_int_eq(status, -EAGAIN);
	ck_assert_int_gt(count, 1);
	while (count-- > 0)
		ck_assert_int_eq(ipc_receive(ends[1], &got), 1);
	ck_assert_int_eq(ipc_receive(ends[1], &got), -EAGAIN);
}
END_TEST

START_TEST(what_was_sent_before_the_end_arrives_before_it)
{
	const struct ipc_message message = { .type = IPC_READY, .fd = -1 };

	ck_assert_int_eq(ipc_send(ends[0], &message), 0);
	close(ends[0]);
	ends[0] = -1;
	ck_assert_int_eq(ipc_receive(ends[1], &got), 1);
	ck_assert_int_eq(ipc_receive(ends[1], &got), 0);
	ck_assert_int_eq(ipc_receive(ends[1], &got), 0);
	/* Without SIGPIPE. */
	ck_assert_int_eq(ipc_send(ends[1], &message), -EPIPE);
}
END_TEST

START_TEST(a_foreign_header_is_refused)
{
	struct wire wire = sound("text");

	switch (_i) {
	case 0:
		wire.magic ^= 1;
		break;
	case 1:
		wire.version++;
		break;
	case 2:
		wire.version = 0;
		break;
	case 3:
		wire.type = 0;
		break;
	case 4:
		wire.type = IPC_TYPES;
		break;
	default:
		wire.type = 0xffff;
	}
	must_be_refused(&wire, FIXED + wire.text_size, 0);
	must_be_refused(&wire, FIXED + wire.text_size, 1);
}
END_TEST

START_TEST(a_text_of_another_length_is_refused)
{
	static const uint32_t lengths[] = { 0, 1, 4, 6, IPC_TEXT_SIZE,
		IPC_TEXT_SIZE + 1, 0x7fffffff, 0x80000000, 0xffffffff };
	struct wire wire = sound("text");

	wire.text_size = lengths[_i];
	must_be_refused(&wire, FIXED + sizeof("text"), 0);
}
END_TEST

START_TEST(a_text_without_an_end_is_refused)
{
	struct wire wire = sound("text");

	wire.text[4] = 'x';
	must_be_refused(&wire, FIXED + wire.text_size, 0);
	memset(wire.text, 'x', sizeof(wire.text));
	wire.text_size = IPC_TEXT_SIZE;
	must_be_refused(&wire, FIXED + IPC_TEXT_SIZE, 0);
}
END_TEST

START_TEST(a_packet_that_is_cut_short_is_refused)
{
	struct wire wire = sound("");
	size_t size;

	wire.has_fd = (uint32_t)_i;
	for (size = 1; size <= FIXED; size++)
		must_be_refused(&wire, size, _i);
}
END_TEST

START_TEST(a_packet_that_is_too_long_is_refused)
{
	struct wire wire = sound("");

	memset(wire.text, 'x', sizeof(wire.text));
	wire.text[IPC_TEXT_SIZE - 1] = wire.text[IPC_TEXT_SIZE] = '\0';
	wire.text_size = IPC_TEXT_SIZE + (uint32_t)_i;
	wire.has_fd = 1;
	must_be_refused(&wire, FIXED + IPC_TEXT_SIZE + 1, 1);
}
END_TEST

/* What the header says, and what is there. */
START_TEST(descriptors_other_than_announced_are_refused)
{
	static const struct {
		uint32_t announced;
		int count;
	} cases[] = { { 0, 1 }, { 0, 2 }, { 1, 0 }, { 1, 2 }, { 1, 3 },
		{ 1, 4 }, { 2, 1 }, { 2, 2 }, { 0xffffffff, 1 } };
	struct wire wire = sound("text");

	ck_assert_int_lt(_i, (int)COUNT(cases));
	wire.has_fd = cases[_i].announced;
	must_be_refused(&wire, FIXED + wire.text_size, cases[_i].count);
}
END_TEST

START_TEST(an_empty_packet_leaves_no_descriptor)
{
	int low = lowest_free();

	send_raw("", 0, _i);
	/* Without one it looks like the end. */
	ck_assert_int_eq(ipc_receive(ends[1], &got), _i > 0 ? -EPROTO : 0);
	ck_assert_int_eq(lowest_free(), low);
}
END_TEST

START_TEST(no_socket_is_an_error)
{
	const struct ipc_message message = { .type = IPC_READY, .fd = -1 };

	ck_assert_int_eq(ipc_send(-1, &message), -EBADF);
	ck_assert_int_eq(ipc_receive(-1, &got), -EBADF);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ipc");
	TCase *tcase = tcase_create("ipc");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(
	    tcase, a_message_arrives_as_it_was_sent, 1, IPC_TYPES);
	tcase_add_loop_test(tcase, messages_stay_apart_and_in_order, 0, 2);
	tcase_add_loop_test(tcase,
	    a_text_may_fill_its_room_and_is_cut_where_it_has_no_end, 0, 2);
	tcase_add_test(tcase, a_descriptor_comes_along_close_on_exec);
	tcase_add_test(tcase, a_closed_descriptor_is_not_sent);
	tcase_add_test(tcase, both_ends_neither_block_nor_survive_exec);
	tcase_add_test(tcase, who_does_not_read_is_not_waited_for);
	tcase_add_test(tcase, what_was_sent_before_the_end_arrives_before_it);
	tcase_add_loop_test(tcase, a_foreign_header_is_refused, 0, 6);
	tcase_add_loop_test(tcase, a_text_of_another_length_is_refused, 0, 9);
	tcase_add_test(tcase, a_text_without_an_end_is_refused);
	tcase_add_loop_test(tcase, a_packet_that_is_cut_short_is_refused, 0, 2);
	tcase_add_loop_test(tcase, a_packet_that_is_too_long_is_refused, 0, 2);
	tcase_add_loop_test(
	    tcase, descriptors_other_than_announced_are_refused, 0, 9);
	tcase_add_loop_test(tcase, an_empty_packet_leaves_no_descriptor, 0, 3);
	tcase_add_test(tcase, no_socket_is_an_error);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
