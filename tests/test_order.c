/* SPDX-License-Identifier: BSD-2-Clause */
/* Orders: written and read back, and refused when they are none. */
#include "order.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

static struct order order, got; /* large for a stack */
static int fd;

static void
setup(void)
{
	fd = memfd_create("order", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	memset(&order, 0, sizeof(order));
	memset(&got, 0x55, sizeof(got));
	order.slot = 2;
	order.generation = 7;
	order.share = 5;
	order.cpu = -1;
	order.drop = 1;
	order.uid = 65534;
	order.gid = 65533;
	order.group_count = ORDER_GROUPS;
	order.groups[ORDER_GROUPS - 1] = 99;
	order.socket_count = ORDER_SOCKETS;
	order.handlers[ORDER_SOCKETS - 1] = 3;
	strcpy(order.worker_group, "web");
}

static void
teardown(void)
{
	close(fd);
}

static void
must_be_refused(void)
{
	static struct order before;

	memset(&got, 0x55, sizeof(got));
	before = got;
	errno = 0;
	ck_assert_int_eq(order_read(&got, fd), -1);
	ck_assert_int_eq(errno, EPROTO);
	/* Nothing of it is taken. */
	ck_assert_int_eq(memcmp(&got, &before, sizeof(got)), 0);
}

START_TEST(an_order_is_read_as_it_was_written)
{
	ck_assert_int_eq(order_write(&order, fd), 0);
	ck_assert_int_eq(order_read(&got, fd), 0);
	ck_assert_int_eq(memcmp(&got, &order, sizeof(got)), 0);
	/* And once more, wherever the descriptor is. */
	lseek(fd, 10, SEEK_SET);
	memset(&got, 0, sizeof(got));
	ck_assert_int_eq(order_read(&got, fd), 0);
	ck_assert_int_eq(memcmp(&got, &order, sizeof(got)), 0);
}
END_TEST

/* One after the other. */
static void
corrupt(int which)
{
	switch (which) {
	case 0:
		order.slot = 0;
		break;
	case 1:
		order.generation = 0;
		break;
	case 2:
		order.group_count = -1;
		break;
	case 3:
		order.group_count = ORDER_GROUPS + 1;
		break;
	case 4:
		order.socket_count = -1;
		break;
	case 5:
		order.socket_count = ORDER_SOCKETS + 1;
		break;
	case 6:
		order.handlers[ORDER_SOCKETS - 1] = -1;
		break;
	case 7:
		order.slot = -1;
		break;
	case 8:
		order.code_count = -1;
		break;
	default:
		memset(order.worker_group, 'x', sizeof(order.worker_group));
	}
}

START_TEST(a_field_out_of_bounds_is_refused)
{
	corrupt(_i);
	ck_assert_int_eq(order_write(&order, fd), 0);
	must_be_refused();
}
END_TEST

START_TEST(another_version_is_refused)
{
	unsigned char byte;
	int offset;

	for (offset = 0; offset < 8; offset++) {
		ck_assert_int_eq(order_write(&order, fd), 0);
		ck_assert_int_eq(pread(fd, &byte, 1, offset), 1);
		byte ^= 0x40;
		ck_assert_int_eq(pwrite(fd, &byte, 1, offset), 1);
		must_be_refused();
	}
}
END_TEST

START_TEST(a_file_that_is_too_short_is_refused)
{
	off_t size;

	must_be_refused();
	ck_assert_int_eq(order_write(&order, fd), 0);
	size = lseek(fd, 0, SEEK_END);
	ck_assert_int_eq(ftruncate(fd, size - 1), 0);
	must_be_refused();
	ck_assert_int_eq(ftruncate(fd, 1), 0);
	must_be_refused();
}
END_TEST

START_TEST(what_is_no_file_is_an_error)
{
	int pipe_fds[2];

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	ck_assert_int_eq(order_write(&order, pipe_fds[1]), -1);
	ck_assert_int_eq(errno, ESPIPE);
	ck_assert_int_eq(order_read(&got, pipe_fds[0]), -1);
	ck_assert_int_eq(errno, ESPIPE);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

START_TEST(a_name_says_number_group_and_generation)
{
	char name[96], little[10];

	ck_assert_str_eq(order_name(&order, name, sizeof(name)),
	    "worker 2 (web, generation 7)");
	order.worker_group[0] = '\0';
	ck_assert_str_eq(
	    order_name(&order, name, sizeof(name)), "worker 2 (generation 7)");
	ck_assert_str_eq(
	    order_name(&order, little, sizeof(little)), "worker 2 ");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("order");
	TCase *tcase = tcase_create("order");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_order_is_read_as_it_was_written);
	tcase_add_loop_test(tcase, a_field_out_of_bounds_is_refused, 0, 10);
	tcase_add_test(tcase, another_version_is_refused);
	tcase_add_test(tcase, a_file_that_is_too_short_is_refused);
	tcase_add_test(tcase, what_is_no_file_is_an_error);
	tcase_add_test(tcase, a_name_says_number_group_and_generation);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
