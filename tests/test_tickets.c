/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of session tickets: who has which, and for how long. */
#include "tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define HOUR_MS (60 * 60 * INT64_C(1000))

static struct tickets tickets;

static void
setup(void)
{
	ck_assert_int_eq(tickets_init(&tickets), 0);
}

static void
teardown(void)
{
	tickets_clear(&tickets);
}

static struct ticket_key
current_of(const struct tickets *of)
{
	struct ticket_key key;

	ck_assert_int_eq(tickets_current(of, &key), 0);
	return key;
}

static int
is_same(const struct ticket_key *one, const struct ticket_key *two)
{
	return memcmp(one, two, sizeof(*one)) == 0;
}

START_TEST(keys_are_random)
{
	static const struct ticket_key zero;
	struct ticket_key one = current_of(&tickets), two;
	struct tickets other;

	ck_assert_int_eq(tickets_init(&other), 0);
	two = current_of(&other);
	ck_assert(!is_same(&one, &two));
	ck_assert_mem_ne(one.name, zero.name, sizeof(zero.name));
	ck_assert_mem_ne(one.cipher, zero.cipher, sizeof(zero.cipher));
	ck_assert_mem_ne(one.mac, zero.mac, sizeof(zero.mac));
	tickets_clear(&other);
}
END_TEST

START_TEST(a_worker_has_the_keys_of_its_master)
{
	struct ticket_key key = current_of(&tickets), found;
	struct tickets worker;

	ck_assert_int_eq(tickets_attach(&worker, tickets.fd), 0);
	found = current_of(&worker);
	ck_assert(is_same(&key, &found));
	ck_assert_int_eq(
	    tickets_find(&worker, key.name, &found), TICKETS_CURRENT);
	ck_assert(is_same(&key, &found));
	tickets_clear(&worker);
}
END_TEST

START_TEST(an_old_key_is_good_for_one_more_period)
{
	struct ticket_key first = current_of(&tickets), key;
	struct tickets worker;

	ck_assert_int_eq(tickets_attach(&worker, tickets.fd), 0);
	ck_assert_int_eq(tickets_rotate_when_due(&tickets, 0), 1);
	key = current_of(&worker);
	ck_assert(!is_same(&first, &key));
	ck_assert_int_eq(
	    tickets_find(&worker, first.name, &key), TICKETS_PREVIOUS);
	ck_assert(is_same(&first, &key));
	ck_assert_int_eq(tickets_rotate_when_due(&tickets, 0), 1);
	ck_assert_int_eq(tickets_find(&worker, first.name, &key), TICKETS_NONE);
	tickets_clear(&worker);
}
END_TEST

START_TEST(a_key_stays_until_it_is_due)
{
	struct ticket_key first = current_of(&tickets), key;

	ck_assert_int_eq(tickets_rotate_when_due(&tickets, HOUR_MS), 0);
	key = current_of(&tickets);
	ck_assert(is_same(&first, &key));
}
END_TEST

START_TEST(a_new_master_goes_on_with_the_old_ones_keys)
{
	struct ticket_key first = current_of(&tickets), second, key;
	struct tickets next;

	ck_assert_int_eq(tickets_rotate_when_due(&tickets, 0), 1);
	second = current_of(&tickets);
	ck_assert_int_eq(tickets_init(&next), 0);
	ck_assert_int_eq(tickets_adopt(&next, tickets.fd), 0);
	key = current_of(&next);
	ck_assert(is_same(&second, &key));
	ck_assert_int_eq(
	    tickets_find(&next, first.name, &key), TICKETS_PREVIOUS);
	/* It is its own to rotate. */
	ck_assert_int_eq(tickets_rotate_when_due(&next, 0), 1);
	key = current_of(&tickets);
	ck_assert(is_same(&second, &key));
	tickets_clear(&next);
}
END_TEST

START_TEST(what_is_no_such_memory_is_refused)
{
	int fd = memfd_create("other", MFD_CLOEXEC);
	struct ticket_key before = current_of(&tickets), after;
	struct tickets worker;
	int i;

	for (i = 0; i < 2; i++) {
		errno = 0;
		ck_assert_int_eq(tickets_attach(&worker, fd), -1);
		ck_assert_int_eq(errno, EPROTO);
		errno = 0;
		ck_assert_int_eq(tickets_adopt(&tickets, fd), -1);
		ck_assert_int_eq(errno, EPROTO);
		/* Of the same size, but all zero. */
		ck_assert_int_eq(
		    ftruncate(fd, lseek(tickets.fd, 0, SEEK_END)), 0);
	}
	after = current_of(&tickets);
	ck_assert(is_same(&before, &after));
	close(fd);
	ck_assert_int_eq(tickets_attach(&worker, -1), -1);
}
END_TEST

START_TEST(a_worker_cannot_write_them)
{
	size_t size = (size_t)lseek(tickets.fd, 0, SEEK_END);
	int seals = fcntl(tickets.fd, F_GET_SEALS);
	char byte = 0;

	ck_assert(seals & F_SEAL_SHRINK);
	ck_assert(seals & F_SEAL_GROW);
	ck_assert_int_eq(ftruncate(tickets.fd, 0), -1);
	if (!(seals & 0x10)) /* of a kernel before 5.1 */
		return;
	ck_assert_int_eq(pwrite(tickets.fd, &byte, 1, 0), -1);
	ck_assert_ptr_eq(
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, tickets.fd, 0),
	    MAP_FAILED);
}
END_TEST

START_TEST(whoever_is_left_when_they_are_wiped_has_none)
{
	struct ticket_key key = current_of(&tickets);
	struct tickets worker;

	ck_assert_int_eq(tickets_attach(&worker, tickets.fd), 0);
	tickets_clear(&tickets);
	ck_assert_int_eq(tickets_current(&worker, &key), -1);
	ck_assert_int_eq(tickets_find(&worker, key.name, &key), TICKETS_NONE);
	tickets_clear(&worker);
}
END_TEST

START_TEST(nobody_reads_half_of_a_key)
{
	int i, status;
	struct ticket_key key, found;
	struct tickets worker;
	pid_t pid;

	ck_assert_int_eq(tickets_attach(&worker, tickets.fd), 0);
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < 2000; i++)
			(void)tickets_rotate_when_due(&tickets, 0);
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (tickets_current(&worker, &key) < 0)
			continue;
		/* It has gone by now, or is what it was. */
		if (tickets_find(&worker, key.name, &found) != TICKETS_NONE)
			ck_assert(is_same(&key, &found));
	}
	ck_assert_int_eq(status, 0);
	tickets_clear(&worker);
}
END_TEST

START_TEST(without_memory_there_are_no_keys)
{
	struct tickets none = { .fd = -1 };
	struct ticket_key key;

	ck_assert_int_eq(tickets_current(&none, &key), -1);
	ck_assert_int_eq(tickets_find(&none,
			     (const unsigned char *)"0123456789abcdef", &key),
	    TICKETS_NONE);
	ck_assert_int_eq(tickets_rotate_when_due(&none, 0), 0);
	tickets_clear(&none);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tickets");
	TCase *tcase = tcase_create("tickets");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, keys_are_random);
	tcase_add_test(tcase, a_worker_has_the_keys_of_its_master);
	tcase_add_test(tcase, an_old_key_is_good_for_one_more_period);
	tcase_add_test(tcase, a_key_stays_until_it_is_due);
	tcase_add_test(tcase, a_new_master_goes_on_with_the_old_ones_keys);
	tcase_add_test(tcase, what_is_no_such_memory_is_refused);
	tcase_add_test(tcase, a_worker_cannot_write_them);
	tcase_add_test(tcase, whoever_is_left_when_they_are_wiped_has_none);
	tcase_add_test(tcase, nobody_reads_half_of_a_key);
	tcase_add_test(tcase, without_memory_there_are_no_keys);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
