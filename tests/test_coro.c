/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coro: switching, nesting, data at the top of a stack, guards, many of them.
 */
#include "coro.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

struct data {
	int steps;
	int wanted;
	double number;
	struct coro *inner;
};

static void
run_steps(void *arg)
{
	struct data *data = arg;

	for (data->steps = 0; data->steps < data->wanted; data->steps++) {
		data->number += 0.5;
		coro_suspend();
	}
}

START_TEST(resume_runs_to_the_next_suspend)
{
	struct coro *coro =
	    coro_new(run_steps, CORO_STACK_DEFAULT, sizeof(struct data));
	struct data *data;
	int i;

	ck_assert_ptr_nonnull(coro);
	data = coro_data(coro);
	ck_assert_int_eq(data->wanted, 0);
	data->wanted = 5;
	ck_assert_ptr_null(coro_current());
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(coro_resume(coro), 1);
		ck_assert_int_eq(data->steps, i);
		ck_assert_ptr_null(coro_current());
	}
	ck_assert_double_eq(data->number, 2.5);
	ck_assert_int_eq(coro_resume(coro), 0);
	coro_free(coro);
	coro_clear_pool();
}
END_TEST

static void
run_inner(void *arg)
{
	struct data *data = arg;

	ck_assert_int_eq(coro_resume(data->inner), 1);
	data->steps = 1;
	coro_suspend();
	ck_assert_int_eq(coro_resume(data->inner), 0);
	data->steps = 2;
}

START_TEST(a_coro_may_resume_another)
{
	struct coro *outer =
	    coro_new(run_inner, CORO_STACK_DEFAULT, sizeof(struct data));
	struct coro *inner =
	    coro_new(run_steps, CORO_STACK_MIN, sizeof(struct data));
	struct data *data = coro_data(outer);

	data->inner = inner;
	((struct data *)coro_data(inner))->wanted = 1;
	ck_assert_int_eq(coro_resume(outer), 1);
	ck_assert_int_eq(data->steps, 1);
	ck_assert_int_eq(coro_resume(outer), 0);
	ck_assert_int_eq(data->steps, 2);
	coro_free(outer);
	coro_free(inner);
	coro_clear_pool();
}
END_TEST

START_TEST(a_stack_is_used_again_and_its_data_zeroed)
{
	struct coro *coro =
	    coro_new(run_steps, CORO_STACK_DEFAULT, sizeof(struct data));
	void *first = coro_data(coro);

	memset(first, 0x55, sizeof(struct data));
	((struct data *)first)->wanted = 0;
	ck_assert_int_eq(coro_resume(coro), 0);
	coro_free(coro);
	coro = coro_new(run_steps, CORO_STACK_DEFAULT, sizeof(struct data));
	ck_assert_ptr_eq(coro_data(coro), first);
	ck_assert_int_eq(((struct data *)first)->wanted, 0);
	ck_assert_double_eq(((struct data *)first)->number, 0);
	coro_free(coro);
	coro_clear_pool();
}
END_TEST

START_TEST(twenty_thousand_wait_at_once)
{
	/* valgrind, under which nothing forks, knows no more mappings. */
	int count = getenv("CK_FORK") == NULL ? 20000 : 200, i;
	struct coro **coros = calloc((size_t)count, sizeof(*coros));
	struct data *data;

	ck_assert_ptr_nonnull(coros);
	for (i = 0; i < count; i++) {
		coros[i] =
		    coro_new(run_steps, CORO_STACK_DEFAULT, sizeof(*data));
		ck_assert_ptr_nonnull(coros[i]);
		data = coro_data(coros[i]);
		data->wanted = 1;
		ck_assert_int_eq(coro_resume(coros[i]), 1);
	}
	for (i = 0; i < count; i++) {
		ck_assert_int_eq(coro_resume(coros[i]), 0);
		coro_free(coros[i]);
	}
	free(coros);
	coro_clear_pool();
}
END_TEST

/* The kernel before Linux 6.13. */
static int no_guards;

int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);

int
__wrap_madvise(void *at, size_t size, int advice)
{
	if (no_guards && advice == 102) {
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(at, size, advice);
}

#if !defined(SANITIZERS)
/* Each stack takes two of the kernel's mappings then. */
START_TEST(without_guards_there_is_a_limit_and_it_is_kept)
{
	struct coro **coros, *one;
	size_t limit, i;

	no_guards = 1;
	limit = coro_limit();
	ck_assert_uint_gt(limit, 1000);
	coros = calloc(limit, sizeof(*coros));
	ck_assert_ptr_nonnull(coros);
	for (i = 0; i < limit; i++) {
		coros[i] =
		    coro_new(run_steps, CORO_STACK_MIN, sizeof(struct data));
		ck_assert_ptr_nonnull(coros[i]);
	}
	errno = 0;
	one = coro_new(run_steps, CORO_STACK_MIN, sizeof(struct data));
	ck_assert_ptr_null(one);
	ck_assert_int_eq(errno, EAGAIN);
	for (i = 0; i < limit; i++)
		coro_free(coros[i]);
	one = coro_new(run_steps, CORO_STACK_MIN, sizeof(struct data));
	ck_assert_ptr_nonnull(one);
	ck_assert_int_eq(coro_resume(one), 0);
	coro_free(one);
	coro_clear_pool();
	free(coros);
}
END_TEST
#endif

static void
run_touch(void *arg)
{
	char buf[9000];
	struct data *data = arg;

	memset(buf, 1, sizeof(buf));
	/* The compiler must not see through it. */
	__asm__ volatile("" : : "r"(buf) : "memory");
	data->steps = buf[0];
}

START_TEST(the_deepest_use_is_known_when_painted)
{
	struct coro *coro;

	coro = coro_new(run_touch, CORO_STACK_DEFAULT, sizeof(struct data));
	ck_assert_int_eq(coro_resume(coro), 0);
	ck_assert_uint_eq(coro_deepest(coro), 0);
	coro_free(coro);
	coro_paint();
	coro = coro_new(run_touch, CORO_STACK_DEFAULT, sizeof(struct data));
	ck_assert_int_eq(coro_resume(coro), 0);
	ck_assert_uint_gt(coro_deepest(coro), 9000);
	ck_assert_uint_lt(coro_deepest(coro), 20000);
	coro_free(coro);
	coro_clear_pool();
}
END_TEST

#if !defined(SANITIZERS)
static void
on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	_exit(coro_overflowed(info->si_addr) ? 7 : 8);
}

static int
run_down(size_t depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	return depth == 0 ? 0 : run_down(depth - 1) + frame[0];
}

static void
run_too_deep(void *arg)
{
	((struct data *)arg)->steps = run_down(10000);
}

/* In a child: Check's fork mode takes the exit status. */
START_TEST(an_overflow_hits_the_guard)
{
	static char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK),
	};
	struct coro *coro =
	    coro_new(run_too_deep, CORO_STACK_DEFAULT, sizeof(struct data));

	ck_assert_int_eq(sigaltstack(&alternate, NULL), 0);
	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	coro_resume(coro);
}
END_TEST
#endif

int
main(void)
{
	Suite *suite = suite_create("coro");
	TCase *tcase = tcase_create("coro");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, resume_runs_to_the_next_suspend);
	tcase_add_test(tcase, a_coro_may_resume_another);
	tcase_add_test(tcase, a_stack_is_used_again_and_its_data_zeroed);
	tcase_add_test(tcase, twenty_thousand_wait_at_once);
	tcase_add_test(tcase, the_deepest_use_is_known_when_painted);
#if !defined(SANITIZERS)
	/* Without a fork they would end the others too, or change them. */
	if (getenv("CK_FORK") == NULL) {
		tcase_add_test(
		    tcase, without_guards_there_is_a_limit_and_it_is_kept);
		tcase_add_exit_test(tcase, an_overflow_hits_the_guard, 7);
	}
#endif
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
